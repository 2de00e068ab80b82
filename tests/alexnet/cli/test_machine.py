"""The backend of a command: its choice, the line about it, and the error without a backend."""

from types import SimpleNamespace

import pytest

import tinynet as tn
from alexnet import evaluate, train
from alexnet.cli.machine import use_machine
from alexnet.errors import UsageError
from tinynet import backends

NO_DRIVER = tn.BackendError(
    "backend 'cupy' cannot be used: no NVIDIA driver answers; install one",
    "no NVIDIA driver answers",
)


@pytest.fixture(autouse=True)
def default_as_before(monkeypatch):
    monkeypatch.setattr(backends, "_default", None)
    monkeypatch.delenv("TINYNET_BACKEND", raising=False)
    modules = {name: tn.get_backend(name) for name in ("numpy", "numba")}
    monkeypatch.setattr(backends, "_loaded", modules)


@pytest.fixture
def no_gpu(monkeypatch):
    """A cupy backend that does not load."""

    def load():
        raise NO_DRIVER

    monkeypatch.setattr("tinynet.backends.cupy.load", load)


@pytest.fixture
def gpu(monkeypatch):
    """The gpu of a cupy backend that loads."""
    gpu = SimpleNamespace(name="NVIDIA H100", precision="float32")
    monkeypatch.setattr("tinynet.backends.cupy.load", lambda: SimpleNamespace(name="cupy", gpu=gpu))
    return gpu


@pytest.mark.parametrize("command", [train.main, evaluate.main])
def test_a_command_whose_backend_cannot_be_used_ends_with_4(command, no_gpu, capsys):
    assert command(["no such file", "--backend", "cupy"]) == 4
    last = capsys.readouterr().err.splitlines()[-1]
    assert "backend 'cupy' cannot be used: no NVIDIA driver answers; install" in last


def test_auto_says_in_the_first_line_which_backend_it_chose_and_why(no_gpu, tmp_path, capsys):
    nothing, out = str(tmp_path / "nothing"), str(tmp_path / "run")
    assert train.main([nothing, "--backend", "auto", "--out", out]) == 3
    first = capsys.readouterr().out.splitlines()[0]
    assert first == "backend: numba (auto: no NVIDIA driver answers)"


def test_auto_from_the_environment_variable_says_it_too(no_gpu, monkeypatch, capsys):
    monkeypatch.setenv("TINYNET_BACKEND", "auto")
    assert use_machine(None, None) == "numba"
    assert capsys.readouterr().out == "backend: numba (auto: no NVIDIA driver answers)\n"
    tn.use_backend("numpy")
    assert use_machine(None, None) == "numpy"
    assert capsys.readouterr().out == ""


def test_auto_takes_a_gpu_that_answers(gpu, capsys):
    assert use_machine("auto", None) == "cupy"
    assert capsys.readouterr().out == "backend: cupy (auto: NVIDIA H100 answers)\n"


def test_auto_prints_to_stderr_where_stdout_is_for_json(gpu, capsys):
    use_machine("auto", None, json=True)
    assert capsys.readouterr() == ("", "backend: cupy (auto: NVIDIA H100 answers)\n")


def test_a_backend_chosen_by_name_prints_nothing(gpu, capsys):
    for name in ("cupy", "numba", "numpy"):
        assert use_machine(name, None) == name
    assert capsys.readouterr() == ("", "")


def test_the_precision_of_the_gpu_is_float32_unless_another_is_requested(gpu):
    use_machine("cupy", None, "tf32")
    assert gpu.precision == "tf32"
    use_machine("cupy", None)
    assert gpu.precision == "float32"


def test_tf32_without_a_gpu_is_a_usage_error():
    with pytest.raises(UsageError, match="tf32 needs a GPU.*numpy has none; --precision float32"):
        use_machine("numpy", None, "tf32")
    assert use_machine("numpy", None, "float32") == "numpy"
