"""onnx_normalization: LRN within towers, same-map normalisation, and what only looks like them."""

import numpy as np
import pytest

from alexnet.errors import DataError
from alexnet.formats.onnx_file import read
from tests.alexnet.formats.onnx_graphs import layers_of, node, numbers, save

MEAN = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}


def number(value):
    return np.array(value, np.float32)


CONSTANTS = {
    "w": numbers(4, 3, 1, 1), "alpha": number(0.5), "k": number(2), "beta": number(0.75),
    "two": numbers(2), "tower": np.array([-1, 2, 9, 9]), "whole": np.array([-1, 4, 9, 9]),
}  # fmt: skip
CONV = node("Conv", ["x", "w"], "c")


def same_map(**changes):
    """The nodes of a same-map normalisation; changes: name -> another node."""
    nodes = {
        "squares": node("Mul", ["c", "c"], "squares"),
        "mean": node("AveragePool", ["squares"], "mean", **MEAN),
        "share": node("Mul", ["mean", "alpha"], "share"),
        "scale": node("Add", ["share", "k"], "scale"),
        "power": node("Pow", ["scale", "beta"], "power"),
        "y": node("Div", ["c", "power"], "y"),
    }
    return [CONV, *(nodes | changes).values()]


def towers(**changes):
    nodes = {
        "towers": node("Reshape", ["c", "tower"], "towers"),
        "lrn": node("LRN", ["towers"], "lrn", size=5, bias=2.0),
        "y": node("Reshape", ["lrn", "whole"], "y"),
    }
    return [CONV, *(nodes | changes).values()]


def mean(**options):
    return {"mean": node("AveragePool", ["squares"], "mean", **MEAN | options)}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"share": node("Mul", ["alpha", "mean"], "share")},
        {"scale": node("Add", ["k", "share"], "scale")},
        mean(strides=[1, 1], auto_pad="NOTSET", ceil_mode=0),
    ],
)
def test_the_operators_of_a_same_map_normalisation_are_one_layer(changes, tmp_path):
    path = save(tmp_path / "m.onnx", same_map(**changes), CONSTANTS)
    arguments = {"size": 3, "alpha": 0.5, "beta": 0.75, "k": 2.0}
    assert layers_of(path)[1:] == [("SameMapNorm", arguments, (4, 9, 9))]
    assert read(path).layers[1].name == "y_node"


def test_the_operators_of_lrn_within_towers_are_one_layer(tmp_path):
    ((kind, arguments, outputs),) = layers_of(save(tmp_path / "m.onnx", towers(), CONSTANTS))[1:]
    assert (kind, outputs) == ("LocalResponseNorm", (4, 9, 9))
    assert (arguments["size"], arguments["k"], arguments["groups"]) == (5, 2.0, 2)


@pytest.mark.parametrize(
    "nodes, words",
    [
        (same_map(**mean(count_include_pad=0)), "no mean around each pixel.*count_include_pad 0"),
        (same_map(**mean(strides=[2, 2])), r"no mean around.*strides \[2, 2\]"),
        (same_map(**mean(pads=[0, 0, 2, 2])), r"no mean around.*pads \[0, 0, 2, 2\]"),
        (same_map(**mean(kernel_shape=[4, 4], pads=[2] * 4)), r"no mean.*kernel_shape \[4, 4\]"),
        (same_map(share=node("Mul", ["mean", "two"], "share")), r"takes \(2,\) numbers"),
        (same_map(share=node("Mul", ["mean", "mean"], "share")), "must take node 'mean_node'"),
        (same_map(share=node("Mul", ["mean", "c"], "share")), "goes to 3 operators"),
        (same_map(scale=node("Sub", ["share", "k"], "scale")), "must go to one operator, Add"),
        (same_map(power=node("Pow", ["beta", "scale"], "power")), "must take .* as input 0"),
        (same_map(y=node("Div", ["power", "c"], "y")), "must take .*power_node.* as input 1"),
        (same_map(squares=node("Mul", ["c", "alpha"], "squares")), "goes to 2 operators"),
        (towers(towers=node("Reshape", ["c", "whole"], "towers"),
                y=node("Reshape", ["lrn", "tower"], "y")), "makes the shape .* should be"),
        (towers(y=node("Relu", ["lrn"], "y")), "must go to one operator, Reshape"),
        (towers(lrn=node("LRN", ["towers"], "lrn", size=4)), "size is 4, should be odd"),
        (towers(lrn=node("Relu", ["towers"], "lrn")), "must go to one operator, LRN"),
    ],
)  # fmt: skip
def test_what_only_looks_like_a_normalisation_is_an_error_that_says_why(nodes, words, tmp_path):
    with pytest.raises(DataError, match=words):
        read(save(tmp_path / "m.onnx", nodes, CONSTANTS))


@pytest.mark.parametrize("shape", [[-1, 3, 9, 9], [-1, 2, 9, 3], [2, 2, 9, 9], [-1, 0, 9, 9]])
def test_a_reshape_to_no_towers_is_an_error(shape, tmp_path):
    path = save(tmp_path / "m.onnx", towers(), CONSTANTS | {"tower": np.array(shape)})
    with pytest.raises(DataError, match="only towers"):
        read(path)


def test_towers_of_maps_of_unknown_size_are_an_error(tmp_path):
    path = save(tmp_path / "m.onnx", towers(), CONSTANTS, ("N", 3, None, None))
    with pytest.raises(DataError, match="only towers"):
        read(path)
