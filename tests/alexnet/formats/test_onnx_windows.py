"""onnx_file: convolutions and pools, their borders and their rounding."""

import pytest

from alexnet.errors import DataError
from alexnet.formats.onnx_file import read
from tests.alexnet.formats.onnx_graphs import layers_of, node, numbers, save


def pool_of(tmp_path, size, operator="MaxPool", **options):
    options = {"kernel_shape": [3, 3], "strides": [2, 2]} | options
    nodes = [node("Conv", ["x", "w"], "c"), node(operator, ["c"], "y", **options)]
    path = save(tmp_path / "m.onnx", nodes, {"w": numbers(2, 3, 1, 1)}, ("N", 3, size, size))
    return read(path).layers[1]


@pytest.mark.parametrize(
    "size, options, padding, ceil_mode, outputs",
    [
        (9, {}, 0, False, 4),
        (10, {}, 0, False, 4),
        (10, {"pads": [0, 0, 1, 1]}, 0, True, 5),
        (9, {"pads": [0, 0, 1, 1]}, 0, False, 4),  # no window more: the border means nothing
        (10, {"ceil_mode": 1}, 0, True, 5),
        (9, {"ceil_mode": 1}, 0, False, 4),
        (9, {"pads": [1, 1, 1, 1]}, 1, False, 5),
        (10, {"pads": [1, 1, 0, 0]}, 1, False, 5),
        (10, {"auto_pad": "VALID"}, 0, False, 4),
        (10, {"auto_pad": "SAME_UPPER"}, 0, True, 5),
        (9, {"auto_pad": "SAME_UPPER"}, 1, False, 5),
        (9, {"auto_pad": "SAME_LOWER"}, 1, False, 5),
        (10, {"auto_pad": "SAME_LOWER"}, 1, False, 5),
        (10, {"auto_pad": "NOTSET", "storage_order": 0, "dilations": [1, 1]}, 0, False, 4),
    ],
)
def test_borders_and_rounding_of_a_pool(size, options, padding, ceil_mode, outputs, tmp_path):
    layer = pool_of(tmp_path, size, **options)
    arguments = {"window": 3, "stride": 2, "padding": padding, "ceil_mode": ceil_mode}
    assert (layer.kind, layer.arguments) == ("MaxPool2d", arguments)
    assert layer.outputs == (2, outputs, outputs)


@pytest.mark.parametrize(
    "size, options, words",
    [
        (9, {"pads": [0, 0, 2, 2]}, "y_node.*MaxPool.*2 behind. make 5 windows on maps of 9"),
        (9, {"pads": [0, 0, 40, 40]}, "make 24 windows"),
        (9, {"pads": [2, 2, 2, 2]}, "more than half of its window"),
        (10, {"pads": [0, 0, 1, 0]}, "rows and of columns differently"),
        (9, {"pads": [0, 0, -1, -1]}, "four numbers from 0"),
        (9, {"dilations": [2, 2]}, "dilations"),
        (9, {"strides": [0, 0]}, "strides"),
        (9, {"kernel_shape": [3]}, "must be two sizes"),
        (2, {}, "does not fit the maps"),
        (None, {"pads": [0, 0, 2, 2]}, "size is not known"),
        (10, {"operator": "AveragePool", "pads": [0, 0, 1, 1], "count_include_pad": 1}, "counts"),
    ],
)
def test_windows_that_no_pool_here_has_are_errors(size, options, words, tmp_path):
    with pytest.raises(DataError, match=words):
        pool_of(tmp_path, size, **options)


def test_an_average_pool_says_whether_its_padding_counts(tmp_path):
    for count in (0, 1):
        options = {"pads": [1, 1, 1, 1], "count_include_pad": count}
        layer = pool_of(tmp_path, 9, "AveragePool", **options)
        assert layer.arguments["count_include_pad"] is bool(count)
    assert "count_include_pad" not in pool_of(tmp_path, 9, "AveragePool").arguments


def test_without_the_image_size_the_arguments_are_known_but_not_the_outputs(tmp_path):
    layer = pool_of(tmp_path, None, pads=[0, 0, 1, 1])
    assert layer.arguments["ceil_mode"] is True and layer.outputs is None
    assert read(tmp_path / "m.onnx").image_size is None


@pytest.mark.parametrize(
    "options, words",
    [
        ({"pads": [3, 3, 8, 8]}, "pads .* differ by more than the last windows hang over"),
        ({"pads": [2, 2, 1, 5]}, "pads .* differ"),  # rows round down, columns up
        ({"dilations": [2, 2]}, "dilations"),
        ({"group": 2}, "does not fit 3 channels"),
        ({"group": 0}, "group 0"),
        ({"kernel_shape": [5, 5]}, "kernel_shape"),
        ({"strides": [1.0, 1.0]}, "attribute strides is of another kind"),
        ({"alpha": 1.0}, "attribute 'alpha' which"),
    ],
)
def test_convolutions_that_do_not_exist_here_are_errors(options, words, tmp_path):
    options = {"strides": [4, 4]} | options
    nodes = [node("Conv", ["x", "w"], "y", **options)]
    path = save(tmp_path / "m.onnx", nodes, {"w": numbers(2, 3, 11, 11)}, ("N", 3, 224, 224))
    with pytest.raises(DataError, match="y_node.*" + words):
        read(path)


def test_a_convolutions_border_behind_the_maps_may_be_left_out(tmp_path):
    """The paper's 224 with 2 before and 1 behind is torchvision's padding of 2: 55 windows."""
    nodes = [node("Conv", ["x", "w"], "y", strides=[4, 4], pads=[2, 2, 1, 1])]
    path = save(tmp_path / "m.onnx", nodes, {"w": numbers(2, 3, 11, 11)}, ("N", 3, 224, 224))
    ((kind, arguments, outputs),) = layers_of(path)
    assert (kind, arguments["padding"], outputs) == ("Conv2d", 2, (2, 55, 55))
    assert arguments["ceil_mode"] is False


@pytest.mark.parametrize(
    "size, pads, padding, up, outputs",
    [
        (224, [0, 0, 3, 3], 0, True, 55),  # the program of 2012
        (224, [0, 0, 6, 6], 0, True, 55),  # no window more
        (227, [0, 0, 3, 3], 0, False, 55),
        (224, [3, 3, 4, 4], 3, True, 56),  # TensorFlow's SAME
        (None, [0, 0, 3, 3], 0, True, None),
    ],
)
def test_a_convolutions_border_behind_the_maps_may_round_up(
    size, pads, padding, up, outputs, tmp_path
):
    nodes = [node("Conv", ["x", "w"], "y", strides=[4, 4], pads=pads)]
    path = save(tmp_path / "m.onnx", nodes, {"w": numbers(2, 3, 11, 11)}, ("N", 3, size, size))
    ((_, arguments, shape),) = layers_of(path)
    assert (arguments["padding"], arguments["ceil_mode"]) == (padding, up)
    assert shape == (outputs and (2, outputs, outputs))


def test_without_the_image_size_other_borders_of_a_convolution_are_errors(tmp_path):
    nodes = [node("Conv", ["x", "w"], "y", strides=[4, 4], pads=[0, 0, 2, 2])]
    path = save(tmp_path / "m.onnx", nodes, {"w": numbers(2, 3, 11, 11)}, ("N", 3, None, None))
    with pytest.raises(DataError, match="pads .* differ"):
        read(path)
