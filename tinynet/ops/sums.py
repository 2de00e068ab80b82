"""Sums along axes, for the ops that are written once for all backends."""

import numpy as np


def sum_along(a, axis, keepdims=False):
    """a.sum(axis), with float32 numbers added in float64, and rounded once.

    NumPy adds in pairs only where the numbers lie side by side in memory. Along another axis it
    adds one after the other: a million float32 numbers would be 1 % off.
    """
    if axis is None or a.dtype != np.float32:
        return a.sum(axis=axis, keepdims=keepdims)
    return a.sum(axis=axis, dtype=np.float64, keepdims=keepdims).astype(a.dtype)


def sum_to(gradient, shape):
    """The gradient of an operand of this shape, from the gradient of its broadcast."""
    if gradient.shape == shape:
        return gradient
    leading = gradient.ndim - len(shape)
    gradient = sum_along(gradient, tuple(range(leading)))
    repeated = tuple(i for i, n in enumerate(shape) if n == 1 and gradient.shape[i] != 1)
    return sum_along(gradient, repeated, keepdims=True) if repeated else gradient
