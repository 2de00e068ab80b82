"""A cupy backend that cannot work says why and what to do; every reason is simulated."""

import ctypes
import sys
from types import SimpleNamespace

import pytest

import tinynet as tn
from tinynet import backends
from tinynet.backends import cupy as cupy_package
from tinynet.backends.cupy.device import choice, installation
from tinynet.backends.cupy.device.installation import find_cupy


class CUDARuntimeError(RuntimeError):
    """As CuPy's class: with CUDA's error number."""

    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


NO_DEVICE = CUDARuntimeError(100, "cudaErrorNoDevice: no CUDA-capable device is detected")
NOT_READY = CUDARuntimeError(802, "cudaErrorSystemNotReady: system not yet initialized")
NO_CUBLAS = ImportError('Failure finding "libcublasLt.so.13":\nNo such file: libcublasLt.so.13\n')
NO_NVRTC = RuntimeError('Failure finding "libnvrtc.so.13"')


def answer(value):
    """A function that returns this value, or raises this error."""

    def function(*_):
        if isinstance(value, Exception):
            raise value
        return value

    return function


def fake_cupy(runtime=13020, count=1, sync=None, nvrtc=(13, 0), cublas=130000):
    """The parts of the cupy module that find_cupy calls, with these answers; `devices` are those
    that were made current."""
    devices = []
    return SimpleNamespace(
        devices=devices,
        cuda=SimpleNamespace(
            runtime=SimpleNamespace(
                setDevice=devices.append,
                runtimeGetVersion=answer(runtime),
                getDeviceCount=answer(count),
                deviceSynchronize=answer(sync),
                CUDARuntimeError=CUDARuntimeError,
            ),
            nvrtc=SimpleNamespace(getVersion=answer(nvrtc)),
            cublas=SimpleNamespace(getVersion=answer(cublas)),
        ),
    )


@pytest.fixture
def machine(monkeypatch):
    """A function that sets what find_cupy finds on this machine."""
    loaded = {name: module for name, module in backends._loaded.items() if name != "cupy"}
    monkeypatch.setattr(backends, "_loaded", loaded)
    for name in ("CUDA_VISIBLE_DEVICES", *choice._NUMBERS):
        monkeypatch.delenv(name, raising=False)

    def set_machine(packages=("cupy-cuda13x",), driver=13000, visible=None, **answers):
        monkeypatch.setattr(installation, "installed_packages", lambda: list(packages))
        monkeypatch.setattr(installation, "driver_version", lambda: driver)
        monkeypatch.setitem(sys.modules, "cupy", fake_cupy(**answers))
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    return set_machine


# name: (the machine, the reason in words, the remedy)
UNUSABLE = {
    "CuPy missing, driver of CUDA 13": (
        dict(packages=()),
        "CuPy is not installed", "pip install 'cupy-cuda13x[ctk]'"),
    "CuPy missing, driver of CUDA 12": (
        dict(packages=(), driver=12040),
        "CuPy is not installed", "pip install 'cupy-cuda12x[ctk]'"),
    "CuPy missing, driver of CUDA 11": (
        dict(packages=(), driver=11040),
        "CuPy is not installed",
        "install NVIDIA's driver 580 or later (CUDA 13), then pip install 'cupy-cuda13x[ctk]'"),
    "CuPy and driver missing": (
        dict(packages=(), driver=0),
        "CuPy is not installed and no NVIDIA driver answers",
        "install NVIDIA's driver 580 or later (CUDA 13), then pip install 'cupy-cuda13x[ctk]'"),
    "two CuPy packages": (
        dict(packages=("cupy", "cupy-cuda13x"), driver=12090),
        "2 CuPy packages are installed in one place, cupy, cupy-cuda13x",
        "pip uninstall cupy cupy-cuda13x, then pip install 'cupy-cuda12x[ctk]'"),
    "no driver": (
        dict(driver=0),
        "no NVIDIA driver answers",
        "install NVIDIA's driver 580 or later (CUDA 13), or let a container have it (docker run "
        "--gpus all)"),
    "a driver too old, but another package fits": (
        dict(driver=12040),
        "the NVIDIA driver (CUDA 12.4) is too old for cupy-cuda13x (CUDA 13.2)",
        "pip uninstall cupy-cuda13x, then pip install 'cupy-cuda12x[ctk]'; or install an NVIDIA "
        "driver for CUDA 13 or later"),
    "a driver too old for every package": (
        dict(packages=("cupy-cuda12x",), driver=11080, runtime=12090),
        "the NVIDIA driver (CUDA 11.8) is too old for cupy-cuda12x (CUDA 12.9)",
        "install an NVIDIA driver for CUDA 12 or later"),
    "no device": (
        dict(count=NO_DEVICE),
        "the driver finds no NVIDIA GPU", "nvidia-smi -L must list one"),
    "no device, as a count": (
        dict(count=0),
        "the driver finds no NVIDIA GPU", "nvidia-smi -L must list one"),
    "devices hidden": (
        dict(count=NO_DEVICE, visible=""),
        "no NVIDIA GPU is visible with CUDA_VISIBLE_DEVICES=''",
        "unset it, or give it a number that nvidia-smi -L lists"),
    "a device asked for that is not there": (
        dict(count=NO_DEVICE, visible="7"),
        "no NVIDIA GPU is visible with CUDA_VISIBLE_DEVICES='7'",
        "unset it, or give it a number that nvidia-smi -L lists"),
    "a device that cannot be counted": (
        dict(count=NOT_READY),
        "the GPU does not answer (cudaErrorSystemNotReady: system not yet initialized)",
        "nvidia-smi tells whether it is in use, or the machine needs a restart"),
    "a device that does not answer": (
        dict(sync=NOT_READY),
        "the GPU does not answer (cudaErrorSystemNotReady: system not yet initialized)",
        "nvidia-smi tells whether it is in use, or the machine needs a restart"),
    "cuBLAS missing": (
        dict(cublas=NO_CUBLAS),
        "a library of CUDA's is not installed (Failure finding \"libcublasLt.so.13\": No such "
        "file: libcublasLt.so.13)",
        "pip install 'cupy-cuda13x[ctk]'"),
    "the compiler missing": (
        dict(nvrtc=NO_NVRTC, driver=12080, runtime=12090),
        "a library of CUDA's is not installed (Failure finding \"libnvrtc.so.13\")",
        "pip install 'cupy-cuda12x[ctk]'"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNUSABLE)
def test_the_error_says_the_reason_and_the_remedy(name, machine):
    arguments, reason, remedy = UNUSABLE[name]
    machine(**arguments)
    with pytest.raises(tn.BackendError) as raised:
        find_cupy()
    assert str(raised.value) == (
        f"backend 'cupy' cannot be used: {reason}; {remedy}; numba and numpy need no GPU"
    )
    assert raised.value.reason == reason


@pytest.mark.parametrize(
    "arguments",
    [
        dict(),
        dict(driver=12020, runtime=12090, packages=("cupy-cuda12x",)),  # of the same major version
        dict(driver=14010, runtime=12090, packages=("cupy",)),
        dict(count=8, visible="0,1,2,3,4,5,6,7"),
    ],
)
def test_the_cupy_module_is_found_where_nothing_is_missing(arguments, machine):
    machine(**arguments)
    assert find_cupy() is sys.modules["cupy"]


@pytest.mark.parametrize(
    "environment, device",
    [
        ({}, None),
        ({"OMPI_COMM_WORLD_LOCAL_RANK": "2", "PMIX_RANK": "5", "SLURM_LOCALID": "0"}, 2),
        ({"MPI_LOCALRANKID": "3", "PMI_RANK": "6"}, 3),
        ({"SLURM_LOCALID": "1", "PMIX_RANK": "7"}, 1),
        ({"PMI_RANK": "6"}, 2),  # the number among all processes, modulo 4 GPUs
        ({"OMPI_COMM_WORLD_LOCAL_RANK": "4"}, 0),
    ],
)
def test_a_process_of_a_launcher_takes_the_gpu_of_its_number(
    environment, device, machine, monkeypatch
):
    machine(count=4, sync=None)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert find_cupy().devices == ([] if device is None else [device])


# --- driver and packages ---


def test_without_its_library_there_is_no_driver(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", answer(OSError("libcuda.so.1: cannot open")))
    assert installation.driver_version() == 0


def test_the_drivers_version_is_what_its_library_says(monkeypatch):
    def get_version(version):
        version._obj.value = 12040

    library = SimpleNamespace(cuDriverGetVersion=get_version)
    monkeypatch.setattr(ctypes, "CDLL", {"libcuda.so.1": library}.__getitem__)
    assert installation.driver_version() == 12040


def test_the_packages_are_the_ones_that_installed_a_cupy_folder(tmp_path, monkeypatch):
    (tmp_path / "cupy").mkdir()
    (tmp_path / "cupy" / "__init__.py").touch()
    for name in ("cupy-cuda12x", "cupy-rocm-7-0", "cupy-xarray"):
        folder = tmp_path / f"{name.replace('-', '_')}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        top_level = "cupy_xarray" if name == "cupy-xarray" else "cupy\ncupyx\n"
        (folder / "top_level.txt").write_text(top_level)
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    # The folder is on the path twice, as in a virtual environment over a system with this package.
    monkeypatch.setattr(sys, "path", [str(tmp_path), f"{tmp_path}/cupy/.."])
    assert installation.installed_packages() == ["cupy-cuda12x", "cupy-rocm-7-0"]
    monkeypatch.setattr(installation.importlib.metadata, "packages_distributions", dict)
    assert installation.installed_packages() == ["cupy"]  # for example built on this machine
    monkeypatch.setattr(sys, "path", [])
    assert installation.installed_packages() == []


BROKEN = {
    "raise ImportError('=====\\nadvice\\n=====') from OSError('libcudart.so: no\\n such file')":
        "libcudart.so: no such file",
    "raise ValueError('numpy.dtype size changed')": "numpy.dtype size changed",
    "raise RuntimeError": "RuntimeError",
}  # fmt: skip


@pytest.mark.parametrize("text", BROKEN)
def test_a_cupy_that_cannot_be_imported_passes_the_reason_on(text, tmp_path, monkeypatch):
    (tmp_path / "cupy.py").write_text(text)
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(tn.BackendError, match="pip uninstall it, then pip install") as raised:
        installation.import_cupy(13000)
    reason = f"CuPy is installed but cannot be imported ({BROKEN[text]})"
    assert raised.value.reason == reason


def test_a_gpu_whose_memory_is_full_is_not_usable(monkeypatch):
    def full(cupy):
        raise MemoryError("Out of memory allocating 67,108,864 bytes")

    monkeypatch.setattr("tinynet.backends.cupy.device.installation.find_cupy", lambda: None)
    monkeypatch.setattr("tinynet.backends.cupy.device.gpu.Gpu", full)
    with pytest.raises(
        tn.BackendError, match="memory is full .Out of memory.*nvidia-smi"
    ) as raised:
        cupy_package.load()
    assert raised.value.reason == "the GPU's memory is full"


def test_auto_without_a_usable_backend_gives_both_reasons(monkeypatch):
    monkeypatch.setattr(backends, "why_not", {"cupy": "no driver", "numba": "no Numba"}.get)
    with pytest.raises(tn.BackendError, match=r"cupy .*\(no driver\), numba .*\(no Numba\).*numpy"):
        backends.get_backend("auto")


def test_cuda_without_its_headers_is_not_usable():
    with pytest.raises(tn.BackendError, match=r"CUDA's headers are not installed; .*\[ctk\]"):
        installation.check_headers(None, 13_000)
    installation.check_headers("/cuda/include", 13_000)
    installation.check_headers("", 13_000)
