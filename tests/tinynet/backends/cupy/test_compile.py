"""Every .cu file compiles for the GPUs that the backend is meant for, by NVRTC as CuPy uses it, or
by nvcc. Neither needs a GPU."""

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
OPTIONS = ["--std=c++17", "-ftz=true"]  # Gpu's, and what CuPy adds
PACKAGES = [Path(package.__file__).parent for package in (tinynet, alexnet)]
FILES = sorted(file for folder in PACKAGES for file in folder.rglob("*.cu"))


@cache
def nvrtc():
    """PyPI's NVRTC as a ctypes library, or None."""
    found = importlib.util.find_spec("nvidia")
    for folder in found.submodule_search_locations if found else ():
        # Builtins are opened by name from the folder of the library, which the loader must know.
        for library in sorted(Path(folder).glob("*/lib/libnvrtc.so.*")):
            for builtins in library.parent.glob("libnvrtc-builtins.so.*"):
                ctypes.CDLL(str(builtins), mode=ctypes.RTLD_GLOBAL)
            return ctypes.CDLL(str(library))
    return None


def compile_by_nvrtc(source, architecture):
    """What NVRTC says about a source, and whether it compiled."""
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
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return done.stdout + done.stderr, done.returncode == 0


def compiled(source, architecture, folder):
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
    log, fine = compiled(launch.source(file), architecture, tmp_path)
    assert fine, log


def test_a_mistake_does_not_compile(tmp_path):
    _, fine = compiled("__global__ void f(float *x) { x[0] = nowhere; }", "sm_90", tmp_path)
    assert not fine
