"""Operations that move elements: reshape, transpose, flatten, indexing.

Their gradients move the elements back.
"""

import math

import numpy as np

from tinynet.op import op
from tinynet.ops.checks import check_axis, integer
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
        axes = axes if isinstance(axes, (tuple, list)) else (axes,)
        check_axis("transpose", tuple(axes), a.ndim)
        if len(axes) != a.ndim:
            raise ValueError(f"transpose: axes {axes} must name all {a.ndim} axes of {a.shape}")
    order = tuple(range(a.ndim))[::-1] if axes is None else tuple(i % a.ndim for i in axes)
    inverse = tuple(order.index(i) for i in range(a.ndim))
    return a.transpose(order).copy(order="C"), lambda dy: dy.transpose(inverse)


@op
def flatten(ctx, a, start=1):
    """All axes from start on in one: (N, C, H, W) becomes (N, C H W)."""
    start = integer("flatten", "start", start)
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
    key = plain_key(ctx.kernels, key, shape)

    def backward(dy):
        da = ctx.xp.zeros(shape, dy.dtype)
        ctx.xp.add.at(da, key, dy)
        return da

    return ctx.xp.array(a[key], order="C"), backward


def plain_key(kernels, key, shape):
    """A key for the backend's array of this shape, as a tuple. Lists, arrays and tensors in it,
    other packages' too, are copied: the caller may change them before backward. Raises IndexError
    where it is out of range.
    """
    keys = tuple(_plain_part(part) for part in (key if isinstance(key, tuple) else (key,)))
    if kernels.xp is not np:
        np.broadcast_to(False, shape)[keys]  # CuPy would silently wrap an index out of range
    return keys


def _plain_part(part):
    if isinstance(part, Tensor):
        part = part.numpy()
    if isinstance(part, np.ma.MaskedArray):
        raise TypeError("t[key]: a masked array would lose its mask; give array.filled(number)")
    is_array = hasattr(part, "__array__") and not isinstance(part, np.generic)
    return np.array(part) if isinstance(part, list) or is_array else part


def _getitem(self, key):
    keys = key if isinstance(key, tuple) else (key,)
    return index(self, keys)


def _reshape(self, *shape):
    return reshape(self, _several(shape))


def _transpose(self, *axes):
    return transpose(self, _several(axes) or None)


def _several(sizes):
    """t.reshape(2, 3), t.reshape((2, 3)) and t.reshape([2, 3]) are one."""
    one = len(sizes) == 1 and isinstance(sizes[0], (tuple, list))
    return tuple(sizes[0]) if one else sizes


Tensor.__getitem__ = _getitem
Tensor.reshape = _reshape
Tensor.transpose = _transpose
Tensor.flatten = flatten
