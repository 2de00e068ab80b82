"""What the tests of a format share: write a file and read it."""

import pytest

from alexnet.formats import caffe_file, keras_file


@pytest.fixture
def read_keras(tmp_path):
    """Write layers and read the file."""
    from tests.alexnet.formats.keras_models import write

    def read(layers, layout="keras 3, model", description=None):
        write(tmp_path / "net.keras", layers, layout, description)
        return keras_file.read(tmp_path / "net.keras")

    return read


@pytest.fixture
def read_caffe(tmp_path):
    """Write a NetParameter, or bytes, and read the file."""

    def read(net):
        path = tmp_path / "net.caffemodel"
        path.write_bytes(net if isinstance(net, bytes) else net.SerializeToString())
        return caffe_file.read(path)

    return read
