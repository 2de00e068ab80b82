"""Files of safetensors: what the package reads, and headers that attack their reader."""

import json
import struct
import sys
import tracemalloc

import numpy as np
import pytest

from alexnet import formats
from alexnet.errors import DataError, UsageError
from tests.alexnet.formats.small_checkpoints import CLASSES, WORDS, back, small

safetensors = pytest.importorskip("safetensors", reason="the package safetensors is not installed")


def test_the_package_reads_what_is_written_and_its_arrays_are_aligned(tmp_path):
    saved, path = small("paper", norm="batch"), tmp_path / "a.safetensors"
    formats.write(saved, path)
    with safetensors.safe_open(path, "np") as file:
        assert json.loads(file.metadata()["words"]) == WORDS
        assert json.loads(file.metadata()["classes"]) == CLASSES
    arrays = pytest.importorskip("safetensors.numpy").load_file(path)
    assert arrays.keys() == saved.model.keys()
    assert all(np.array_equal(arrays[name], a) for name, a in saved.model.items())
    assert (8 + struct.unpack("<Q", path.read_bytes()[:8])[0]) % 8 == 0


def tensor_file(path, header, data=b"", length=None):
    """A .safetensors file of this header, a dict or the text itself."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)
    return path


def entry(dtype="F32", shape=(1, 2), places=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(places)}


def test_floats_of_16_bits_become_float32_and_counts_of_batches_are_passed_over(tmp_path):
    halves = np.arange(6, dtype="<f2").reshape(2, 3) / 7
    header = {
        "fc.weight": entry("F16", (2, 3), (0, 12)),
        "norm.num_batches_tracked": entry("I64", (), (12, 20)),
    }
    data = halves.tobytes() + bytes(8)
    (layer,) = formats.read(tensor_file(tmp_path / "a", header, data)).layers
    assert layer.arrays["weight"].dtype == np.float32
    assert np.array_equal(layer.arrays["weight"], halves.astype(np.float32))


HEADERS = {
    "bfloat16": ({"fc.weight": entry("BF16", (2, 2))}, bytes(8), "BF16; F16, F32, F64 fit"),
    "bits": ({"fc.weight": entry("BOOL", (2, 4))}, bytes(8), "BOOL; F16"),
    "whole numbers": ({"fc.weight": entry("I32")}, bytes(8), "int32, where floats"),
    "overlap": ({"a.weight": entry(), "b.weight": entry(places=(4, 12))}, bytes(12), "offset"),
    "the same place": ({"a.weight": entry(), "b.weight": entry()}, bytes(8), "offset"),
    "a hole": ({"a.weight": entry(places=(8, 16))}, bytes(16), "offset"),
    "bytes that belong to nothing": ({"a.weight": entry()}, bytes(16), "buffer|incomplete|cover"),
    "huge places": ({"a.weight": entry(shape=(1 << 30, 1 << 30), places=(0, 1 << 62))}, b"", "."),
    "a shape beyond 64 bits": ({"a.weight": entry(shape=(1 << 40, 1 << 40))}, bytes(8), "verflow"),
    "places of another shape": ({"a.weight": entry(shape=(3, 3))}, bytes(8), "shape|info"),
    "backwards": ({"a.weight": entry(places=(8, 0))}, bytes(8), "offset"),
    "negative": ({"a.weight": entry(shape=(-1, -2))}, bytes(8), "header|JSON"),
    "deep": (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", b"", "header|JSON|recursion"),
    "no JSON": (b"{" + b"x" * 100, b"", "header|JSON"),
    "no dtype": ({"a.weight": entry("F99")}, bytes(8), "header|JSON|variant"),
    "no array": ({"__metadata__": {"format": "pt"}}, b"", "no weights of layers"),
    "metadata of another kind": ({"__metadata__": {"a": 1}}, b"", "header|JSON|string"),
    "other names": ({"lm_head": entry()}, bytes(8), "lm_head belongs to no layer"),
    "not finite": ({"a.weight": entry()}, b"\xff" * 8, "2 numbers that are NaN"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_hostile_header_is_an_error_that_names_the_reason(tmp_path, name):
    header, data, reason = HEADERS[name]
    tensor_file(tmp_path / "a.safetensors", header, data)
    assert_refused(tmp_path / "a.safetensors", reason)


def assert_refused(path, reason):
    tracemalloc.start()
    with pytest.raises(DataError, match=f"(?i){path.name} cannot be read.*({reason})"):
        back(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


@pytest.mark.parametrize(
    "length", [1 << 20, 1 << 27, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]
)
def test_a_header_that_is_longer_than_the_file_takes_no_memory(tmp_path, length):
    tensor_file(tmp_path / "a.safetensors", {"a.weight": entry()}, bytes(8), length)
    assert_refused(tmp_path / "a.safetensors", "header")


def test_a_name_that_stands_twice_is_refused_or_has_one_array(tmp_path):
    one = json.dumps(entry())
    text = f'{{"a.weight": {one}, "a.weight": {one}}}'.encode()
    path = tensor_file(tmp_path / "a.safetensors", text, bytes(8))
    try:
        (layer,) = formats.read(path).layers
        assert layer.arrays["weight"].shape == (1, 2)
    except DataError as error:
        assert "duplicate" in str(error)
    second = json.dumps(entry(places=(8, 16)))
    text = f'{{"a.weight": {one}, "a.weight": {second}}}'.encode()
    with pytest.raises(DataError, match="a.safetensors cannot be read"):
        formats.read(tensor_file(path, text, bytes(16)))


def test_safetensors_is_asked_for_by_name(tmp_path, monkeypatch):
    formats.write(small(), tmp_path / "a.safetensors")
    monkeypatch.setitem(sys.modules, "safetensors", None)
    formats.write(small(), tmp_path / "b.safetensors")  # Python alone writes
    with pytest.raises(UsageError, match="pip install safetensors"):
        formats.read(tmp_path / "b.safetensors")
