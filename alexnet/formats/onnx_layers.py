"""The operators of an ONNX model as layers of this project.

Each function of OPERATORS takes the place where the walk is (onnx_chain.Walk) and the next node. It
checks the node's attributes and inputs, and adds a layer, or none for the identity. Layers that
exporters write as two operators (MatMul and Add, two MatMuls that average) become one layer.

Source: onnx/onnx, docs/Operators.md.
"""

import math

import numpy as np

from alexnet.errors import DataError
from alexnet.formats.onnx_graph import attributes, shortest
from alexnet.formats.onnx_tensors import FLOATING, averaging_matrix
from alexnet.formats.onnx_windows import WINDOWS, convolution, one, pool
from alexnet.weights.record import short

_SCALED = ("ReLU", "Tanh", "Flatten")  # layers before a dropout that scales in test


def makes_a_value(node) -> bool:
    """Whether the node's first output has a name."""
    return bool(node.output and node.output[0])


def _other(place, node):
    """The name of the second input of a commutative operator."""
    if len(node.input) != 2:
        raise DataError(f"it has {len(node.input)} inputs, should be 2")
    return node.input[1] if node.input[0] == place.value else node.input[0]


def _inputs(node, least, most):
    """The names of the inputs; "" for one that is left out."""
    names = list(node.input)
    if not least <= len([name for name in names if name]) <= len(names) <= most:
        raise DataError(f"it has {len(names)} inputs, should be {least} to {most}")
    return names + [""] * (most - len(names))


# --- layers with weights --------------------------------------------------------------------------


def _conv(place, node):
    options = attributes(node, kernel_shape=[], group=1, **WINDOWS)
    _, weight_name, bias_name = _inputs(node, 2, 3)
    weight = place.graph.weights(weight_name)
    channels, *sizes = place.maps()
    if weight.ndim != 4 or 0 in weight.shape:
        raise DataError(f"its weight has the shape {weight.shape}, should be four sizes")
    kernel, group, out = weight.shape[2:], options["group"], weight.shape[0]
    if options["kernel_shape"] not in ([], list(kernel)):
        raise DataError(f"its kernel_shape {options['kernel_shape']} is not that of {weight.shape}")
    if group < 1 or out % group or channels not in (None, weight.shape[1] * group):
        raise DataError(
            f"its weight {weight.shape} does not fit {channels} channels, group {group}"
        )
    stride, padding, outputs = convolution(options, kernel, sizes)
    arguments = {
        "in_channels": weight.shape[1] * group,
        "out_channels": out,
        "kernel": one(kernel),
        "stride": one(stride),
        "padding": one(padding),
        "groups": group,
    }
    arrays = {"weight": weight} | _bias(place, bias_name, out)
    place.add(node, "Conv2d", arguments, arrays, (out, *outputs))


def _gemm(place, node):
    options = attributes(node, alpha=1.0, beta=1.0, transA=0, transB=0, broadcast=1)
    names = _inputs(node, 2, 3)
    if (options["alpha"], options["beta"], options["transA"]) != (1.0, 1.0, 0):
        raise DataError("it must have alpha = beta = 1 and transA = 0")
    weight = place.graph.weights(names[1])
    if options["transB"] not in (0, 1) or weight.ndim != 2:
        raise DataError(f"its weight has the shape {weight.shape}, transB {options['transB']}")
    weight = weight if options["transB"] else np.ascontiguousarray(weight.T)
    _linear(place, node, weight, _bias(place, names[2], weight.shape[0]))


def _matmul(place, node):
    attributes(node)
    if _other(place, node) == node.input[0]:
        return _adaptive(place, node)
    weight = place.graph.weights(node.input[1])
    if weight.ndim != 2:
        raise DataError(f"its weight has the shape {weight.shape}, should be two sizes")
    _linear(place, node, np.ascontiguousarray(weight.T), {})
    return None


def _linear(place, node, weight, bias):
    if len(place.shape) != 1:
        raise DataError("it needs maps that were flattened")
    if place.shape[0] not in (None, weight.shape[1]) or 0 in weight.shape:
        raise DataError(f"its weight (out, in) is {weight.shape}, its input has {place.shape[0]}")
    arguments = {"in_features": weight.shape[1], "out_features": weight.shape[0]}
    place.add(node, "Linear", arguments, {"weight": weight} | bias, (weight.shape[0],))


def _add(place, node):
    """The bias of a MatMul."""
    attributes(node)
    before = place.layers[-1] if place.layers else None
    if before is None or before.kind != "Linear" or "bias" in before.arrays:
        raise DataError("it adds no bias to a MatMul")
    before.arrays.update(_bias(place, _other(place, node), before.arguments["out_features"]))


def _bias(place, name, out):
    """{"bias": (out,)}; {} for "", a bias that is left out."""
    if not name:
        return {}
    bias = place.graph.weights(name)
    if bias.shape not in ((out,), (1, out)):
        raise DataError(f"its bias has the shape {bias.shape}, should be ({out},)")
    return {"bias": bias.reshape(out)}


def _batch_norm(place, node):
    options = attributes(node, epsilon=1e-5, momentum=0.9, spatial=1, is_test=1, training_mode=0)
    names = _inputs(node, 5, 5)
    channels = place.maps()[0]
    trains = options["training_mode"] or options["is_test"] != 1 or any(node.output[1:])
    if trains or options["spatial"] != 1:
        raise DataError("it must be in test mode, and normalise each channel")
    arrays = {
        name: place.graph.weights(value)
        for name, value in zip(
            ("weight", "bias", "running_mean", "running_var"), names[1:], strict=True
        )
    }
    shapes = {array.shape for array in arrays.values()}
    count = arrays["weight"].size
    if shapes != {(count,)} or channels not in (None, count):
        raise DataError(f"its arrays {short(shapes)} do not fit {channels} channels")
    arguments = {"channels": count, "eps": options["epsilon"]}
    place.add(node, "BatchNorm2d", arguments, arrays, (count, *place.shape[1:]))


# --- layers without -------------------------------------------------------------------------------


def _activation(kind):
    def layer(place, node):
        attributes(node)
        place.add(node, kind)

    return layer


def _lrn(place, node):
    options = attributes(node, size=0, alpha=1e-4, beta=0.75, bias=1.0)
    place.maps()
    if options["size"] < 1 or options["size"] % 2 == 0:
        raise DataError(f"its size is {options['size']}, should be odd")
    numbers = {name: options[name] for name in ("size", "alpha", "beta")}
    place.add(node, "LocalResponseNorm", numbers | {"k": options["bias"], "divide_by_size": True})


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


def _adaptive(place, node):
    """rows @ x, and then the next node's @ columns: an adaptive average pool (onnx_write.py)."""
    channels, *sizes = place.maps()
    users = place.graph.users(node.output[0])
    second = users[0] if len(users) == 1 else None
    if (
        second is None
        or (second.op_type, second.domain) != ("MatMul", node.domain)
        or second.input[0] != node.output[0]
        or len(second.input) != 2
        or not makes_a_value(second)
    ):
        raise DataError("its first input is a constant, and no second MatMul averages columns")
    attributes(second)
    matrices = place.graph.weights(node.input[0]), place.graph.weights(second.input[1]).T
    for size, matrix in zip(sizes, matrices, strict=True):
        if matrix.ndim != 2 or 0 in matrix.shape or size not in (None, matrix.shape[1]):
            raise DataError(f"its matrix {matrix.shape} does not fit maps of {size}")
        expected = averaging_matrix(matrix.shape[1], matrix.shape[0], matrix.dtype)
        if not np.array_equal(matrix, expected):
            raise DataError("its matrix is no adaptive average pool's")
    outputs = [matrix.shape[0] for matrix in matrices]
    arguments = {"size": one(outputs)}
    place.add(second, "AdaptiveAvgPool2d", arguments, {}, (channels, *outputs))
    return second


def _global_average(place, node):
    attributes(node)
    place.add(node, "AdaptiveAvgPool2d", {"size": 1}, {}, (place.maps()[0], 1, 1))


def _dropout(place, node):
    options = attributes(node, ratio=0.5, is_test=1, seed=0)
    _, ratio, training = _inputs(node, 1, 3)
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
    keep = shortest(_scalar(place, _other(place, node)))
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
    "Conv": _conv,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Add": _add,
    "BatchNormalization": _batch_norm,
    "Relu": _activation("ReLU"),
    "Tanh": _activation("Tanh"),
    "LRN": _lrn,
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
