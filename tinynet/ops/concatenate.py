"""Tensors joined along one of their axes."""

import numpy as np

from tinynet.graph import type_name
from tinynet.op import op
from tinynet.ops.checks import check_axis, integer
from tinynet.tensor import Tensor, describe


def concatenate(tensors, axis=0):
    """The tensors one after the other along an axis, such as the channels of two towers (axis 1).

    tensors  a list or tuple of tensors or arrays, at least one of them a tensor, of one dtype, and
             of equal sizes along all other axes
    Returns a tensor whose size along the axis is the sum of the sizes. Each tensor gets its part of
    the gradient. Raises TypeError and ValueError where they do not fit.
    """
    if not isinstance(tensors, (list, tuple)):
        raise TypeError(
            f"concatenate: tensors is {type(tensors).__name__}; a list or a tuple of tensors fits"
        )
    for i, tensor in enumerate(tensors):
        if not hasattr(tensor, "shape"):
            raise TypeError(
                f"concatenate: tensors[{i}] is {type_name(tensor)}; a Tensor or an array fits"
            )
    if not any(isinstance(tensor, Tensor) for tensor in tensors):
        raise TypeError(
            f"concatenate: tensors has {len(tensors)} entries, none of them a Tensor; wrap one: "
            "tn.Tensor(...)"
        )
    return _concatenate(axis, *tensors)


@op
def _concatenate(ctx, axis, *arrays):
    """The tensors are arguments of their own, so that each has its gradient."""
    first = arrays[0]
    check_axis("concatenate", integer("concatenate", "axis", axis), first.ndim)
    axis = axis % first.ndim
    rest = first.shape[:axis] + first.shape[axis + 1 :]
    for i, array in enumerate(arrays):
        if array.dtype != first.dtype:
            raise TypeError(
                f"concatenate: tensors[0] is {describe(first)}, tensors[{i}] {describe(array)}; "
                "make all one dtype"
            )
        if array.ndim != first.ndim or array.shape[:axis] + array.shape[axis + 1 :] != rest:
            raise ValueError(
                f"concatenate: tensors[0] has shape {first.shape}, tensors[{i}] {array.shape}; "
                f"sizes may differ along axis {axis} only"
            )
    ends = np.cumsum([array.shape[axis] for array in arrays]).tolist()
    parts = [
        (slice(None),) * axis + (slice(end - array.shape[axis], end),)
        for array, end in zip(arrays, ends, strict=True)
    ]
    y = ctx.empty((*first.shape[:axis], ends[-1], *first.shape[axis + 1 :]), first.dtype)
    for part, array in zip(parts, arrays, strict=True):
        y[part] = array
    return y, lambda dy: (None, *(dy[part] for part in parts))
