"""Checkpoints that are forged or damaged, and other files: errors that name what is wrong."""

import json
import os
import tracemalloc
import zipfile

import numpy as np
import pytest

import tinynet as tn
from alexnet.errors import DataError, UsageError
from alexnet.weights import checkpoint
from tests.alexnet.weights.checkpoint_example import example

pytestmark = pytest.mark.usefixtures("numpy_backend")


def forge(path, change):
    """Save the example, change its arrays (a dict) and write the file again."""
    _, saved = example()
    saved.save(path)
    arrays = tn.load(path)
    change(arrays)
    tn.save(path, arrays)


def forge_record(path, **fields):
    def change(arrays):
        record = json.loads(arrays["record"].tobytes()) | fields
        arrays["record"] = np.frombuffer(json.dumps(record).encode(), np.uint8)

    forge(path, change)


def refusal(path):
    with pytest.raises(DataError) as caught:
        checkpoint.load(path)
    message = str(caught.value)
    assert message.startswith(f"checkpoint {path} ")
    return message


def built(**changes):
    return {"build": {**example()[0].build_arguments, **changes}}


WRONG_RECORDS = {
    "build is a list": ({"build": []}, "build is [], should be a JSON object"),
    "spec": (built(spec="lenet"), "build.spec is 'lenet', should be one of paper"),
    "spec of another type": (built(spec=["paper"]), "build.spec is ['paper']"),
    "classes as text": (built(num_classes="3"), "build.num_classes is '3'"),
    "image size": (built(image_size=67.0), "build.image_size is 67.0"),
    "image size too small": (built(image_size=40) | {"stored_size": 40}, "image_size 40 leaves"),
    "image size too large": (built(image_size=5000), "build.image_size is 5000"),
    "dtype": (built(dtype="float16"), "build.dtype is 'float16'"),
    "pool": (built(pool=[3]), "build.pool is [3]"),
    "dropout": (built(dropout=1), "build.dropout is 1"),
    "groups": (built(groups=True), "build.groups is True"),
    "apart": (built(apart=1), "build.apart is 1, should be true or false, or null"),
    "without": (built(without=["conv4"]), "build.without is ['conv4'], should be text"),
    "without a layer that stays": (built(without="conv1"), "without must be one of conv2"),
    "width": (built(width=float("nan")), "build.width is nan"),
    "width that overflows": (built(width=1e308), "cannot be built"),
    "norm": (built(norm="Batch"), "build.norm is 'Batch'"),
    "unknown argument": (built(depth=3), "build has ['depth']"),
    "no spec": ({"build": {"num_classes": 3, "image_size": 67}}, "build lacks spec"),
    "classes is text": ({"classes": "abc"}, "classes is 'abc', should be a list"),
    "a class that is a number": ({"classes": ["a", "b", 3]}, "classes is ['a', 'b', 3]"),
    "a class without a name": ({"classes": ["a", "b", ""]}, "classes is"),
    "two equal classes": ({"classes": ["a", "b", "a"]}, "a list of different names"),
    "two classes of three": ({"classes": ["a", "b"]}, "2 names, build.num_classes is 3"),
    "stored size as text": ({"stored_size": "76"}, "stored_size is '76'"),
    "stored size below": ({"stored_size": 66}, "stored_size is 66, should be a whole number"),
    "gigantic stored size": ({"stored_size": 10**9}, "stored_size is 1000000000"),
    "infinite stored size": ({"stored_size": float("inf")}, "stored_size is inf"),
    "options": ({"options": [1]}, "options is [1], should be a JSON object"),
    "training": ({"training": None}, "training is None"),
    "checksums": ({"checksums": 3}, "checksums is 3"),
    "no format": ({"format": None}, "format None, this program reads 1"),
}


@pytest.mark.parametrize("case", WRONG_RECORDS)
def test_a_record_of_a_wrong_kind_is_an_error_that_names_the_field(tmp_path, case):
    fields, message = WRONG_RECORDS[case]
    forge_record(tmp_path / "a.npz", **fields)
    assert message in refusal(tmp_path / "a.npz")


@pytest.mark.parametrize(
    "content",
    [b"[" * 100_000, b'{"format": ' + b"9" * 10_000 + b"}", b"\xff\xfe", b"", b"[]", b"null"],
    ids=["nested", "digits", "bytes", "empty", "list", "null"],
)
def test_a_record_that_is_no_json_object_is_an_error(tmp_path, content):
    forge(tmp_path / "a.npz", lambda a: a.update(record=np.frombuffer(content, np.uint8)))
    assert "its record" in refusal(tmp_path / "a.npz")


def replaced(name, value, place=0):
    def change(arrays):
        arrays[name].reshape(-1)[place] = value

    return change


def swapped(one, other):
    return lambda arrays: arrays.update({one: arrays[other], other: arrays[one]})


WRONG_ARRAYS = {
    "NaN": (replaced("model/conv1.weight", np.nan, 7), "model/conv1.weight holds 1 numbers"),
    "infinite": (replaced("model/fc8.bias", -np.inf), "model/fc8.bias holds 1 numbers"),
    "velocity": (replaced("velocity/0", np.nan), "velocity/0 holds 1 numbers"),
    "variance": (replaced("model/norm1.running_var", -1), "negative variance, -1.0"),
    "mean": (replaced("normalization/mean", np.nan), "normalization/mean holds 1"),
    "divisor": (replaced("normalization/divisor", 0), "divisor [0. 2. 2.] must be above 0"),
    "two numbers": (
        lambda a: a.update({"normalization/divisor": np.ones((2, 1, 1), np.float32)}),
        "normalization/divisor is float32 (2, 1, 1), the network needs float32 (3, 1, 1)",
    ),
    "mean of another size": (
        lambda a: a.update({"normalization/mean": np.ones((3, 66, 66), np.float32)}),
        "normalization/mean is float32 (3, 66, 66)",
    ),
    "float64": (
        lambda a: a.update({"model/fc8.bias": np.zeros(3)}),
        "model/fc8.bias is float64 (3,), the network needs float32 (3,)",
    ),
    "missing": (lambda a: a.pop("model/fc8.bias"), "lacks model/fc8.bias"),
    "no divisor": (lambda a: a.pop("normalization/divisor"), "lacks normalization/divisor"),
    "one velocity less": (lambda a: a.pop("velocity/3"), "lacks velocity/3"),
    "unknown": (lambda a: a.update(extra=np.zeros(3)), "holds the unknown extra"),
    "unknown part": (lambda a: a.update({"model/x": np.zeros(3)}), "holds the unknown model/x"),
    "record": (lambda a: a.update(record=np.zeros(3)), "its record is float64 (3,)"),
    "velocities": (swapped("velocity/0", "model/conv1.weight"), "is not the array that was saved"),
}


@pytest.mark.parametrize("case", WRONG_ARRAYS)
def test_an_array_that_is_not_the_one_saved_is_an_error_that_names_it(tmp_path, case):
    change, message = WRONG_ARRAYS[case]
    forge(tmp_path / "a.npz", change)
    assert message in refusal(tmp_path / "a.npz")


def test_a_checkpoint_of_an_older_version_has_no_checksums_and_is_read(tmp_path):
    forge_record(tmp_path / "a.npz", checksums={})
    assert checkpoint.load(tmp_path / "a.npz").classes == ["ä", "b", "c"]


def test_a_network_that_the_file_does_not_hold_takes_no_memory(tmp_path):
    """Its arrays would have gigabytes; shapes are compared before an array is made or read."""
    forge_record(tmp_path / "a.npz", **built(width=10.0))
    tracemalloc.start()
    try:
        message = refusal(tmp_path / "a.npz")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "model/conv1.weight is float32 (3, 3, 11, 11), the network needs" in message
    assert peak < 5_000_000


def test_compressed_arrays_are_refused_whatever_their_size(tmp_path):
    _, saved = example()
    saved.save(tmp_path / "a.npz")
    np.savez_compressed(tmp_path / "b.npz", **tn.load(tmp_path / "a.npz"))
    assert "is compressed" in refusal(tmp_path / "b.npz")


def test_a_record_that_is_too_long_is_not_read(tmp_path):
    size = checkpoint.RECORD_BYTES + 1
    forge(tmp_path / "a.npz", lambda arrays: arrays.update(record=np.zeros(size, np.uint8)))
    assert f"its record is uint8 ({size},), should be" in refusal(tmp_path / "a.npz")


def test_a_record_that_load_would_refuse_is_not_saved(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "RECORD_BYTES", 1000)
    with pytest.raises(UsageError, match="the names of 3 classes are too long"):
        example()[1].save(tmp_path / "a.npz")
    assert os.listdir(tmp_path) == []


def test_a_path_is_shown_without_its_terminal_codes(tmp_path):
    with pytest.raises(DataError, match=r"x\\x1b\[31m.npz cannot be read: No such file"):
        checkpoint.load(tmp_path / "x\x1b[31m.npz")


def test_a_run_folder_stands_for_its_best_checkpoint(tmp_path):
    _, saved = example()
    saved.save(tmp_path / "best.npz")
    assert checkpoint.load(tmp_path).path == tmp_path / "best.npz"


def test_a_folder_without_a_checkpoint_is_an_error_that_names_what_is_in_it(tmp_path):
    with pytest.raises(DataError, match="is a folder without best.npz, so no run folder$"):
        checkpoint.load(tmp_path)
    (tmp_path / "last.npz").touch()
    with pytest.raises(DataError, match="last.npz is there"):
        checkpoint.load(tmp_path)


OTHER_FILES = {
    "photo.jpg": (b"\xff\xd8\xff\xe0" + bytes(100), "a photo"),
    "photo.PNG": (b"\x89PNG\r\n\x1a\n" + bytes(100), "an image"),
    "weights.h5": (b"\x89HDF\r\n\x1a\n" + bytes(100), "an HDF5 file"),
    "old.pth": (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j", "a Python pickle"),
    "bvlc_alexnet.caffemodel": (b"\n\x07AlexNet" * 20, "a file of Caffe"),
    "options.json": (b'{"data": 3}', "text or JSON"),
    "array.npy": (b"\x93NUMPY\x01\x00" + bytes(100), "a single array"),
    "best.npz": (b"", "an empty file"),
}


@pytest.mark.parametrize("name", OTHER_FILES)
def test_another_kind_of_file_is_named(tmp_path, name):
    content, kind = OTHER_FILES[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=f"{name} is no checkpoint .* it seems to be {kind}"):
        checkpoint.load(tmp_path / name)


def test_a_zip_archive_of_pytorch_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        archive.writestr("archive/data.pkl", b"x")
    with pytest.raises(DataError, match="a.pt is no checkpoint .* a file of PyTorch"):
        checkpoint.load(tmp_path / "a.pt")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.npz")
    assert "cannot be read: it is a pipe" in refusal(tmp_path / "a.npz")
