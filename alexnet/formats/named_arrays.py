"""From arrays with names to the layers that they belong to.

State dicts and files of named arrays hold no layers, but each name ends in the array's part in a
layer: conv1.weight, norm1.running_mean, features.0.bias, conv1_w. The number of axes of the weight
tells the kind of the layer: 4 a convolution, 2 a fully connected layer, 1 a batch normalisation.
"""

import re

import numpy as np

from alexnet.data.names import printable
from alexnet.errors import DataError
from alexnet.weights.file_network import FileLayer

_PARTS = {"w": "weight", "weights": "weight", "b": "bias", "biases": "bias"}
_NAME = re.compile(
    r"(.+?)[._/](weights?|w|bias(?:es)?|b|running_mean|running_var|num_batches_tracked)",
    re.IGNORECASE,
)
_NEEDED = {
    "Conv2d": {"weight"},
    "Linear": {"weight"},
    "BatchNorm2d": {"weight", "bias", "running_mean", "running_var"},
}

# The layers of torchvision's AlexNet (models/alexnet.py), by this project's names.
_TORCHVISION = {
    "conv1": "features.0",
    "conv2": "features.3",
    "conv3": "features.6",
    "conv4": "features.8",
    "conv5": "features.10",
    "fc6": "classifier.1",
    "fc7": "classifier.4",
    "fc8": "classifier.6",
}
# Names that tell the order: convolutions and their norms first, then fully connected layers.
_NUMBERED = (
    re.compile(r"(?P<word>conv|norm|bn|batchnorm|fc)_?(?P<number>\d{1,6})"),
    re.compile(r"(?P<word>features|classifier)\.(?P<number>\d{1,6})"),
)
_LAST = ("fc", "classifier")


def layers_of(arrays: dict[str, np.ndarray]) -> list[FileLayer]:
    """The layers of these arrays, in the order of the network.

    arrays  of float16, float32 or float64; float16 becomes float32. Counts of batches
            (num_batches_tracked) are dropped
    Layers whose names tell it (conv1, norm1, fc6; features.0, classifier.1) are ordered by their
    numbers, others as in the dict. Raises DataError for an array that belongs to no layer, for
    shapes that do not fit, and for numbers that are not finite.
    """
    parts = {}
    for name, array in arrays.items():
        match = _NAME.fullmatch(name)
        if match is None:
            raise DataError(f"its array {_quoted(name)} belongs to no layer: {_FITS}")
        layer, part = match[1], match[2].lower()
        if part == "num_batches_tracked":
            continue
        part = _PARTS.get(part, part)
        if part in parts.setdefault(layer, {}):
            raise DataError(f"its layer {_quoted(layer)} has two arrays for the {part}")
        parts[layer][part] = _floats(name, array)
    if not parts:
        raise DataError("it holds no weights of layers")
    return _in_order([_layer(name, arrays) for name, arrays in parts.items()])


_FITS = "names such as conv1.weight, conv1_b, norm1.running_mean or features.0.bias fit"


def torchvision_name(layer: str) -> str | None:
    """torchvision's name of a layer of the spec torchvision: features.0 for conv1; None for a layer
    that torchvision's model does not have."""
    return _TORCHVISION.get(layer)


def spec_of(layers: list[FileLayer]) -> str | None:
    """ "torchvision" if the layers have the names of torchvision's AlexNet, else None."""
    names = {layer.name for layer in layers}
    return "torchvision" if names <= set(_TORCHVISION.values()) else None


def _floats(name, array):
    """The array as float32 or float64, in C order."""
    if array.dtype.kind != "f" or array.dtype.itemsize > 8:
        raise DataError(f"{_quoted(name)} is {array.dtype}, where floats of 16 to 64 bits fit")
    dtype = np.float64 if array.dtype.itemsize == 8 else np.float32
    array = np.asarray(array, dtype, order="C")
    count = array.size - np.count_nonzero(np.isfinite(array))
    if count:
        raise DataError(f"{_quoted(name)} holds {count:,} numbers that are NaN or infinite")
    return array


def _layer(name, arrays):
    """The FileLayer of these arrays, if their shapes fit."""
    if "weight" not in arrays:
        raise DataError(f"its layer {_quoted(name)} has {' and '.join(arrays)}, but no weight")
    shape = arrays["weight"].shape
    if len(shape) not in (1, 2, 4) or 0 in shape:
        raise DataError(
            f"the weight of {_quoted(name)} has the shape {shape}; (out, in, rows, columns), "
            "(out, in) and (channels,) fit"
        )
    kind = {4: "Conv2d", 2: "Linear", 1: "BatchNorm2d"}[len(shape)]
    lacks, unknown = _NEEDED[kind] - set(arrays), set(arrays) - _NEEDED[kind] - {"bias"}
    if lacks or unknown:
        fault = f"lacks {', '.join(sorted(lacks))}" if lacks else f"has {min(unknown)}"
        raise DataError(f"{_quoted(name)} seems to be a {kind} by its weight {shape}, but {fault}")
    for part, array in arrays.items():
        if part != "weight" and array.shape != shape[:1]:
            raise DataError(
                f"the {part} of {_quoted(name)} has the shape {array.shape}, its weight {shape} "
                f"needs {shape[:1]}"
            )
    if kind == "BatchNorm2d" and arrays["running_var"].min() < 0:
        raise DataError(f"the running_var of {_quoted(name)} holds a negative variance")
    return FileLayer(name, kind, _arguments(kind, shape), arrays)


def _arguments(kind, shape):
    """What the shape of a weight tells about its layer."""
    match kind:
        case "Conv2d":
            rows, columns = shape[2:]
            return {"out_channels": shape[0], "kernel": rows if rows == columns else shape[2:]}
        case "Linear":
            return {"in_features": shape[1], "out_features": shape[0]}
        case _:
            return {"channels": shape[0]}


def _in_order(layers):
    """The layers in the order of the network, as far as their names tell it."""
    for pattern in _NUMBERED:
        matches = {layer.name: pattern.fullmatch(layer.name) for layer in layers}
        if all(matches.values()):

            def place(layer, matches=matches):
                match = matches[layer.name]
                return match["word"] in _LAST, int(match["number"]), layer.kind == "BatchNorm2d"

            return sorted(layers, key=place)
    return layers


def _quoted(name):
    return printable(name[:80])
