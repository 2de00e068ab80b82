"""State dicts for PyTorch: torch.load opens them in every way, and a module takes them."""

import os
import resource
import struct
import sys
import zipfile

import numpy as np
import pytest

from alexnet.errors import DataError, DiskError, UsageError
from alexnet.formats import torch_file, torch_write

RECORD = {"build": {"spec": "torchvision"}, "classes": ["ä", "b"], "normalization": [0.1, 2]}


def example():
    generator = np.random.default_rng(0)
    return {
        "conv1.weight": generator.standard_normal((4, 3, 5, 2)).astype(np.float32),
        "conv1.bias": generator.standard_normal(4).astype(np.float32),
        "norm1.weight": np.ones(4),
        "norm1.bias": np.zeros(4),
        "norm1.running_mean": np.zeros(4),
        "norm1.running_var": np.arange(4.0),
        "norm1.num_batches_tracked": np.array(2**40),
        "fc6.weight": np.asfortranarray(generator.standard_normal((7, 12))),
    }


@pytest.mark.parametrize("options", [{}, {"weights_only": False}, {"mmap": True}], ids=str)
def test_torch_loads_the_same_arrays(tmp_path, options):
    torch = pytest.importorskip("torch", reason="PyTorch opens the files that are written for it")
    path = str(tmp_path / "a.pth")
    torch_write.write(path, example(), RECORD)
    loaded = torch.load(path, **{"weights_only": True} | options)
    assert list(loaded) == list(example())
    for name, array in example().items():
        tensor = loaded[name]
        assert tensor.is_contiguous() and not tensor.requires_grad
        assert tensor.numpy().dtype == array.dtype and np.array_equal(tensor.numpy(), array)


def test_a_module_of_torch_takes_the_state_dict(tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch opens the files that are written for it")
    model = torch.nn.Sequential()
    model.add_module("conv1", torch.nn.Conv2d(3, 4, (5, 2)))
    model.add_module("norm1", torch.nn.BatchNorm2d(4).double())
    model.add_module("fc6", torch.nn.Linear(12, 7, bias=False).double())
    torch_write.write(tmp_path / "a.pth", example(), {})
    model.load_state_dict(torch.load(tmp_path / "a.pth", weights_only=True))
    assert np.array_equal(model.fc6.weight.detach().numpy(), example()["fc6.weight"])
    model.fc6.weight.data += 1  # the memory is the model's own


def test_read_gives_back_what_was_written(tmp_path):
    torch_write.write(tmp_path / "a.pth", example(), RECORD)
    network = torch_file.read(tmp_path / "a.pth")
    assert network.record == RECORD
    assert [layer.name for layer in network.layers] == ["conv1", "norm1", "fc6"]
    for layer in network.layers:
        for part, array in layer.arrays.items():
            expected = example()[f"{layer.name}.{part}"]
            assert array.dtype == expected.dtype and np.array_equal(array, expected)


def test_storages_are_aligned(tmp_path):
    torch_write.write(tmp_path / "a.pth", example(), RECORD)
    content = (tmp_path / "a.pth").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.pth") as archive:
        assert archive.testzip() is None
        for member in archive.infolist():
            name, extra = struct.unpack_from("<HH", content, member.header_offset + 26)
            assert (member.header_offset + 30 + name + extra) % 64 == 0


def test_arrays_of_the_other_order_of_bytes_are_turned(tmp_path):
    torch_write.write(tmp_path / "a.pth", {"fc.weight": np.array([[1, 2]], ">f4")}, {})
    (layer,) = torch_file.read(tmp_path / "a.pth").layers
    assert layer.arrays["weight"].tolist() == [[1, 2]]


def test_other_dtypes_and_long_records_are_refused_before_a_file_is_there(tmp_path):
    with pytest.raises(TypeError, match="a.weight is float16"):
        torch_write.write(tmp_path / "a.pth", {"a.weight": np.zeros(2, np.float16)}, {})
    with pytest.raises(UsageError, match="33,554,432 fit"):
        torch_write.write(tmp_path / "a.pth", example(), {"classes": (1 << 25) * "a"})
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="limits of file sizes are POSIX")
def test_a_full_disk_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.pth"
    torch_write.write(path, example(), {"old": 1})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(DiskError, match="cannot write .*a.pth"):
            torch_write.write(path, {"fc.weight": np.zeros((100, 100))}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert os.listdir(tmp_path) == ["a.pth"]
    assert torch_file.read(path).record == {"old": 1}
    with pytest.raises(DiskError):
        torch_write.write(tmp_path / "nowhere" / "a.pth", example(), {})


def test_a_malformed_record_is_named(tmp_path):
    torch_write.write(tmp_path / "a.pth", example(), {})
    with zipfile.ZipFile(tmp_path / "a.pth") as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    for text, reason in ((b"{", "no JSON"), (b"[]", "JSON object"), ((1 << 26) * b" ", "fit")):
        with zipfile.ZipFile(tmp_path / "b.pth", "w") as archive:
            for member, data in (members | {"archive/alexnet.json": text}).items():
                archive.writestr(member, data)
        with pytest.raises(DataError, match=f"b.pth cannot be read .*{reason}"):
            torch_file.read(tmp_path / "b.pth")
