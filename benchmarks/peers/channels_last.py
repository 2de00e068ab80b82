"""Weights for programs whose images lie channels last, (N, H, W, C), and back.

convolution       (out, in, rows, columns)  ->  (rows, columns, in, out)
linear            (out, in)                 ->  (in, out)
linear, flattened maps below: its inputs come as (c, h, w) and are wanted as (h, w, c)
"""

import numpy as np


def flattened(layers) -> dict[str, tuple]:
    """{"fc6.weight": (c, h, w)}: the weights that read flattened maps, and the maps."""
    maps = {}
    shape = None
    for layer in layers:
        if layer["kind"] == "Flatten":
            shape = layer["inputs"]
        elif layer["kind"] == "Linear" and shape:
            maps[layer["name"] + ".weight"], shape = tuple(shape), None
    return maps


def to_channels_last(name, array, maps):
    """A weight or bias of weights.npz in the new order. maps: from flattened()."""
    if array.ndim == 4:
        array = array.transpose(2, 3, 1, 0)
    elif name in maps:
        array = array.reshape(-1, *maps[name]).transpose(2, 3, 1, 0).reshape(-1, len(array))
    elif array.ndim == 2:
        array = array.T
    return np.ascontiguousarray(array)


def from_channels_last(name, array, maps):
    """What to_channels_last was given."""
    if array.ndim == 4:
        return array.transpose(3, 2, 0, 1)
    if name in maps:
        c, h, w = maps[name]
        return array.reshape(h, w, c, -1).transpose(3, 2, 0, 1).reshape(-1, c * h * w)
    return array.T  # of a bias: itself


def overhang(layer) -> int:
    """How many rows, and columns, a pool's last window hangs over the edge of its maps."""
    window, stride = layer["arguments"]["window"], layer["arguments"]["stride"]
    return max(0, (layer["outputs"][1] - 1) * stride + window - layer["inputs"][1])


def cells_inside(layer) -> np.ndarray:
    """float32 (1, OH, OW, 1): how many cells of the map each window of a pool covers."""
    window, stride = layer["arguments"]["window"], layer["arguments"]["stride"]
    first = np.arange(layer["outputs"][1]) * stride
    counts = np.minimum(window, layer["inputs"][1] - first).astype(np.float32)
    return np.outer(counts, counts)[None, :, :, None]
