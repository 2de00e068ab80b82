"""Reading goes by the first bytes, writing by the ending, and the way there and back keeps all."""

import gzip
import io
import json
import os
import pickle
import resource
import struct
import tarfile
import zipfile

import numpy as np
import pytest

from alexnet import formats
from alexnet.errors import DataError, DiskError, UsageError
from alexnet.weights import record as records
from tests.alexnet.formats.small_checkpoints import assert_same, back, small

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")
safetensors = pytest.importorskip("safetensors", reason="the package safetensors is not installed")


# --- there and back -------------------------------------------------------------------------------

NETWORKS = [
    ("caffe", {}),
    ("paper", {"norm": "batch", "mean_image": True}),
    ("torchvision", {"image_size": 63}),
    ("torchvision", {"image_size": 63, "norm": "batch", "activation": "tanh", "pool": (2, 2)}),
    ("cifar10", {"image_size": 32, "mean_image": True, "width": 0.3}),
    ("onnx-zoo", {"image_size": 80, "dropout": 0.0}),
    ("single-tower", {"dtype": "float64"}),
]


@pytest.mark.parametrize("ending", formats.WRITABLE)
@pytest.mark.parametrize(("spec", "changes"), NETWORKS)
def test_a_network_comes_back_as_it_was(tmp_path, ending, spec, changes):
    saved, path = small(spec, **changes), tmp_path / f"network{ending.upper()}"
    formats.write(saved, path)
    again = back(path)
    saved.build = json.loads(json.dumps(saved.build))  # pairs become lists
    assert_same(again, saved)
    assert again.origin.startswith(path.name) and again.options == {}


@pytest.mark.parametrize("ending", formats.WRITABLE)
def test_a_mean_image_of_many_megabytes_comes_back(tmp_path, ending):
    """Of 380 x 380 pixels; as JSON it is longer than the record of an .npz may be."""
    saved = small("torchvision", image_size=380, mean_image=True)
    formats.write(saved, tmp_path / f"a{ending}")
    assert_same(back(tmp_path / f"a{ending}"), saved)


@pytest.mark.parametrize("ending", [".pth", ".onnx", ".safetensors"])
def test_a_record_longer_than_a_reader_takes_is_not_written(tmp_path, monkeypatch, ending):
    monkeypatch.setattr(records, "FILE_BYTES", 100)
    with pytest.raises(UsageError, match="as JSON, 100 fit; .npz holds"):
        formats.write(small(), tmp_path / f"a{ending}")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("ending", formats.WRITABLE)
def test_a_full_disk_leaves_the_old_file(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    path.write_bytes(b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(DiskError, match=f"a{ending}: File too large"):
            formats.write(small(), path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == [path.name]
    with pytest.raises(DiskError, match="No such file"):
        formats.write(small(), tmp_path / "nowhere" / f"a{ending}")


def test_another_ending_is_refused_before_anything_is_written(tmp_path):
    for name in ("a.h5", "a", "a.pth.bak"):
        with pytest.raises(UsageError, match=r"\.npz, \.safetensors, \.pth, \.onnx can be written"):
            formats.write(small(), tmp_path / name)
    assert os.listdir(tmp_path) == []


def test_torchvisions_names_are_written_where_its_model_has_the_layers(tmp_path):
    for changes, first in (({}, "features.0"), ({"norm": "batch"}, "conv1")):
        formats.write(small("torchvision", 63, **changes), tmp_path / "a.pth")
        assert formats.read(tmp_path / "a.pth").layers[0].name == first


# --- which format ---------------------------------------------------------------------------------


def npy(path):
    np.save(path, {"conv1": [np.ones((3, 3, 3, 4), "f4"), np.ones(4, "f4")]})
    os.rename(f"{path}.npy", path)


def caffemodel(path):
    """NetParameter{name, layer{name, type, bottom, top}}: an InnerProduct without numbers."""
    layer = b"\x0a\x03fc8\x12\x04ReLU\x1a\x04data\x22\x03fc8"
    path.write_bytes(b"\x0a\x07AlexNet\xa2\x06" + bytes([len(layer)]) + layer)


def h5(path):
    with pytest.importorskip("h5py").File(path, "w") as file:
        for name, shape in (("layers/dense/vars/0", (4, 5)), ("layers/dense/vars/1", (5,))):
            file[name] = np.ones(shape, "f4")


def old_pth(path):
    torch = pytest.importorskip("torch")
    state = {"fc.weight": torch.ones(2, 3)}
    torch.save(state, path, _use_new_zipfile_serialization=False)


def of_ours(ending):
    def write(path):
        formats.write(small(), path.with_suffix(ending))
        os.rename(path.with_suffix(ending), path)

    return write


FORMATS = {
    "a checkpoint of this program": of_ours(".npz"),
    "arrays in an .npz file": lambda path: np.savez(open(path, "wb"), fc_w=np.ones((2, 3), "f4")),
    "a PyTorch state dict": of_ours(".pth"),
    "a PyTorch state dict, old": old_pth,
    "an ONNX model": of_ours(".onnx"),
    "a .safetensors file": of_ours(".safetensors"),
    "Caffe weights in a NumPy dict": npy,
    "a Caffe model": caffemodel,
    "Keras weights": h5,
}


@pytest.mark.parametrize("name", ["a", "a.bin", "a.npz", "a.jpg", "a.h5", "a.onnx"])
@pytest.mark.parametrize("kind", FORMATS)
def test_a_format_is_known_by_its_first_bytes_whatever_the_name(tmp_path, kind, name):
    FORMATS[kind](tmp_path / name)
    assert formats.read(tmp_path / name).format in (kind.removesuffix(", old"), kind)


@pytest.mark.parametrize("length", [0x08, 0x0A, 0x80, 0x89])
def test_a_safetensors_header_of_any_length_is_no_other_format(tmp_path, length):
    """Its first byte is the length of the header, which begins other formats too."""
    header = {"fc.weight": {"dtype": "F32", "shape": [1, 1], "data_offsets": [0, 4]}}
    text = json.dumps(header).encode()
    text += b" " * ((length - len(text)) % 256)
    data = struct.pack("<Q", len(text)) + text + bytes(4)
    assert data[0] == length
    (tmp_path / "a.pth").write_bytes(data)
    assert formats.read(tmp_path / "a.pth").format == "a .safetensors file"


# --- files that hold no weights -------------------------------------------------------------------


def archive(*names):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name in names:
            made.writestr(name, b"\xff\xd8\xff")
    return file.getvalue()


def tar():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as made:
        made.addfile(tarfile.TarInfo("weights"))
    return file.getvalue()


OTHERS = {
    "photo.jpg": (b"\xff\xd8\xff\xe0" + bytes(600), r"a photo \(JPEG\)"),
    "photo.pth": (b"\x89PNG\r\n\x1a\n" + bytes(600), "an image"),
    "notes.txt": (b"weights are elsewhere\n", "text"),
    "weights.npz": ("Gewichte f\u00fcr später\n".encode() * 40, "text"),
    "options.json": (b'{"data": 3, "more": [1, 2, 3]}', "text or JSON"),
    "list.onnx": (b"[1, 2, 3, 4, 5]", "text or JSON"),
    "empty.pth": (b"", "an empty file"),
    "five.npz": (b"\x00\x01\x02\x03\x04", r"\.npz, \.pth"),
    "pickle.pth": (pickle.dumps({"a": 1}), "a pickle, but none that torch.save writes"),
    "list.pkl": (pickle.dumps([1, 2]), "a pickle, but none that torch.save writes"),
    "a.npz.gz": (gzip.compress(b"PK"), "a compressed file"),
    "a.pth.tar": (tar(), "a tar archive"),
    "photos.zip": (archive("a.jpg", "b.jpg"), "a zip archive of other files"),
    "photos.npz": (archive("a.jpg", "b.npy"), "a.jpg in it is no array"),
    "cut.pth": (archive("archive/data.pkl")[:60], "no whole zip archive"),
    "pointer.pth": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 244408911\n",
        "a note of Git LFS; git lfs pull",
    ),
    "page.pth": (b"\n\n<!DOCTYPE html>\n<html><body>404</body></html>", "a web page"),
    "page.caffemodel": (b"\n<HTML><body>404</body></HTML>", "a web page"),
    "deploy.prototxt": (b'name: "AlexNet"\nlayer {\n', "weights lie in a .caffemodel"),
    "frozen.pb": (b"\x0a\x40\x0a\x05conv1\x12\x06Conv2D" + bytes(60), r"TensorFlow; .*\.keras"),
    "model.ckpt": (b"\x00\x05\x03" + bytes(600), "a checkpoint of TensorFlow; .*numpy.savez"),
    "m.ckpt.data-00000-of-00001": (bytes(600), "a checkpoint of TensorFlow"),
    "m.ckpt.meta": (b"\x0a\x40\x0a\x05conv1" + bytes(60), "a checkpoint of TensorFlow"),
    "a.tflite": (b"\x1c\x00\x00\x00TFL3" + bytes(60), "TensorFlow Lite; save the Keras model"),
    "a.t7": (b"\x04\x00\x00\x00\x01\x00\x00\x00" + bytes(60), "Torch 7; .*load_lua"),
    "a.mat": (b"MATLAB 5.0 MAT-file, Platform: GLNXA64".ljust(124), "MATLAB; scipy.io.loadmat"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_file_that_holds_no_weights_is_named_by_what_it_seems_to_be(tmp_path, name):
    content, reason = OTHERS[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=f"{name}.*{reason}"):
        formats.read(tmp_path / name)


def test_what_is_no_regular_file_is_named_and_never_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.pth")
    os.symlink(tmp_path / "pipe.pth", tmp_path / "link.onnx")
    os.symlink(tmp_path / "itself", tmp_path / "itself")
    for path in (tmp_path / "pipe.pth", tmp_path / "link.onnx", "/dev/null", "/dev/zero"):
        with pytest.raises(DataError, match="is no regular file"):
            formats.read(path)
    for path in (tmp_path / "nothing.pth", tmp_path / "itself", tmp_path / ("a" * 5000)):
        with pytest.raises(DataError, match="is not there|cannot be read"):
            formats.read(path)
    (tmp_path / "x.pth").mkdir()
    with pytest.raises(DataError, match="x.pth is a folder without best.npz"):
        formats.read(tmp_path / "x.pth")
    (tmp_path / "x.pth" / "saved_model.pb").touch()
    with pytest.raises(DataError, match="SavedModel of TensorFlow; save the model as .keras"):
        formats.read(tmp_path / "x.pth")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_without_permission_is_named(tmp_path):
    formats.write(small(), tmp_path / "a.pth")
    os.chmod(tmp_path / "a.pth", 0)
    with pytest.raises(DataError, match="a.pth cannot be read: Permission denied"):
        formats.read(tmp_path / "a.pth")


def test_a_runs_folder_means_its_best_checkpoint(tmp_path):
    saved = small()
    saved.save(tmp_path / "best.npz")
    assert_same(back(tmp_path), saved)
