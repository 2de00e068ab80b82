"""A network as another program's file describes it: its layers in order, with their arrays.

Each reader of a format returns a FileNetwork in this project's words: layers are named like
tinynet.nn, arguments like theirs, arrays lie in this project's layout. Only the order of the
channels is left as the file has it, because some formats do not tell it: arranged() puts it right.
fits.py compares a FileNetwork with the rows of SPECS.
"""

from dataclasses import dataclass, field, replace

import numpy as np

WEIGHTED = ("Conv2d", "Linear", "BatchNorm2d")  # the kinds of layers that have arrays


@dataclass(frozen=True)
class FileLayer:
    """One layer of a file.

    name       as the file calls it, for messages
    kind       Conv2d, Linear, BatchNorm2d, LocalResponseNorm, SameMapNorm, MaxPool2d, AvgPool2d,
               AdaptiveAvgPool2d, ReLU, Tanh, Dropout, Flatten or Softmax
    arguments  of nn.<kind>, as far as the file tells them: kernel, stride, padding and window are
               ints if rows and columns agree, else pairs
    arrays     float32 or float64, C-contiguous: weight (out, in / groups, rows, columns) or
               (out, in), bias (out,); of BatchNorm2d weight, bias, running_mean, running_var.
               A bias that the file does not have is left out
    outputs    (channels, rows, columns) or (width,) for one image, where the file tells it
    """

    name: str
    kind: str
    arguments: dict = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    outputs: tuple[int, ...] | None = None


@dataclass(frozen=True)
class FileNetwork:
    """A file's network.

    format    what the file is, in words: "a PyTorch state dict"
    layers    in the order in which the network computes them
    complete  whether layers without arrays are among them, with their arguments
    channels  "rgb" or "bgr": the order in which the first convolution takes its input
    flatten   "chw" or "hwc": the order in which the first fully connected layer takes the maps
    spec      the row of SPECS that files of this format and these names hold where several fit, or
              None
    image_size  rows and columns of the input, or None
    record    of a file that this program wrote, the fields `build`, `classes`, `stored_size`,
              `normalization` ({"mean", "divisor"}, nested lists) and `words`, unchecked; {} else
    """

    format: str
    layers: list[FileLayer]
    complete: bool = False
    channels: str = "rgb"
    flatten: str = "chw"
    spec: str | None = None
    image_size: int | None = None
    record: dict = field(default_factory=dict)

    def weighted(self) -> list[FileLayer]:
        """The layers that have arrays."""
        return [layer for layer in self.layers if layer.kind in WEIGHTED]


def arranged(network: FileNetwork) -> FileNetwork:
    """The same network for RGB images and maps flattened as (channels, rows, columns)."""
    layers = list(network.layers)
    if network.channels == "bgr":
        _change(layers, "Conv2d", lambda weight, _: weight[:, ::-1])
    if network.flatten == "hwc":
        _change(layers, "Linear", _chw)
    return replace(network, layers=layers, channels="rgb", flatten="chw")


def _change(layers, kind, change):
    """Replace the weight of the first layer of this kind by change(weight, the layers before)."""
    place = next((i for i, layer in enumerate(layers) if layer.kind == kind), None)
    if place is not None:
        layer = layers[place]
        weight = np.ascontiguousarray(change(layer.arrays["weight"], layers[:place]))
        layers[place] = replace(layer, arrays={**layer.arrays, "weight": weight})


def _chw(weight, before):
    """(out, rows * columns * channels) to (out, channels * rows * columns). The channels are those
    of the last convolution, and maps are square."""
    channels = [layer.arrays["weight"].shape[0] for layer in before if layer.kind == "Conv2d"]
    out, width = weight.shape
    side = round((width / channels[-1]) ** 0.5) if channels else 0
    if not channels or side * side * channels[-1] != width:
        return weight  # it fits no square map; fits.py says so
    return weight.reshape(out, side, side, channels[-1]).transpose(0, 3, 1, 2).reshape(out, width)
