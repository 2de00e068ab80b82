"""Every .cu file compiles for the supported GPUs, by NVRTC as in CuPy or by nvcc, without a GPU."""

import ctypes
import importlib.util
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

import alexnet
import tinynet
from tinynet.backends.cupy.device import launch

ARCHITECTURES = ("sm_80", "sm_90")  # A100; H100 and H200
OPTIONS = ["--std=c++17", "-ftz=true"]  # Gpu's option, and CuPy's
PACKAGES = [Path(package.__file__).parent for package in (tinynet, alexnet)]
FILES = sorted(file for folder in PACKAGES for file in folder.rglob("*.cu"))


@cache
def nvrtc():
    """PyPI's NVRTC as a ctypes library, or None."""
    package = importlib.util.find_spec("nvidia")
    for folder in package.submodule_search_locations if package else ():
        # The library opens its builtins by name, so the loader must know them first.
        for library in sorted(Path(folder).glob("*/lib/libnvrtc.so.*")):
            for builtins in library.parent.glob("libnvrtc-builtins.so.*"):
                ctypes.CDLL(str(builtins), mode=ctypes.RTLD_GLOBAL)
            return ctypes.CDLL(str(library))
    return None


def compile_by_nvrtc(source, architecture):
    """NVRTC's log for a source, and whether it compiled."""
    program = ctypes.c_void_p()
    library = nvrtc()
    status = library.nvrtcCreateProgram(
        ctypes.byref(program), source.encode(), b"kernels.cu", 0, None, None
    )
    assert status == 0
    options = [*OPTIONS, f"-arch={architecture}"]
    texts = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
    status = library.nvrtcCompileProgram(program, len(options), texts)
    size = ctypes.c_size_t()
    library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    library.nvrtcGetProgramLog(program, log)
    library.nvrtcDestroyProgram(ctypes.byref(program))
    return log.value.decode(), status == 0


def compile_by_nvcc(source, architecture, folder):
    file = folder / "kernels.cu"
    file.write_text(source)
    command = ["nvcc", *OPTIONS, f"-arch={architecture}", "-cubin", "-o", "cubin", file.name]
    process = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return process.stdout + process.stderr, process.returncode == 0


def compile_source(source, architecture, folder):
    if nvrtc():
        return compile_by_nvrtc(source, architecture)
    if shutil.which("nvcc"):
        return compile_by_nvcc(source, architecture, folder)
    pytest.skip("neither the package nvidia-cuda-nvrtc nor nvcc is installed")


def test_there_are_files_to_compile():
    assert len(FILES) > 12


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_a_file_compiles_for_a_gpu(file, architecture, tmp_path):
    log, success = compile_source(launch.source(file), architecture, tmp_path)
    assert success, log


def test_a_mistake_does_not_compile(tmp_path):
    _, success = compile_source(
        "__global__ void f(float *x) { x[0] = nowhere; }", "sm_90", tmp_path
    )
    assert not success
