"""The numbers of a network's layers: parameters, multiply-adds and memory.

    convolution       parameters     out * (in / groups * kernel * kernel + 1)
                      multiply-adds  out * rows * columns * in / groups * kernel * kernel
    fully connected   parameters     out * (in + 1)
                      multiply-adds  out * in
    batch norm        parameters     2 * channels

Multiply-adds are counted for one image, without the additions of biases. Layers without a weighted
sum (activations, pools, normalisation) have none. Memory is the layer's output for one image in
float32. The rows are computed from the plan (plan.py): no network is made.

Source: the definitions above.
"""

import math
from dataclasses import dataclass

import numpy as np

from alexnet.network.plan import Layer

BYTES = 4  # of a float32


@dataclass(frozen=True)
class Row:
    """One layer's line of the table, for one image."""

    layer: str
    output: tuple[int, ...]
    kernel: str
    parameters: int
    multiply_adds: int
    bytes: int


def summarize(layers: list[Layer]) -> list[Row]:
    """One Row for each layer of a plan."""
    return [
        Row(
            layer.name,
            layer.outputs,
            _kernel(layer),
            _parameters(layer),
            _multiply_adds(layer),
            BYTES * math.prod(layer.outputs),
        )
        for layer in layers
    ]


def totals(rows: list[Row]) -> dict:
    """Sums of parameters, multiply_adds and bytes."""
    return {
        name: sum(getattr(row, name) for row in rows)
        for name in ("parameters", "multiply_adds", "bytes")
    }


def _fan_in(layer):
    """The number of inputs in the weighted sum of one output."""
    arguments = layer.arguments
    if layer.kind == "Conv2d":
        return arguments["in_channels"] // arguments["groups"] * arguments["kernel"] ** 2
    return arguments["in_features"]


def _parameters(layer):
    if layer.kind in ("Conv2d", "Linear"):
        return layer.outputs[0] * (_fan_in(layer) + 1)
    return 2 * layer.outputs[0] if layer.kind == "BatchNorm2d" else 0


def _multiply_adds(layer):
    if layer.kind in ("Conv2d", "Linear"):
        return math.prod(layer.outputs) * _fan_in(layer)
    return 0


def _kernel(layer):
    """The table's entry for the kernel, the window or the other numbers of a layer."""
    arguments = layer.arguments
    match layer.kind:
        case "Conv2d":
            depth = arguments["in_channels"] // arguments["groups"]
            text = f"{arguments['kernel']}x{arguments['kernel']}x{depth}"
            text += f" / {arguments['stride']}" if arguments["stride"] != 1 else ""
            text += " ceil" if arguments["ceil_mode"] else ""
            text += f" pad {arguments['padding']}" if arguments["padding"] else ""
            return text + (f" groups {arguments['groups']}" if arguments["groups"] > 1 else "")
        case "MaxPool2d" | "AvgPool2d":
            word = "max" if layer.kind == "MaxPool2d" else "average"
            text = f"{word} {arguments['window']}x{arguments['window']} / {arguments['stride']}"
            return text + (" ceil" if arguments["ceil_mode"] else "")
        case "AdaptiveAvgPool2d":
            return f"average to {arguments['size']}x{arguments['size']}"
        case "LocalResponseNorm":
            alpha = _scientific(arguments["alpha"])
            alpha += f"/{arguments['size']}" if arguments["divide_by_size"] else ""
            each = f"{arguments['groups']}x " if arguments["groups"] > 1 else ""  # one a tower
            return f"{each}LRN {arguments['size']} alpha {alpha} k {arguments['k']:g}"
        case "SameMapNorm":
            size, alpha = arguments["size"], _scientific(arguments["alpha"])
            return f"map {size}x{size} alpha {alpha}/{size**2} k {arguments['k']:g}"
        case "BatchNorm2d":
            return f"batch norm eps {arguments['eps']:g}"
        case "Dropout":
            return f"{arguments['drop']:g}, scaled in {arguments['scale']}"
        case _:
            return ""


def _scientific(number):
    return np.format_float_scientific(number, trim="-", exp_digits=1)
