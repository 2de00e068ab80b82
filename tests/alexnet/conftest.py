"""What the tests of the commands share."""

import os
import signal

import pytest

import tinynet as tn
from alexnet.train import main
from alexnet.training import curves
from tests.alexnet.looked_into import save
from tests.alexnet.small_training import FLAGS, SHORT, make_images


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A folder of images; tests only read it."""
    return str(make_images(tmp_path_factory.mktemp("images")))


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """The checkpoint of a small network; tests only read it."""
    path = tmp_path_factory.mktemp("file") / "net.npz"
    with tn.use_backend("numpy"):
        save(path, width=0.03)
    return str(path)


@pytest.fixture(scope="module")
def unbroken(images, tmp_path_factory):
    """The folder of a run that was never interrupted; tests only read it."""
    out = tmp_path_factory.mktemp("runs") / "unbroken"
    assert main([images, *FLAGS, "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def whole(images, tmp_path_factory):
    """The folder of a shorter one."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    assert main([images, *SHORT, "--out", str(out)]) == 0
    return out


@pytest.fixture
def numpy_backend():
    """Tensors are computed by the reference."""
    with tn.use_backend("numpy"):
        yield


@pytest.fixture
def backend_as_before():
    """A command sets the default backend."""
    before = tn.get_backend().name
    yield
    tn.use_backend(before)


@pytest.fixture
def quick_picture(monkeypatch):
    """curves.png is drawn in no time: matplotlib takes longer than such a training. The runs that
    tests of a file share have true pictures, and training/test_curves.py looks at its own."""

    def draw(folder):
        folder.new_curves.write_bytes(b"no picture")
        os.replace(folder.new_curves, folder.curves)
        return ""

    monkeypatch.setattr(curves, "_draw", draw)


@pytest.fixture(autouse=True, scope="package")
def terminal_signal():
    """A process that nohup starts ignores SIGHUP. Tests send it and want the usual answer."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)
