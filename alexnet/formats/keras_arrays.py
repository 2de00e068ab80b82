"""Arrays of Keras in this project's layout.

Keras' images are (rows, columns, channels), so a convolution's kernel is (rows, columns, in, out)
and a Dense layer's (in, out). Batch normalisation may lack gamma (1) or beta (0).

Source: keras-team/keras, keras/src/layers.
"""

import numpy as np

from alexnet.data.names import printable
from alexnet.errors import DataError
from alexnet.weights.file_network import FileLayer
from alexnet.weights.record import short


def shown(name: str) -> str:
    """A layer's name for a message."""
    return f"layer {short(printable(name[:100]))}"


def convolution(name: str, kernel: np.ndarray, bias: np.ndarray | None, arguments: dict):
    """A Conv2d with these arguments, and those that the kernel (rows, columns, in, out) tells."""
    if kernel.ndim != 4:
        raise DataError(f"{shown(name)} has a kernel of shape {kernel.shape}, no convolution's")
    rows, columns = kernel.shape[:2]
    known = {
        "out_channels": kernel.shape[3],
        "kernel": rows if rows == columns else (rows, columns),
    }
    arrays = {"weight": np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))}
    return FileLayer(printable(name), "Conv2d", known | arguments, _with_bias(name, arrays, bias))


def dense(name: str, kernel: np.ndarray, bias: np.ndarray | None):
    """A Linear, from a kernel (in, out)."""
    if kernel.ndim != 2:
        raise DataError(f"{shown(name)} has a kernel of shape {kernel.shape}, no matrix")
    arrays = {"weight": np.ascontiguousarray(kernel.T)}
    arguments = {"in_features": kernel.shape[0], "out_features": kernel.shape[1]}
    return FileLayer(printable(name), "Linear", arguments, _with_bias(name, arrays, bias))


def _with_bias(name, arrays, bias):
    out = arrays["weight"].shape[0]
    if bias is None:
        return arrays
    if bias.shape != (out,):
        raise DataError(f"{shown(name)} has {out} outputs and a bias of shape {bias.shape}")
    return {**arrays, "bias": bias}


def batch_norm(name: str, arrays: dict[str, np.ndarray], arguments: dict) -> FileLayer:
    """A BatchNorm2d. arrays: moving_mean, moving_variance, and gamma and beta or 1 and 0."""
    mean = arrays["moving_mean"]
    arrays = {
        "weight": arrays.get("gamma", np.ones_like(mean)),
        "bias": arrays.get("beta", np.zeros_like(mean)),
        "running_mean": mean,
        "running_var": arrays["moving_variance"],
    }
    if any(array.shape != (mean.size,) for array in arrays.values()):
        raise DataError(f"{shown(name)} has arrays of different shapes, or no vectors")
    return FileLayer(printable(name), "BatchNorm2d", {"channels": mean.size, **arguments}, arrays)
