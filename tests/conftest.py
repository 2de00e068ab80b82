"""Fixtures that many tests share: a backend, a dtype, and the random state put back."""

import gc
import os
import shutil
from importlib import import_module

import numpy as np
import pytest

import tinynet as tn
from tests.gpu_on_cpu.host_gpu import host_backend
from tinynet import backends, random

# These test files need packages that a machine for GPU tests may lack.
NEEDS = {
    "tinynet/backends/test_numba.py": "numba",
    "tinynet/backends/test_numba_cache.py": "numba",
    "tinynet/backends/test_numba_environment.py": "numba",
    "benchmarks/test_readme.py": "scipy",
    "benchmarks/test_scaling.py": "scipy",
    "alexnet/data/test_synthetic.py": "scipy",
}


def _can_import(package):
    try:
        import_module(package)
    except ImportError:  # missing, or installed for another NumPy
        return False
    return True


collect_ignore = [file for file, package in NEEDS.items() if not _can_import(package)]


def pytest_addoption(parser):
    parser.addoption(
        "--sanitizer", action="store_true",
        help="for compute-sanitizer: each array on the GPU is a block of memory by itself, so that "
        "the tool sees an access beyond its end; convolutions take few images at a time",
    )  # fmt: skip


def pytest_configure(config):
    if config.getoption("--sanitizer"):
        try:
            gpu = tn.get_backend("cupy").gpu
        except tn.BackendError as error:
            raise pytest.UsageError(f"--sanitizer: {error}") from error
        gpu.xp.cuda.set_allocator(None)  # without CuPy's memory pool
        gpu.chunk_bytes = 6000


def pytest_report_header():
    return [f"left out: {file}, {NEEDS[file]} cannot be imported" for file in collect_ignore]


needs_gcc = pytest.mark.skipif(
    not shutil.which("g++"), reason="g++ is not installed: no CUDA kernels on the processor"
)
# "cupy" is the backend on a GPU; "cupy-host" is the same backend on the processor (gpu_on_cpu/).
EVERY_BACKEND = [
    *(pytest.param(name, marks=[pytest.mark.gpu] * (name == "cupy"))
      for name in tn.available_backends()),
    pytest.param("cupy-host", marks=needs_gcc),
]  # fmt: skip


ON_GPUS = [param for param in EVERY_BACKEND if param.values[0].startswith("cupy")]


@pytest.fixture(params=EVERY_BACKEND)
def backend(request, monkeypatch):
    """Each usable backend in turn, as the default while the test runs."""
    yield from _as_default(request.param, monkeypatch)


@pytest.fixture(params=ON_GPUS)
def on_gpu(request, monkeypatch):
    """The cupy backend, on a GPU and on the processor, as the default while the test runs."""
    yield from _as_default(request.param, monkeypatch)


@pytest.fixture
def stand_in(monkeypatch):
    """The cupy backend on the processor as the default, even on a machine with a GPU."""
    if not shutil.which("g++"):
        pytest.skip("g++ is not installed: no CUDA kernels on the processor")
    for _ in _as_default("cupy-host", monkeypatch):
        yield tn.get_backend()


def _as_default(name, monkeypatch):
    """Make a backend the default. With "cupy-host" the name "cupy" loads it on the processor."""
    if name == "cupy-host":
        name = "cupy"
        monkeypatch.setitem(backends._loaded, name, host_backend())
    with tn.use_backend(name):
        yield name


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    """Both dtypes that layers compute in."""
    return np.dtype(request.param)


@pytest.fixture(autouse=True)
def random_state_as_before():
    """Put the random state back, so that tn.seed in one test does not affect the next test."""
    state = random.get_state()
    yield
    random.set_state(state)


@pytest.fixture(scope="module", autouse=True)
def garbage_of_this_file_alone():
    """gc.collect, which benchmarks call and walks of graphs are tested by, passes over all that was
    imported before: half a second for each call once PyTorch is there."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def processors_as_before():
    """A test that took processors away from this process would slow all later ones."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    yield
    if count:
        assert len(os.sched_getaffinity(0)) == count
