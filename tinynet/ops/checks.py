"""Checks of the ops' arguments, so that kernels need not check them.

Each function raises ValueError or TypeError, which names the op, the argument, its value and a
remedy.
"""

import numbers

import numpy as np

from tinynet.graph import type_name
from tinynet.tensor import FLOATS, describe

LARGEST = 1 << 24  # of strides, paddings and windows: kernels take them as 32-bit numbers


def check_floating(name, argument, array):
    """The array must be float32 or float64, in C order. Ops that keep the rules of op.py return C
    order."""
    if not hasattr(array, "dtype") or array.dtype not in FLOATS:
        kind = describe(array) if hasattr(array, "dtype") else type_name(array)
        raise TypeError(
            f"{name}: {argument} is {kind}; it must be float32 or float64, "
            "for example tn.Tensor(array.astype(np.float32))"
        )
    if not array.flags.c_contiguous:
        raise ValueError(
            f"{name}: {argument} is not C-contiguous; the op that made it should return a copy"
        )


def check_activation(name, x):
    """x must be a float tensor (N, C, H, W), no size 0."""
    check_floating(name, "x", x)
    if x.ndim != 4 or 0 in x.shape:
        raise ValueError(f"{name}: x has shape {x.shape}; (N, C, H, W) fits, each at least 1")


def check_parameter(name, argument, array, shape, like, meaning):
    """The array must have this shape, and the dtype of the activation `like`."""
    if not hasattr(array, "dtype") or array.dtype != like.dtype:
        dtype = describe(array) if hasattr(array, "dtype") else type_name(array)
        raise TypeError(f"{name}: {argument} is {dtype}, x is {like.dtype}; make both one dtype")
    if array.shape != shape:
        raise ValueError(f"{name}: {argument} has shape {array.shape}; {shape} fits ({meaning})")


def check_broadcast(name, a_shape, b_shape):
    """NumPy must be able to broadcast the shapes."""
    try:
        np.broadcast_shapes(a_shape, b_shape)
    except ValueError:
        raise ValueError(
            f"{name}: shapes {a_shape} and {b_shape} do not broadcast; "
            "sizes must be equal or 1, from the last axis on"
        ) from None


def pair(name, argument, value, least):
    """An int or a pair of ints, each at least `least`, as (rows, columns)."""
    both = (value, value) if isinstance(value, (int, np.integer)) else value
    if (
        not isinstance(both, (tuple, list))
        or len(both) != 2
        or not all(isinstance(v, (int, np.integer)) and not isinstance(v, bool) for v in both)
    ):
        raise TypeError(f"{name}: {argument} must be an int or a pair of ints, got {value!r}")
    if min(both) < least:
        raise ValueError(f"{name}: {argument} must be at least {least}, got {value!r}")
    if max(both) > LARGEST:
        raise ValueError(f"{name}: {argument} must be at most {LARGEST:,}, got {value!r}")
    return int(both[0]), int(both[1])


def integer(name, argument, value, least=None):
    """An int, Python's or NumPy's, of at least `least`, as Python's."""
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool):
        raise TypeError(f"{name}: {argument} must be an int, got {value!r}")
    if least is not None and value < least:
        raise ValueError(f"{name}: {argument} must be at least {least}, got {value!r}")
    return int(value)


def number(name, argument, value):
    """A number, Python's or NumPy's but not NaN, as a float."""
    if not isinstance(value, numbers.Real):
        raise TypeError(f"{name}: {argument} must be a number, got {value!r}")
    if value != value:
        raise ValueError(f"{name}: {argument} must be a number, got NaN")
    return float(value)


def check_axis(name, axis, ndim):
    """axis must be None, an int or a tuple of ints: axes of an array of ndim axes, each once."""
    axes = () if axis is None else axis if isinstance(axis, tuple) else (axis,)
    if not all(isinstance(a, (int, np.integer)) and not isinstance(a, bool) for a in axes):
        raise TypeError(f"{name}: axis must be an int, a tuple of ints or None, got {axis!r}")
    outside = any(not -ndim <= a < ndim for a in axes)
    if outside or len({a % ndim for a in axes}) < len(axes):
        raise ValueError(f"{name}: axis {axis} does not fit a tensor of {ndim} axes")
