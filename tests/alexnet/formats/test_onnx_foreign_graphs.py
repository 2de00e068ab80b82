"""ONNX graphs that are no AlexNet: errors that name the node."""

import numpy as np
import pytest

from alexnet.errors import DataError
from alexnet.formats.onnx_file import read
from tests.alexnet.formats.onnx_graphs import (
    helper,
    layers_of,
    node,
    numbers,
    save,
)
from tests.alexnet.formats.onnx_models import written

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")

CONV = node("Conv", ["x", "w"], "c")
CONSTANTS = {"w": numbers(3, 3, 1, 1), "s": numbers(3, 3), "half": np.array(0.5, np.float32)}
CONSTANTS["nine"] = numbers(9, 9)


@pytest.mark.parametrize(
    "nodes, words",
    [
        ([CONV, node("Sigmoid", ["c"], "y")], "y_node.*Sigmoid.*no layer of an AlexNet.*Conv, "),
        ([CONV, node("Relu", ["c"], "y", domain="my.own")], "operator of 'my.own'"),
        ([CONV, node("Relu", ["c"], "a"), node("Add", ["a", "c"], "y")], "2 operators .*Add"),
        ([CONV, node("Mul", ["c", "c"], "y")], "take the layer before once"),
        ([CONV, node("Mul", ["c", "half"], "y")], "multiplies by 0.5"),
        ([CONV, node("Add", ["c", "half"], "y")], "adds no bias"),
        ([CONV, node("Relu", ["c"], "a")], "goes to 0 operators"),
        ([CONV, node("Relu", ["c"], "y"), node("Relu", ["y"], "z")], "goes to an operator, too"),
        ([CONV, node("Gemm", ["c", "s"], "y")], "maps that were flattened"),
        ([CONV, node("MatMul", ["s", "c"], "y")], "no second MatMul"),
        ([CONV, node("Relu", ["c"], "c")], "makes 'c', which exists already"),
        ([CONV, helper.make_node("Relu", ["c"], [])], "make a value"),
        ([CONV, helper.make_node("Relu", ["c"], [""])], "make a value"),
        (
            [CONV, node("MatMul", ["s", "c"], "a"), helper.make_node("MatMul", ["a", "s"], [])],
            "no second MatMul",
        ),
        ([node("Conv", ["x", "c"], "c")], "'c' cannot be used"),
        ([node("Identity", ["i"], "i"), node("Conv", ["x", "i"], "y")], "must be a constant"),
        ([node("Conv", ["x", "x"], "y")], "take the layer before once"),
        ([node("Conv", ["w", "x"], "y")], "first input is 'w'"),
        ([node("Conv", ["x", "gone"], "y")], "'gone' must be a constant, and is none"),
        ([node("Conv", [], "y")], "goes to 0 operators"),
        ([node("Conv", ["x"], "y")], "has 1 inputs"),
        ([node("Identity", ["x"], "y")], "no layer with weights"),
        ([CONV, node("LRN", ["c"], "y", size=4)], "size is 4, should be odd"),
        ([CONV, node("LRN", ["c"], "y", size=5, alpha=float("nan"))], "attribute alpha is nan"),
        ([CONV, node("Softmax", ["c"], "y")], "follow the last fully connected"),
        (
            [
                CONV, node("Flatten", ["c"], "f"), node("Softmax", ["f"], "p"),
                node("Relu", ["p"], "y"),
            ],
            "must be the last layer",
        ),
        (
            [CONV, node("MatMul", ["nine", "c"], "a"), node("MatMul", ["a", "nine"], "y")],
            "no adaptive average pool's",
        ),
        ([CONV, helper.make_node("Dropout", ["c"], ["d", "y"])], "second output 'y' is used"),
        ([CONV, node("Dropout", ["c"], "y", ratio=1.0)], "ratio is 1.0"),
        ([CONV, node("BatchNormalization", ["c", *"ssss"], "y")], "do not fit 3 channels"),
        ([CONV, node("Dropout", ["c", "", "s"], "y")], "training mode"),
        (
            [CONV, node("If", ["c"], "y", then_branch=helper.make_graph([CONV], "g", [], []))],
            "If.*no layer of an AlexNet",
        ),
    ],
)  # fmt: skip
def test_other_graphs_are_errors_that_name_the_node(nodes, words, tmp_path):
    path = save(tmp_path / "m.onnx", nodes, CONSTANTS)
    with pytest.raises(DataError, match="m.onnx cannot be read as an ONNX model: .*" + words):
        read(path)


@pytest.mark.parametrize(
    "shape, words",
    [
        (("N", 1, 9, 9), "square RGB images"),
        (("N", 3, 9, 8), "square RGB images"),
        (("N", 9, 9, 3), "square RGB images"),
        (("N", 27), "square RGB images"),
        ((), "square RGB images"),
    ],
)
def test_other_inputs_are_errors(shape, words, tmp_path):
    with pytest.raises(DataError, match=words):
        read(save(tmp_path / "m.onnx", [node("Conv", ["x", "w"], "y")], CONSTANTS, shape))


def test_a_dropout_is_read_with_its_ratio(tmp_path):
    nodes = [
        CONV, node("Flatten", ["c"], "f"), node("Dropout", ["f", "half"], "d"),
        node("Gemm", ["d", "fc"], "g"), node("Relu", ["g"], "r"), node("Mul", ["tenth", "r"], "y"),
    ]  # fmt: skip
    more = {"fc": numbers(243, 4), "tenth": np.array([0.1], np.float32)}
    path = save(tmp_path / "m.onnx", nodes, CONSTANTS | more)
    found = [arguments for kind, arguments, _ in layers_of(path) if kind == "Dropout"]
    assert found == [{"drop": 0.5, "scale": "train"}, {"drop": 0.9, "scale": "test"}]


def test_the_record_of_another_program_is_none(tmp_path):
    written(tmp_path / "m.onnx", "cifar10", 8)
    model = onnx.load(tmp_path / "m.onnx")
    model.producer_name = "another"
    onnx.save(model, tmp_path / "m.onnx")
    assert read(tmp_path / "m.onnx").record == {}
