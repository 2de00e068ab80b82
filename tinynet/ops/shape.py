"""Operations that move elements: reshape, transpose, flatten, indexing.

Their gradients move the elements back.
"""

import math

import numpy as np

from tinynet.op import op
from tinynet.ops.checks import check_axis
from tinynet.tensor import Tensor


@op
def reshape(ctx, a, shape):
    """The same elements in another shape; one size may be -1 and is computed."""
    try:
        y = a.reshape(shape)
    except (ValueError, TypeError):
        raise ValueError(
            f"reshape: {shape} does not hold the {a.size} elements of a tensor {a.shape}"
        ) from None
    old_shape = a.shape
    return y, lambda dy: dy.reshape(old_shape)


@op
def transpose(ctx, a, axes=None):
    """The axes in another order; None: reversed."""
    if axes is not None:
        check_axis("transpose", tuple(axes), a.ndim)
        if len(axes) != a.ndim:
            raise ValueError(f"transpose: axes {axes} must name all {a.ndim} axes of {a.shape}")
    order = tuple(range(a.ndim))[::-1] if axes is None else tuple(i % a.ndim for i in axes)
    inverse = tuple(order.index(i) for i in range(a.ndim))
    return a.transpose(order).copy(order="C"), lambda dy: dy.transpose(inverse)


@op
def flatten(ctx, a, start=1):
    """All axes from start on in one: (N, C, H, W) becomes (N, C H W)."""
    if not 0 <= start <= a.ndim:
        raise ValueError(f"flatten: start must be from 0 to {a.ndim} for {a.shape}, got {start}")
    old_shape = a.shape
    y = a.reshape(*a.shape[:start], math.prod(a.shape[start:]))
    return y, lambda dy: dy.reshape(old_shape)


@op
def index(ctx, a, key):
    """a[key], for all keys that NumPy accepts. Where key names an element twice, its gradients are
    added, on a GPU in any order.

    Raises IndexError where key is out of range. A tensor in key is read back from the GPU to be
    checked, which waits for the GPU.
    """
    shape = a.shape
    if ctx.xp is not np:
        np.broadcast_to(False, shape)[key]  # CuPy would silently wrap an index out of range

    def backward(dy):
        da = ctx.xp.zeros(shape, dy.dtype)
        ctx.xp.add.at(da, key, dy)
        return da

    return ctx.xp.array(a[key], order="C"), backward


def _getitem(self, key):
    keys = key if isinstance(key, tuple) else (key,)
    keys = tuple(k.numpy() if isinstance(k, Tensor) else k for k in keys)
    return index(self, keys)


def _reshape(self, *shape):
    return reshape(self, shape[0] if len(shape) == 1 and isinstance(shape[0], tuple) else shape)


def _transpose(self, *axes):
    axes = axes[0] if len(axes) == 1 and isinstance(axes[0], tuple) else axes
    return transpose(self, axes or None)


Tensor.__getitem__ = _getitem
Tensor.reshape = _reshape
Tensor.transpose = _transpose
Tensor.flatten = flatten
