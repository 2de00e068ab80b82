"""The operators of an ONNX model that have weights: convolutions, fully connected layers, batch
normalisation; and MatMul's other use, to average.

Each function takes the place where the walk is (onnx_chain.Walk) and the next node, checks the
node's attributes and inputs, and adds a layer.

Source: onnx/onnx, docs/Operators.md.
"""

import numpy as np

from alexnet.errors import DataError
from alexnet.formats.onnx_graph import attributes
from alexnet.formats.onnx_tensors import averaging_matrix
from alexnet.formats.onnx_windows import WINDOWS, convolution, one
from alexnet.weights.record import short


def makes_a_value(node) -> bool:
    """Whether the node's first output has a name."""
    return bool(node.output and node.output[0])


def other_input(place, node):
    """The name of the second input of a commutative operator."""
    if len(node.input) != 2:
        raise DataError(f"it has {len(node.input)} inputs, should be 2")
    return node.input[1] if node.input[0] == place.value else node.input[0]


def inputs_of(node, least, most):
    """The names of the inputs; "" for one that is left out."""
    names = list(node.input)
    if not least <= len([name for name in names if name]) <= len(names) <= most:
        raise DataError(f"it has {len(names)} inputs, should be {least} to {most}")
    return names + [""] * (most - len(names))


# --- layers ---------------------------------------------------------------------------------------


def conv(place, node):
    """Conv: Conv2d. Its kernel and groups follow from the weight (out, in / groups, rows, columns),
    its padding and rounding from pads."""
    options = attributes(node, kernel_shape=[], group=1, **WINDOWS)
    _, weight_name, bias_name = inputs_of(node, 2, 3)
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
    stride, padding, ceil_mode, outputs = convolution(options, kernel, sizes)
    arguments = {
        "in_channels": weight.shape[1] * group,
        "out_channels": out,
        "kernel": one(kernel),
        "stride": one(stride),
        "padding": one(padding),
        "groups": group,
        "ceil_mode": ceil_mode,
    }
    arrays = {"weight": weight} | _bias(place, bias_name, out)
    place.add(node, "Conv2d", arguments, arrays, (out, *outputs))


def gemm(place, node):
    """Gemm, x @ B^T + C or x @ B + C: Linear."""
    options = attributes(node, alpha=1.0, beta=1.0, transA=0, transB=0, broadcast=1)
    names = inputs_of(node, 2, 3)
    if (options["alpha"], options["beta"], options["transA"]) != (1.0, 1.0, 0):
        raise DataError("it must have alpha = beta = 1 and transA = 0")
    weight = place.graph.weights(names[1])
    if options["transB"] not in (0, 1) or weight.ndim != 2:
        raise DataError(f"its weight has the shape {weight.shape}, transB {options['transB']}")
    weight = weight if options["transB"] else np.ascontiguousarray(weight.T)
    _linear(place, node, weight, _bias(place, names[2], weight.shape[0]))


def matmul(place, node):
    """MatMul: Linear without a bias if the constant comes second. Else the first half of an
    adaptive average pool; its second half is returned."""
    attributes(node)
    if other_input(place, node) == node.input[0]:
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


def add(place, node):
    """The bias of a MatMul."""
    attributes(node)
    before = place.layers[-1] if place.layers else None
    if before is None or before.kind != "Linear" or "bias" in before.arrays:
        raise DataError("it adds no bias to a MatMul")
    before.arrays.update(_bias(place, other_input(place, node), before.arguments["out_features"]))


def _bias(place, name, out):
    """{"bias": (out,)}; {} for "", a bias that is left out."""
    if not name:
        return {}
    bias = place.graph.weights(name)
    if bias.shape not in ((out,), (1, out)):
        raise DataError(f"its bias has the shape {bias.shape}, should be ({out},)")
    return {"bias": bias.reshape(out)}


def batch_norm(place, node):
    """BatchNormalization in test mode: BatchNorm2d."""
    options = attributes(node, epsilon=1e-5, momentum=0.9, spatial=1, is_test=1, training_mode=0)
    names = inputs_of(node, 5, 5)
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
