"""What the tests of the training command share."""

import pytest

import tinynet as tn
from alexnet.train import main
from tests.alexnet.small_training import FLAGS, SHORT, make_images


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A folder of images; tests only read it."""
    return str(make_images(tmp_path_factory.mktemp("images")))


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
def backend_as_before():
    """A command sets the default backend."""
    before = tn.get_backend().name
    yield
    tn.use_backend(before)
