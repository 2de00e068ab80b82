"""onnx_file: damaged and hostile models are errors that name the reason; memory stays bounded."""

import os
import tracemalloc

import numpy as np
import pytest

from alexnet.errors import DataError
from alexnet.formats import onnx_graph, onnx_message, onnx_tensors
from alexnet.formats.onnx_file import read
from tests.alexnet.formats.onnx_graphs import node, numbers, save, typed
from tests.alexnet.formats.onnx_models import written

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")
WEIGHT = np.arange(18, dtype=np.float32).reshape(2, 3, 1, 3)


# --- external data --------------------------------------------------------------------------------


def external(path, weight=WEIGHT, **entries):
    """A convolution whose weight lies in another file."""
    tensor = typed(weight, 1)
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=str(value))
    return save(path, [node("Conv", ["x", "w"], "y")], {"w": tensor})


def test_external_data_in_the_models_folder_is_read(tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts/w.bin").write_bytes(b"8 bytes." + WEIGHT.tobytes() + b"more")
    path = external(tmp_path / "m.onnx", location="parts/w.bin", offset=8, length=WEIGHT.nbytes)
    assert np.array_equal(read(path).layers[0].arrays["weight"], WEIGHT)
    path = external(tmp_path / "m.onnx", location="parts/w.bin", offset=8)  # length: what it needs
    assert np.array_equal(read(path).layers[0].arrays["weight"], WEIGHT)


@pytest.mark.parametrize(
    "entries, words",
    [
        ({"location": "/etc/passwd"}, "absolute path '/etc/passwd'"),
        ({"location": "C:\\\\w.bin"}, "absolute path"),
        ({"location": "\\\\\\\\host\\\\w.bin"}, "absolute path"),
        ({"location": "../w.bin"}, "leads out of the model's folder"),
        ({"location": "parts/../../w.bin"}, "leads out of the model's folder"),
        ({"location": "..\\\\w.bin"}, "leads out of the model's folder"),
        ({"location": "link"}, "leads out of the model's folder"),
        ({"location": "linked_folder/w.bin"}, "leads out of the model's folder"),
        ({"location": "pipe"}, "no regular file"),
        ({"location": "parts"}, "no regular file"),
        ({"location": "."}, "no regular file"),
        ({"location": "gone.bin"}, "No such file"),
        ({"location": "a" * 5000}, "cannot be read"),
        ({"location": "w.bin\\0"}, "has no file"),
        ({}, "has no file, but ''"),
        ({"location": "w.bin", "offset": 1}, "ends at byte 73 of 'w.bin', a file of 72 bytes"),
        ({"location": "w.bin", "offset": 2**62}, "ends at byte"),
        ({"location": "w.bin", "offset": -8}, "offset of its external data is '-8'"),
        ({"location": "w.bin", "offset": "٣"}, "offset of its external data"),
        ({"location": "w.bin", "offset": "9" * 5000}, "offset of its external data"),
        ({"location": "w.bin", "length": 71}, "needs 72 bytes, its external data has 71"),
        ({"location": "w.bin", "length": 2**60}, "needs 72 bytes"),
    ],
)
def test_external_data_elsewhere_is_an_error(entries, words, tmp_path):
    folder = tmp_path / "model"
    (folder / "parts").mkdir(parents=True)
    for file in (tmp_path / "w.bin", folder / "w.bin"):
        file.write_bytes(WEIGHT.tobytes())
    (folder / "link").symlink_to(tmp_path / "w.bin")
    (folder / "linked_folder").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe")
    entries = {key: str(value).encode().decode("unicode_escape") if "\\" in str(value) else value
               for key, value in entries.items()}  # fmt: skip
    with pytest.raises(DataError, match=f"m.onnx cannot be read .*{words}"):
        read(external(folder / "m.onnx", **entries))


# --- sizes that are too large or do not fit -------------------------------------------------------


def dims(*sizes, kind=1, **fields):
    tensor = onnx.TensorProto(dims=sizes, data_type=kind)
    tensor.raw_data = fields.pop("raw_data", b"")
    return tensor


@pytest.mark.parametrize(
    "tensor, words",
    [
        (dims(2, 3, 1 << 40, 1 << 40), "too many numbers: up to 268,435,456"),
        (dims(2, 3, 1024, 1024), "needs 25,165,824 bytes, it has 0"),
        (dims(2, 3, -1, 1), "impossible shape"),
        (dims(*[1] * 9), "impossible shape"),
        (dims(*[0] * 5_000), "impossible shape"),
        (dims(2, 3, 1, 1, kind=8), "data type has ONNX's number 8"),
        (dims(2, 3, 1, 1, kind=7, raw_data=bytes(48)), "whole numbers, should be floating"),
        (dims(0, 3, 1, 1), "should be four sizes"),
        (typed(np.zeros((2, 3)), 1, float_data=[0] * 6), "should be four sizes"),
        (typed(np.zeros((2, 3)), 1, float_data=[0] * 5), "needs 6 numbers, it has 5"),
        (typed(np.zeros((2, 3)), 10, int32_data=[0] * 7), "needs 6 numbers, it has 7"),
    ],
)
def test_a_shape_is_compared_with_the_bytes_before_memory_is_taken(tensor, words, tmp_path):
    path = save(tmp_path / "m.onnx", [node("Conv", ["x", "w"], "y")], {"w": tensor})
    assert peak_of_error(path, words) < 4e6


def peak_of_error(path, words):
    """The most memory that read takes until its error."""
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=words):
            read(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "shape, words",
    [
        ([1 << 20, 1 << 20, 1, 1], "too many numbers: up to 268,435,456"),
        ([1 << 62] * 8, "too many numbers: up to 268,435,456"),
        ([-5, 3, 1, 1], "impossible shape"),
        ([1] * 1000, "impossible shape"),
    ],
)
def test_a_constant_of_a_huge_shape_is_an_error(shape, words, tmp_path):
    nodes = [node("ConstantOfShape", ["s"], "w"), node("Conv", ["x", "w"], "y")]
    path = save(tmp_path / "m.onnx", nodes, {"s": np.array(shape)})
    assert peak_of_error(path, words) < 4e6


def test_layers_that_use_the_same_bytes_again_and_again_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_graph, "_MOST_IN_ALL", 1000)
    nodes = [node("Conv", ["x" if i == 0 else f"c{i - 1}", "w"], f"c{i}") for i in range(112)]
    path = save(tmp_path / "m.onnx", nodes, {"w": numbers(3, 3, 1, 1)}, output="c111")
    with pytest.raises(DataError, match="'c111_node'.*have more than 1,000 numbers"):
        read(path)


def test_messages_are_counted_before_the_protobuf_library_makes_objects_of_them(monkeypatch):
    class Never:
        DESCRIPTOR = onnx.ModelProto.DESCRIPTOR

        def FromString(data):
            raise AssertionError("the library sees the bytes")

    monkeypatch.setattr(onnx_message, "MOST_FIELDS", 60)
    empty_nodes = b"\x0a\x00" * 60
    with pytest.raises(DataError, match="more than 60 fields"):
        onnx_message.parse(Never, b"\x3a" + bytes([len(empty_nodes)]) + empty_nodes)


# --- bytes that are no model ----------------------------------------------------------------------


def nested(depth):
    """If in If in If ...: an attribute's graph (6) holds a node (1) with an attribute (5)."""
    data = b""
    for _ in range(depth):
        for tag in (0x32, 0x2A, 0x0A):
            length = bytearray()
            size = len(data)
            while size > 127:
                length.append(size & 127 | 128)
                size >>= 7
            data = bytes([tag]) + bytes([*length, size]) + data
    return (
        b"\x3a"
        + bytes([len(data) & 127 | 128, len(data) >> 7 & 127 | 128, len(data) >> 14])
        + (data)
    )


@pytest.mark.parametrize(
    "data, words",
    [
        (b"", "holds no graph"),
        (b"\x08\x07", "holds no graph"),
        (b"PK\x03\x04 a zip archive", "no message of this format"),
        (b"\x89HDF\r\n\x1a\n", "no message of this format"),
        (b"\x3a\xff\xff\xff\xff\x07", "field 7 has 2,147,483,647 bytes, 0 are left"),
        (b"\x3a\x05\x0a\x7f", "field 7 has 5 bytes, 2 are left"),
        (b"\xff" * 100, "a varint has more than 10 bytes"),
        (b"\x3a", "a varint has no end"),
        (b"\x3b\x3c", "wire type 3"),
        (b"\x3a\x00", "inputs \\[\\] and the outputs \\[\\]"),
        (b"\x3a\x07\x0a\x05\x0a\x03\xff\xfe\xfd", "no UTF-8|no message|inputs"),
        (nested(4000), "no message of this format"),
    ],
)
def test_other_bytes_are_errors_that_name_the_reason(data, words, tmp_path):
    (tmp_path / "m.onnx").write_bytes(data)
    with pytest.raises(DataError, match="m.onnx cannot be read as an ONNX model: .*" + words):
        read(tmp_path / "m.onnx")


def test_files_that_cannot_be_opened_are_errors(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with open(tmp_path / "huge.onnx", "wb") as file:
        file.truncate(1 << 31)  # a hole: it takes no room
    for name, words in (
        ("gone.onnx", "No such file"),
        ("pipe", "a folder, a pipe or a device"),
        (".", "a folder, a pipe or a device"),
        ("huge.onnx", "2,147,483,648 bytes; protobuf, the format of ONNX"),
    ):
        with pytest.raises(DataError, match=words):
            read(tmp_path / name)


def test_a_truncated_model_is_an_error_at_every_length(tmp_path):
    written(tmp_path / "whole.onnx", "cifar10", 8, width=0.02)
    data = (tmp_path / "whole.onnx").read_bytes()
    for length in range(0, len(data), 23):
        (tmp_path / "m.onnx").write_bytes(data[:length])
        with pytest.raises(DataError, match="no message of this format|holds no graph"):
            read(tmp_path / "m.onnx")


@pytest.mark.parametrize(
    "value, words",
    [
        ("{", "is no JSON"),
        ("NaN", "NaN is no number"),
        ("[" * 100_000, "is no JSON"),
        ("9" * 5000, "is no JSON"),
        ('"' + "a" * (1 << 25) + '"', "too long"),
    ],
)
def test_a_damaged_record_is_an_error(value, words, tmp_path):
    written(tmp_path / "m.onnx", "cifar10", 8, record={})
    model = onnx.load(tmp_path / "m.onnx")
    model.metadata_props.add(key="classes", value=value)
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(DataError, match=f"metadata classes .*{words}"):
        read(tmp_path / "m.onnx")


def test_a_chain_of_folds_and_shapes_of_values_cost_nothing(tmp_path):
    nodes = [node("Identity", ["w" if i == 0 else f"i{i - 1}"], f"i{i}") for i in range(100)]
    path = save(
        tmp_path / "m.onnx", [*nodes, node("Conv", ["x", "i99"], "y")], {"w": numbers(2, 3, 1, 1)}
    )
    with pytest.raises(DataError, match="'i99' must be a constant"):
        read(path)
    path = save(tmp_path / "m.onnx", [node("Conv", ["x", "w"], "y")], {"w": numbers(2, 3, 1, 1)})
    model = onnx.load(path)
    helper = onnx.helper
    model.graph.value_info.append(helper.make_tensor_value_info("c", 1, [1 << 62] * 50))
    onnx.save(model, path)
    assert len(read(path).layers) == 1


@pytest.mark.parametrize("spec, size", [("cifar10", 8), ("torchvision", 100)])
def test_random_damage_is_an_error_or_a_valid_network(spec, size, tmp_path):
    """Damage to numbers alone cannot be seen. fits.py and the loader look at them."""
    written(tmp_path / "whole.onnx", spec, size, width=0.01, norm="batch")
    data = (tmp_path / "whole.onnx").read_bytes()
    random, read_whole = np.random.default_rng(0), 0
    for _ in range(150):
        damaged = bytearray(data)
        for place in random.integers(0, min(len(data), 4000), random.integers(1, 4)):
            damaged[place] = random.integers(256)
        (tmp_path / "m.onnx").write_bytes(damaged)
        try:
            network = read(tmp_path / "m.onnx")
        except DataError as error:
            assert "m.onnx cannot be read" in str(error) and str(error).isprintable()
            continue
        read_whole += 1
        for layer in network.weighted():
            for array in layer.arrays.values():
                assert array.dtype in (np.float32, np.float64) and array.flags.c_contiguous
    assert 0 < read_whole < 140


def test_bounds_leave_room_for_every_alexnet():
    assert onnx_tensors.MOST_NUMBERS > 4 * 37_748_736
    assert onnx_graph._MOST_IN_ALL > 4 * 62_381_096
    assert onnx_message.MOST_FIELDS > 100 * 1_000
