"""The blocks of a network, and what differs between two of them.

A block is a convolution or fully connected layer with what follows it:

    conv1 relu lrn maxpool | conv2 relu lrn maxpool | conv3 relu | ...

A layer before the first of them is a block of its own. Left out are layers that change nothing in
test mode: flatten, inverted dropout, softmax at the end, an adaptive pool that keeps the size. relu
before maxpool counts as maxpool before relu: the largest stays the largest.
"""

import math

from alexnet.network.plan import Layer, array_shapes
from alexnet.weights.file_network import WEIGHTED, FileLayer
from tinynet.ops.windows import output_size, overhang


def blocks_of(layers):
    """The layers in blocks, without layers that change nothing in test mode."""
    layers, blocks = list(layers), []
    while layers and layers[-1].kind == "Softmax":  # it changes no order of the classes
        layers.pop()
    for layer in layers:
        if _changes_nothing(layer):
            continue
        if layer.kind in ("Conv2d", "Linear") or not blocks:
            blocks.append([layer])
        else:
            blocks[-1].append(layer)
    for block in blocks:
        for i in range(1, len(block) - 1):
            if (block[i].kind, block[i + 1].kind) == ("MaxPool2d", "ReLU"):
                block[i], block[i + 1] = block[i + 1], block[i]
    return blocks


def _changes_nothing(layer):
    arguments = layer.arguments
    match layer.kind:
        case "Flatten":
            return True
        case "Dropout":
            return arguments.get("scale", "train") == "train"
        case "AvgPool2d":
            return _pair(arguments["window"]) == (1, 1) == _pair(arguments.get("stride", 1))
    return False


def block_difference(ours, theirs, complete):
    """What differs in a block, in words; "" if nothing does.

    ours      rows of a plan
    theirs    layers of a file
    complete  whether the file tells its layers without arrays, and all numbers
    """
    if not complete:  # the file holds no other layers
        ours = [layer for layer in ours if layer.kind in WEIGHTED]
    ours, theirs = _without_idle_pools(ours, theirs)
    kinds = [layer.kind for layer in ours], [layer.kind for layer in theirs]
    if kinds[0] != kinds[1]:
        if kinds[0][0] != kinds[1][0]:
            return f"{theirs[0].name}: a {kinds[1][0]}, where {ours[0].name} is a {kinds[0][0]}"
        has, needs = (", ".join(kinds[1:]) or "nothing" for kinds in reversed(kinds))
        return f"{theirs[0].name}: after it come {has}; after {ours[0].name} come {needs}"
    for layer, other in zip(ours, theirs, strict=True):
        difference = _array_difference(layer, other) or (
            _argument_difference(layer, other) if complete else ""
        )
        if difference:
            return difference
    return ""


def _without_idle_pools(ours, theirs):
    """Both blocks without an adaptive pool that keeps the size of the maps."""
    idle = [x for x in ours if x.kind == "AdaptiveAvgPool2d" and x.inputs == x.outputs]
    sizes = [numbers_of(x.kind, x.arguments) for x in idle]
    theirs = [
        layer
        for layer in theirs
        if layer.kind != "AdaptiveAvgPool2d" or numbers_of(layer.kind, layer.arguments) not in sizes
    ]
    return [layer for layer in ours if layer not in idle], theirs


def _array_difference(layer, other: FileLayer):
    shapes = array_shapes([layer])
    for name, shape in (shapes[0] | shapes[1]).items():
        key = name.rpartition(".")[2]
        array = other.arrays.get(key)
        if array is not None and array.shape != shape:
            return f"{other.name}: {key} {array.shape}, {layer.name} has {shape}"
    return ""


def _argument_difference(layer: Layer, other: FileLayer):
    ours, theirs = numbers_of(layer.kind, layer.arguments), numbers_of(layer.kind, other.arguments)
    for name, value in theirs.items():
        if name in ours and not _equal(ours[name], value):
            return f"{other.name}: {name} {value}, {layer.name} has {ours[name]}"
    if layer.kind in ("Conv2d", "MaxPool2d", "AvgPool2d"):
        outputs = other.outputs or _windows(layer, other.arguments)
        if outputs[-2:] != layer.outputs[-2:]:
            return (
                f"{other.name}: maps of {outputs[-2]} x {outputs[-1]}, {layer.name} gives "
                f"{layer.outputs[-2]} x {layer.outputs[-1]} of {layer.inputs[-2]} x "
                f"{layer.inputs[-1]}"
            )
    return ""


def numbers_of(kind, arguments):
    """The arguments of a layer that its output depends on in test mode, pairs where sizes may be
    pairs."""
    match kind:
        case "Conv2d":
            names = ("stride", "padding", "groups")  # rounding shows in the size of the maps
        case "MaxPool2d" | "AvgPool2d":
            names = ("window", "stride", "padding")  # here too
        case "LocalResponseNorm":
            alpha, size = arguments["alpha"], arguments["size"]
            share = alpha / size if arguments.get("divide_by_size") else alpha
            others = {name: arguments[name] for name in ("size", "beta", "k")}
            return others | {"alpha of each square": share, "groups": arguments.get("groups", 1)}
        case "SameMapNorm":
            return {name: arguments[name] for name in ("size", "alpha", "beta", "k")}
        case "BatchNorm2d":
            names = ("eps",)
        case "AdaptiveAvgPool2d":
            names = ("size",)
        case "Dropout":
            names = ("drop",)
        case _:
            names = ()
    single = ("groups", "eps", "drop")
    numbers = {name: arguments[name] for name in names if name in arguments}
    numbers |= {"padding": 0} if "padding" in names and "padding" not in numbers else {}
    return {name: v if name in single else _pair(v) for name, v in numbers.items()}


def _pair(value):
    return tuple(value) if isinstance(value, (tuple, list)) else (value, value)


def _equal(ours, theirs):
    if isinstance(ours, tuple):
        return ours == theirs
    return math.isclose(ours, theirs, rel_tol=1e-5)


def _windows(layer, arguments):
    """The size of the maps that a convolution or a pool of these arguments makes of the layer's
    inputs."""
    convolution = layer.kind == "Conv2d"
    window = _pair(layer.arguments["kernel"] if convolution else arguments["window"])
    stride = _pair(arguments.get("stride", 1 if convolution else window))
    padding, up = _pair(arguments.get("padding", 0)), arguments.get("ceil_mode", False)
    sizes = []
    for size, *geometry in zip(layer.inputs[1:], window, stride, padding, strict=True):
        if convolution:
            sizes.append(output_size(size + (overhang(size, *geometry) if up else 0), *geometry))
        else:
            sizes.append(output_size(size, *geometry, up))
    return tuple(sizes)
