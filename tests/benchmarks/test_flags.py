"""Flags that do not fit end a benchmark before it measures anything, and so does a missing GPU."""

import importlib
import importlib.util

import pytest

import tinynet as tn
from benchmarks.flags import new_picture
from tinynet import backends

NO_FOLDER = ["--json", "/nowhere/at/all.json"], "there is no folder /nowhere/at"


@pytest.mark.parametrize(
    "name, flags, words",
    [
        *((name, *NO_FOLDER) for name in ("step", "layers", "pipeline", "scaling", "engine")),
        ("step", ["--image-size", "20"], "the smallest that works"),
        ("step", ["--batch-size", "0"], "'0' does not fit"),
        ("step", ["--precision", "float16"], "invalid choice: 'float16'"),
        ("step", ["--only", "jax,numpy"], "'numpy' is none of tinynet, "),
        ("step", ["--peer", "numpy=python"], "does not name pytorch, tensorflow, jax"),
        ("pipeline", ["--peer", "pytorch=/no"], "there is no program '/no'; give the Python"),
        ("layers", ["--only", "conv9"], "'conv9' is none of conv1, "),
        ("layers", ["--image-size", "3"], "the smallest that works"),
        ("layers", ["--precision", "tf32", "--plot", "a.png"], "--plot draws float32"),
        ("scaling", ["--only", "width"], "'width' is none of batch, "),
        ("scaling", ["--image-size", "3"], "the smallest that works"),
        ("engine", ["--rounds", "0"], "'0' does not fit"),
        ("engine", ["--json", "/"], "'/' is a folder; name a file in it"),
        ("layers", ["--only", ""], "'' is none of conv1, "),
    ],
)
def test_a_flag_that_does_not_fit_is_a_usage_error(name, flags, words, capsys):
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(f"benchmarks.{name}").main(flags)
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("name", ["step", "layers"])
def test_tf32_needs_a_gpu(name, capsys):
    command = importlib.import_module(f"benchmarks.{name}")
    assert command.main(["--backend", "numpy", "--precision", "tf32"]) == 2
    assert "--precision tf32 needs a GPU; --backend cupy" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["step", "layers"])
def test_without_a_gpu_a_command_says_so_and_ends_with_4(name, monkeypatch, capsys):
    def missing(name):
        raise tn.BackendError("no NVIDIA driver answers")

    monkeypatch.delitem(backends._loaded, "cupy", raising=False)
    monkeypatch.setattr(backends, "_load", missing)
    assert importlib.import_module(f"benchmarks.{name}").main(["--backend", "cupy"]) == 4
    assert "no NVIDIA driver answers" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name, missing, packages",
    [("layers", "adjustText", "matplotlib adjustText"), ("scaling", "matplotlib", "matplotlib")],
)
def test_a_picture_needs_its_packages(name, missing, packages, monkeypatch, capsys):
    spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n: n != missing and spec(n))
    with pytest.raises(SystemExit):
        importlib.import_module(f"benchmarks.{name}").main(["--plot", "new.png"])
    assert f"it needs pip install {packages}\n" in capsys.readouterr().err


def test_a_picture_has_a_format(capsys):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    for name in ("a.xyz", "svg"):
        with pytest.raises(SystemExit):
            importlib.import_module("benchmarks.scaling").main(["--plot", name])
        assert "does not end in the name of a format: ." in capsys.readouterr().err


def test_the_sweeps_are_drawn_without_the_package_for_names(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name != "adjustText" or None)
    for name in ("new.png", "NEW.PNG"):
        assert new_picture(("matplotlib",))(name) == name
