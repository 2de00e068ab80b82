"""Borders around the maps of an activation, on each side by itself."""

import numbers

from tinynet.op import op
from tinynet.ops.checks import check_activation, integer


@op
def pad(ctx, x, top=0, bottom=0, left=0, right=0, value=0.0):
    """Rows above and below each map, and columns to its left and right, filled with value.

    x      (N, C, H, W)  float32 or float64
    top, bottom, left, right  how many, 0 or more
    Returns (N, C, top + H + bottom, left + W + right).

    Give the sides by name, since the order is another one elsewhere. The ONNX attribute
    pads=[0, 0, 1, 1] names top, left, bottom, right; PyTorch's F.pad(x, (0, 1, 0, 1)) left, right,
    top, bottom. Both are tn.pad(x, bottom=1, right=1).
    """
    check_activation("pad", x)
    sides = (("top", top), ("bottom", bottom), ("left", left), ("right", right))
    top, bottom, left, right = (integer("pad", side, count, least=0) for side, count in sides)
    if not isinstance(value, numbers.Real):
        raise TypeError(f"pad: value is {type(value).__name__}; a number fits")
    images, channels, height, width = x.shape
    y = ctx.empty((images, channels, top + height + bottom, left + width + right), x.dtype)
    y.fill(x.dtype.type(value))
    middle = (..., slice(top, top + height), slice(left, left + width))
    y[middle] = x
    return y, lambda dy: dy[middle]
