"""plan: list the layers of a row of SPECS, each with its arguments and shapes.

No array is made, so alexnet/summary.py can describe a network of any size from its plan.
"""

import math
from bisect import bisect_left
from dataclasses import asdict, dataclass

from alexnet.network.spec_row import Spec
from alexnet.network.variants import is_count
from tinynet.ops.windows import output_size, overhang


@dataclass(frozen=True)
class Layer:
    """One layer of a plan: nn.<kind>(**arguments). inputs and outputs are its shapes for one image:
    (channels, rows, columns) before flatten, (width,) after it."""

    name: str
    kind: str
    arguments: dict
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def plan(spec: Spec, num_classes: int, image_size: int) -> list[Layer]:
    """Every layer of the network in order, with its arguments and shapes.

    Raises ValueError for num_classes or image_size below 1, and for an image_size that makes a
    layer's output empty; the message names the smallest size that works.
    """
    if not is_count(num_classes):
        raise ValueError(f"build: num_classes must be an integer from 1, got {num_classes!r}")
    if not is_count(image_size):
        raise ValueError(f"build: image_size must be an integer from 1, got {image_size!r}")
    layers = _layers(spec, num_classes, image_size)
    empty = next((layer for layer in layers if min(layer.outputs) < 1), None)
    if empty is not None:
        raise ValueError(
            f"build: image_size {image_size} leaves nothing of the maps at {empty.name}; the "
            f"smallest that works with spec {spec.name} is {smallest_image_size(spec)}"
        )
    return layers


def array_shapes(layers: list[Layer]) -> tuple[dict, dict]:
    """({name: shape} of the parameters, {name: shape} of the buffers) of a network of these layers,
    as in its state_dict and in that order."""
    parameters, buffers = {}, {}
    for layer in layers:
        arguments, out = layer.arguments, layer.outputs[0]
        match layer.kind:
            case "Conv2d":
                depth = arguments["in_channels"] // arguments["groups"]
                weight = (out, depth, arguments["kernel"], arguments["kernel"])
            case "Linear":
                weight = (out, arguments["in_features"])
            case "BatchNorm2d":
                weight = (out,)
                names = (f"{layer.name}.running_mean", f"{layer.name}.running_var")
                buffers |= dict.fromkeys(names, (out,))
            case _:
                continue
        parameters |= {f"{layer.name}.weight": weight, f"{layer.name}.bias": (out,)}
    return parameters, buffers


def smallest_image_size(spec: Spec) -> int:
    """The smallest image_size with which every map has at least one pixel."""

    def works(size):
        return all(min(layer.outputs) >= 1 for layer in _layers(spec, 1, size))

    return bisect_left(range(1 << 40), True, key=works)


def _layers(spec, num_classes, image_size):
    """The layers of a plan, unchecked: if the image is too small, some sizes are below 1."""
    layers, shape = [], (3, image_size, image_size)
    convolutions, widths = iter(spec.convolutions), iter((*spec.hidden, num_classes))
    words = " ".join(spec.blocks).split()
    pools = iter(spec.pool.each(words.count("maxpool") + words.count("avgpool")))
    for number, block in enumerate(spec.blocks, start=1):
        for word in block.split():
            if word in ("fc", "dropout") and len(shape) == 3:
                layers.append(Layer("flatten", "Flatten", {}, shape, (math.prod(shape),)))
                shape = layers[-1].outputs
            if word == "conv":
                layer = _convolution(f"conv{number}", next(convolutions), shape)
            elif word == "fc":
                last = spec.last_name if number == len(spec.blocks) else None
                layer = _linear(last or f"fc{number}", next(widths), shape)
            elif word in ("maxpool", "avgpool"):
                kind = "MaxPool2d" if word == "maxpool" else "AvgPool2d"
                layer = _pool(f"pool{number}", kind, next(pools), shape)
            else:
                layer = _other_layer(word, number, spec, shape)
            layers.append(layer)
            shape = layer.outputs
    return layers


def _convolution(name, row, shape):
    geometry = row.kernel, row.stride, row.padding
    filled = shape[1] + (overhang(shape[1], *geometry) if row.ceil_mode else 0)
    side = output_size(filled, *geometry)
    arguments = {"in_channels": shape[0], "out_channels": row.out, "kernel": row.kernel}
    arguments |= {"stride": row.stride, "padding": row.padding, "groups": row.groups}
    arguments |= {"ceil_mode": row.ceil_mode}
    return Layer(name, "Conv2d", arguments, shape, (row.out, side, side))


def _linear(name, width, shape):
    arguments = {"in_features": shape[0], "out_features": width}
    return Layer(name, "Linear", arguments, shape, (width,))


def _pool(name, kind, row, shape):
    side = output_size(shape[1], row.window, row.stride, 0, row.ceil_mode)
    return Layer(name, kind, asdict(row), shape, (shape[0], side, side))


def _other_layer(word, number, spec, shape):
    """The layer for a word other than conv, fc and the pools."""
    match word:
        case "relu":
            return Layer(f"relu{number}", "ReLU", {}, shape, shape)
        case "tanh":
            return Layer(f"tanh{number}", "Tanh", {}, shape, shape)
        case "lrn":
            return Layer(f"norm{number}", "LocalResponseNorm", asdict(spec.lrn), shape, shape)
        case "samemap":
            return Layer(f"samemap{number}", "SameMapNorm", asdict(spec.same_map), shape, shape)
        case "batchnorm":
            arguments = {"channels": shape[0], **asdict(spec.batch_norm)}
            return Layer(f"norm{number}", "BatchNorm2d", arguments, shape, shape)
        case "adaptive":
            size = spec.adaptive_size
            outputs = (shape[0], size, size)
            return Layer("avgpool", "AdaptiveAvgPool2d", {"size": size}, shape, outputs)
        case "dropout":
            return Layer(f"dropout{number}", "Dropout", asdict(spec.dropout), shape, shape)
