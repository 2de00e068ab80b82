"""Every backend exports the kernels of contract.py: all of them, no others, the same arguments."""

import importlib
import inspect
import os
import subprocess
import sys
from functools import partial
from types import ModuleType, SimpleNamespace

import pytest

import tinynet as tn
from tests.gpu_on_cpu.host_gpu import HostGpu
from tinynet import backends
from tinynet.backends import contract, get_backend
from tinynet.backends.cupy import Backend

PROCESSOR = ["numpy", "numba"]
# Exports beyond the contract. The numpy backend explains im2col and col2im; a copy may keep them.
MORE = {"numba": set(), "cupy": {"gpu"}}
COLUMNS = {"im2col", "col2im"}


def differences(backend, files, more=()):
    """The differences between a backend and the contract, one sentence each.

    backend  the backend's namespace
    files    file name -> namespace of the file
    more     names that may exist beyond the contract
    """
    sentences = []
    for file, kernels in contract.FILES.items():
        for kernel in kernels:
            if not hasattr(files[file], kernel):
                sentences.append(f"{file}.py has no {kernel}")
            elif _unbound(getattr(backend, kernel, None)) is not getattr(files[file], kernel):
                sentences.append(f"{kernel} of {file}.py is not exported")
    for name in [*sum(contract.FILES.values(), []), *contract.ARRAYS]:
        arguments = list(inspect.signature(getattr(contract, name)).parameters)
        if not hasattr(backend, name):
            sentences.append(f"{name} is missing")
        elif list(inspect.signature(getattr(backend, name)).parameters) != arguments:
            sentences.append(f"{name} has other arguments than {arguments}")
    sentences += [f"{name} is missing" for name in contract.VALUES if not hasattr(backend, name)]
    known = {*sum(contract.FILES.values(), []), *contract.ARRAYS, *contract.VALUES, *more}
    for name, value in vars(backend).items():
        if name not in known and not name.startswith("_") and not isinstance(value, ModuleType):
            sentences.append(f"{name} is not in the contract")
    return sentences


def _unbound(kernel):
    """The function itself, if a backend has bound its first argument, the gpu."""
    return kernel.func if isinstance(kernel, partial) else kernel


def namespaces(name):
    """A backend and its files; skips the test where the backend cannot be used here."""
    if name != "cupy" and (reason := backends.why_not(name)):
        pytest.skip(f"{name} cannot be used: {reason}")
    backend = Backend(HostGpu()) if name == "cupy" else get_backend(name)
    files = {
        file: importlib.import_module(f"tinynet.backends.{name}.{file}") for file in contract.FILES
    }
    return backend, files


def test_both_processor_backends_can_be_used_here():
    assert set(PROCESSOR) <= set(tn.available_backends())


def test_the_contract_lists_every_function_that_it_describes():
    functions = {n for n, value in vars(contract).items() if inspect.isfunction(value)}
    assert functions == {*sum(contract.FILES.values(), []), *contract.ARRAYS}


@pytest.mark.parametrize("name", backends.NAMES)
def test_a_backend_has_the_kernels_of_the_contract_and_no_others(name):
    backend, files = namespaces(name)
    assert differences(backend, files, MORE.get(name, COLUMNS)) == []
    assert backend.name == name
    assert type(backend.asynchronous) is bool


@pytest.mark.parametrize("name", backends.NAMES)
def test_a_kernel_lies_in_the_file_of_its_layer_and_says_what_it_computes(name):
    _, files = namespaces(name)
    for file, kernels in contract.FILES.items():
        for kernel in kernels:
            function = inspect.unwrap(getattr(files[file], kernel))
            assert function.__module__ == f"tinynet.backends.{name}.{file}"
            assert function.__doc__, f"{kernel} of {name} has no docstring"


def test_only_the_backend_on_a_gpu_is_asynchronous():
    assert Backend.asynchronous
    assert not any(get_backend(name).asynchronous for name in PROCESSOR)


def test_the_kernels_of_the_cupy_backend_know_its_gpu():
    backend, _ = namespaces("cupy")
    for kernel in sum(contract.FILES.values(), []):
        bound = getattr(backend, kernel)
        assert bound.args == (backend.gpu,) and not bound.keywords


def test_a_kernel_of_another_file_and_one_without_a_gpu_are_reported():
    backend, files = namespaces("cupy")
    backend.relu = partial(files["tanh"].tanh, backend.gpu)
    backend.tanh = files["tanh"].tanh
    assert set(differences(backend, files, MORE["cupy"])) == {
        "relu of relu.py is not exported",
        "tanh has other arguments than ['x', 'y']",
    }


def test_a_missing_an_extra_and_a_changed_kernel_are_reported():
    backend, files = namespaces("numpy")
    changed = SimpleNamespace(**vars(backend))
    del changed.relu, changed.asynchronous
    changed.swish = lambda x, y: None
    changed.tanh = lambda x, out: None
    sentences = differences(changed, files, COLUMNS)
    assert {"relu is missing", "asynchronous is missing"} <= set(sentences)
    assert "swish is not in the contract" in sentences
    assert "tanh has other arguments than ['x', 'y']" in sentences


def test_an_unknown_backend_is_an_error_that_names_the_known_ones():
    with pytest.raises(tn.BackendError, match=f"'abacus'.*{', '.join(backends.NAMES)}, auto"):
        tn.use_backend("abacus")


def test_a_backend_without_its_package_says_what_to_install(monkeypatch):
    def missing(name):
        raise ImportError("No module named 'numba'")

    monkeypatch.setattr("tinynet.backends._loaded", {})
    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(tn.BackendError, match="No module named 'numba'.*pip install numba.*numpy"):
        get_backend("numba")
    assert tn.available_backends() == []


def test_the_error_says_to_install_the_missing_package(monkeypatch):
    monkeypatch.setattr("tinynet.backends._loaded", {})
    monkeypatch.delitem(sys.modules, "tinynet.backends.numpy")
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    with pytest.raises(tn.BackendError, match="'numpy' cannot.*pip install threadpoolctl"):
        get_backend("numpy")


def test_use_backend_holds_inside_its_block_only():
    before = tn.Tensor([1.0]).backend
    for name in PROCESSOR:
        with tn.use_backend(name):
            tensor = tn.Tensor([1.0])
            assert tensor.backend == name
        assert tensor.backend == name
        assert tn.Tensor([1.0]).backend == before


# --- cupy and auto ---


@pytest.fixture
def load(monkeypatch):
    """A function that replaces the cupy backend's load(), as if it had not been loaded yet."""
    monkeypatch.setattr(backends, "NAMES", (*PROCESSOR, "cupy"))
    monkeypatch.delenv("TINYNET_BACKEND", raising=False)
    monkeypatch.setattr(backends, "_default", None)
    loaded = {name: get_backend(name) for name in PROCESSOR}
    monkeypatch.setattr(backends, "_loaded", loaded)
    return lambda load: monkeypatch.setattr("tinynet.backends.cupy.load", load)


def no_gpu():
    raise tn.BackendError("backend 'cupy' cannot be used: no GPU; buy one", "no GPU")


def test_cupy_is_what_its_load_returns_and_is_loaded_once(load):
    load(lambda: SimpleNamespace(name="cupy"))
    assert get_backend("cupy").name == "cupy"
    assert get_backend("cupy") is get_backend("cupy")
    assert tn.available_backends() == [*PROCESSOR, "cupy"]


def test_cupy_is_not_available_where_it_does_not_load_and_is_tried_again(load):
    load(no_gpu)
    assert tn.available_backends() == PROCESSOR
    assert backends.why_not("cupy") == "no GPU"
    with pytest.raises(tn.BackendError, match="buy one"):
        tn.use_backend("cupy")
    load(lambda: SimpleNamespace(name="cupy"))
    assert backends.why_not("cupy") is None
    assert tn.available_backends() == [*PROCESSOR, "cupy"]


def test_auto_takes_cupy_where_it_loads_else_numba(load, monkeypatch):
    load(no_gpu)
    assert get_backend("auto").name == "numba"
    with tn.use_backend("auto"):
        assert tn.Tensor([1.0]).backend == "numba"
    load(lambda: SimpleNamespace(name="cupy"))
    assert get_backend("auto").name == "cupy"
    assert get_backend().name == "numba"  # numba stays the default
    monkeypatch.setattr(backends, "_default", None)
    monkeypatch.setenv("TINYNET_BACKEND", "auto")
    assert get_backend().name == "cupy"


# --- in a new process ---


def in_a_new_process(program, **variables):
    environment = {**os.environ, **variables}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


def test_importing_tinynet_loads_no_backend_and_nothing_of_alexnet():
    program = (
        "import sys, tinynet; "
        "print([m for m in ('numba', 'scipy', 'cupy', 'torch', 'alexnet') if m in sys.modules])"
    )
    assert in_a_new_process(program).stdout == "[]\n"


def test_the_variable_tinynet_backend_chooses_the_backend_and_numba_is_the_default():
    program = "import tinynet as tn; print(tn.Tensor([1.0]).backend)"
    assert in_a_new_process(program, TINYNET_BACKEND="numpy").stdout == "numpy\n"
    assert in_a_new_process(program, TINYNET_BACKEND="").stdout == "numba\n"
    process = in_a_new_process(program, TINYNET_BACKEND="abacus")
    assert "BackendError" in process.stderr and "'abacus'" in process.stderr


def test_available_backends_is_silent_and_cheap_where_cupy_is_not_installed():
    program = (
        "import sys; sys.modules['cupy'] = None; import tinynet as tn; "
        "print('cupy' in tn.available_backends(), [name for name, module in sys.modules.items() "
        "if module and name.startswith(('cupy', 'tinynet.backends.cupy.'))])"
    )
    process = in_a_new_process(program, PYTHONWARNINGS="error")
    # tinynet.gpu imports names from two small files; the rest is imported when a GPU is requested.
    modules = [f"tinynet.backends.cupy.device{file}" for file in ("", ".cublas", ".launch")]
    modules += [f"tinynet.backends.cupy.device.{file}" for file in ("choice", "installation")]
    assert (process.stdout, process.stderr) == (f"False {modules}\n", "")
