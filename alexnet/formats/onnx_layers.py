"""The operators of an ONNX model as layers of this project.

Each function of OPERATORS takes the place where the walk is (onnx_chain.Walk) and the next node. It
checks the node's attributes and inputs, and adds a layer, or none for the identity. Layers that
exporters write as two operators (MatMul and Add, two MatMuls that average) become one layer.
onnx_weights.py has the operators with weights, onnx_normalization.py normalisations.

Source: onnx/onnx, docs/Operators.md.
"""

import math

from alexnet.errors import DataError
from alexnet.formats import onnx_normalization, onnx_weights
from alexnet.formats.onnx_graph import attributes, shortest
from alexnet.formats.onnx_tensors import FLOATING
from alexnet.formats.onnx_weights import inputs_of, other_input
from alexnet.formats.onnx_windows import WINDOWS, pool
from alexnet.weights.record import short

_SCALED = ("ReLU", "Tanh", "Flatten")  # layers before a dropout that scales in test


def _activation(kind):
    def layer(place, node):
        attributes(node)
        place.add(node, kind)

    return layer


def _pool(kind, **own):
    def layer(place, node):
        options = attributes(node, kernel_shape=[], ceil_mode=0, **own, **WINDOWS)
        channels, *sizes = place.maps()
        arguments, counts = pool(options, sizes)
        if kind == "AvgPool2d":
            if (arguments["window"], arguments["stride"], counts) == (1, 1, sizes):
                return  # the identity, which PyTorch's exporter makes of an adaptive pool
            if arguments["padding"]:
                arguments["count_include_pad"] = bool(options["count_include_pad"])
        place.add(node, kind, arguments, {}, (channels, *counts))

    return layer


def _global_average(place, node):
    attributes(node)
    place.add(node, "AdaptiveAvgPool2d", {"size": 1}, {}, (place.maps()[0], 1, 1))


def _dropout(place, node):
    options = attributes(node, ratio=0.5, is_test=1, seed=0)
    _, ratio, training = inputs_of(node, 1, 3)
    drop = options["ratio"]
    if ratio:
        drop = shortest(_scalar(place, ratio))
    if options["is_test"] != 1 or (training and place.graph.constant(training).any()):
        raise DataError("it is in training mode, where its outputs are random")
    if not 0 <= drop < 1:
        raise DataError(f"its ratio is {drop}, should be from 0 to below 1")
    place.add(node, "Dropout", {"drop": drop, "scale": "train"})


def _mul(place, node):
    """A dropout that multiplies by 1 - drop in test, as in the paper."""
    attributes(node)
    keep = shortest(_scalar(place, other_input(place, node)))
    if not place.layers or place.layers[-1].kind not in _SCALED or not 0 < keep <= 1:
        raise DataError(
            f"it multiplies by {keep:g}, which is a dropout only from above 0 to 1 and behind an "
            "activation"
        )
    drop = round(1 - keep, 15)  # 1 - 0.7 is 0.30000000000000004
    place.add(node, "Dropout", {"drop": drop, "scale": "test"})


def _scalar(place, name):
    array = place.graph.weights(name)
    if array.size != 1 or array.ndim > 1:
        raise DataError(f"its input {short(name)} has the shape {array.shape}, should be a number")
    return array.ravel()[0]


def _flatten(place, node):
    if attributes(node, axis=1)["axis"] != 1:
        raise DataError("its axis must be 1")
    _flat(place, node, _width(place.shape))


def _reshape(place, node):
    options = attributes(node, allowzero=0, shape=[])
    target = place.graph.target(node.input[1]) if len(node.input) > 1 else options["shape"]
    if len(target) == 4:
        return onnx_normalization.lrn_within_towers(place, node, target)
    width = _width(place.shape)
    images, features = target if len(target) == 2 else (0, 0)
    width = features if width is None and features > 0 else width
    keeps_images = {
        0: not options["allowzero"],
        -1: features == width and width is not None,
    }.get(images, images > 0 and place.batch in (None, images))
    if not keeps_images or (features != -1 and features != width) or len(target) != 2:
        raise DataError(
            f"it makes the shape {short(target)}, should be (N, -1) or (N, {width}): an AlexNet "
            "flattens its maps"
        )
    _flat(place, node, width)
    return None


def _squeeze(place, node):
    channels, *sizes = place.maps()
    if sizes != [1, 1] or sorted(axis % 4 for axis in place.graph.axes(node)) != [2, 3]:
        raise DataError("it must take out rows and columns of maps of one pixel")
    _flat(place, node, channels)


def _width(shape):
    return None if None in shape else math.prod(shape)


def _flat(place, node, width):
    if len(place.shape) == 3:
        place.add(node, "Flatten", {}, {}, (width,))


def _softmax(place, node):
    if attributes(node, axis=1)["axis"] not in (1, -1) or len(place.shape) != 1:
        raise DataError("it must follow the last fully connected layer, with axis 1")
    place.add(node, "Softmax")


def _identity(place, node):
    attributes(node)


def _cast(place, node):
    if attributes(node, to=0, saturate=1, round_mode="up")["to"] not in FLOATING:
        raise DataError("it changes the maps to whole numbers")


# Each returns the last node of the layer, None for its argument.
OPERATORS = {
    "Conv": onnx_weights.conv,
    "Gemm": onnx_weights.gemm,
    "MatMul": onnx_weights.matmul,
    "Add": onnx_weights.add,
    "BatchNormalization": onnx_weights.batch_norm,
    "Relu": _activation("ReLU"),
    "Tanh": _activation("Tanh"),
    "LRN": onnx_normalization.lrn,
    "MaxPool": _pool("MaxPool2d", storage_order=0),
    "AveragePool": _pool("AvgPool2d", count_include_pad=0),
    "GlobalAveragePool": _global_average,
    "Dropout": _dropout,
    "Mul": _mul,
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "Softmax": _softmax,
    "Identity": _identity,
    "Cast": _cast,
}
