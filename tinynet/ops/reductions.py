"""Reductions: sum, mean and max over all elements or along axes."""

from tinynet.op import op
from tinynet.ops.checks import check_axis, check_floating
from tinynet.ops.sums import sum_along
from tinynet.tensor import Tensor


@op
def sum(ctx, a, axis=None, keepdims=False):  # noqa: A001
    """The sum over axis (an int, a tuple, or None: all). Its gradient goes to every element.

    Long sums of float32 numbers stay exact to float32 along every axis (ops/sums.py).
    """
    check_axis("sum", axis, a.ndim)
    shape = a.shape

    def backward(dy):
        return ctx.xp.broadcast_to(_with_axes(dy, shape, axis), shape)

    return sum_along(a, axis, keepdims), backward


@op
def mean(ctx, a, axis=None, keepdims=False):
    """The mean over axis (an int, a tuple, or None: all)."""
    check_floating("mean", "a", a)
    check_axis("mean", axis, a.ndim)
    total = sum_along(a, axis, keepdims)
    shape, count = a.shape, a.size // (total.size or 1)

    def backward(dy):
        return ctx.xp.broadcast_to(_with_axes(dy / count, shape, axis), shape)

    return total / count, backward


@op
def max(ctx, a, axis=None, keepdims=False):  # noqa: A001
    """The largest element over axis (an int, a tuple, or None: all).

    Equal largest elements share the gradient in equal parts.
    """
    check_axis("max", axis, a.ndim)
    if a.size == 0:
        raise ValueError(f"max: a has shape {a.shape} and no element")
    y = a.max(axis=axis, keepdims=keepdims)
    largest = a == _with_axes(y, a.shape, axis)

    def backward(dy):
        # If the largest is NaN, no element equals it, and the gradient is NaN too.
        share = dy / largest.sum(axis=axis, keepdims=keepdims).astype(dy.dtype)
        return _with_axes(share, largest.shape, axis) * largest

    return y, backward


def _with_axes(reduced, shape, axis):
    """reduced, with the lost axes put back with size 1."""
    axes = range(len(shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    axes = {a % len(shape) for a in axes}
    return reduced.reshape([1 if i in axes else n for i, n in enumerate(shape)])


Tensor.sum = sum
Tensor.mean = mean
Tensor.max = max
