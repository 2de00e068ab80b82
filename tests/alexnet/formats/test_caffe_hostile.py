"""Caffe's files that attack their reader, or are damaged."""

import random
import tracemalloc

import pytest

import alexnet
from alexnet.errors import DataError
from tests.alexnet.formats.caffe_models import CAFFE, SIZE, numbers, one_layer, written


def changed_blob(change):
    net = one_layer("InnerProduct", numbers(2, 3), numbers(2), num_output=2)
    change(net.layer[0].blobs[0])
    return net


@pytest.mark.parametrize(
    ("dimensions", "reason"),
    [
        ([2, 4], "and 24 bytes for it"),
        ([2, 3, 1 << 40], "an array of shape"),
        ([1 << 31, 1 << 31], "an array of shape"),
        ([(1 << 31) - 1] * 32, "and 24 bytes for it"),
        ([1] * 33, "an array of shape"),
        ([-2, -3], "an array of shape"),
        ([0, 3], "an array of shape"),
        ([], "and 24 bytes for it"),
    ],
)
def test_a_shape_that_contradicts_the_numbers_takes_no_memory(read_caffe, dimensions, reason):
    net = changed_blob(lambda blob: blob.shape.MergeFrom(CAFFE["BlobShape"](dim=dimensions)))
    net.layer[0].blobs[0].shape.dim[:] = dimensions
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=reason):
            read_caffe(net)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_numbers_of_both_widths_in_one_array_are_refused(read_caffe):
    with pytest.raises(DataError, match="both as float32 and as float64"):
        read_caffe(changed_blob(lambda blob: blob.double_data.append(1.0)))


def test_many_tiny_fields_and_deep_nesting_are_refused(read_caffe):
    nested = b""
    for _ in range(2_000):
        length = len(nested)
        nested = b"\x12" + bytes([length & 0x7F | 0x80, length >> 7]) + nested  # a layer in a layer
    for content in (b"\x12\x00" * 20_000, b"\xa2\x06\x00" * 20_000, nested, b"\x0b" * 20_000):
        tracemalloc.start()
        try:
            with pytest.raises(DataError):
                read_caffe(content)
            assert tracemalloc.get_traced_memory()[1] < 1 << 23
        finally:
            tracemalloc.stop()


def test_a_long_name_is_cut_in_the_message(read_caffe):
    with pytest.raises(DataError) as caught:
        read_caffe(
            CAFFE["Net"](layer=[CAFFE["Layer"](name="\x1b[2J" + "n" * 9_000, type="\u202eX")])
        )
    assert len(str(caught.value)) < 500 and str(caught.value).isprintable()


def test_a_damaged_file_is_a_network_or_an_error_in_words(read_caffe):
    generator = random.Random(18)
    whole = written(
        alexnet.build("caffe", num_classes=2, image_size=SIZE, width=0.01)
    ).SerializeToString()
    files = [whole[:length] for length in range(0, len(whole), max(50, len(whole) // 300))]
    # Half of the bits that flip are at the places where no weights are.
    settings = one_layer(
        "Convolution", numbers(2, 3, 3, 3), numbers(2), num_output=2, kernel_size=[3]
    )
    for content in (whole, settings.SerializeToString()):
        for _ in range(150):
            place = generator.randrange(len(content))
            flipped = content[place] ^ 1 << generator.randrange(8)
            files.append(content[:place] + bytes([flipped]) + content[place + 1 :])
    ends = {"network": 0, "error": 0}
    for content in files:
        try:
            read_caffe(content)
            ends["network"] += 1
        except DataError as error:
            assert "net.caffemodel" in str(error)
            ends["error"] += 1
    assert ends["network"] > 200 and ends["error"] > 250
