"""Numbers limited to a range."""

import math
import numbers

from tinynet.graph import type_name
from tinynet.op import op
from tinynet.ops.checks import check_floating
from tinynet.tensor import Tensor


@op
def clip(ctx, a, min=None, max=None):  # noqa: A002
    """a where it lies between min and max, else the nearer of the two; NaN stays NaN.

    a         any shape, float32 or float64
    min, max  numbers, or None for no limit on that side; bounds that are tensors: tn.maximum and
              tn.minimum
    Returns a tensor like a. The gradient is 1 from min to max, both included, else 0, and 0 for
    NaN, as in PyTorch. Raises ValueError where min is above max or both are None.
    """
    check_floating("clip", "a", a)
    for argument, bound in (("min", min), ("max", max)):
        if bound is not None and not isinstance(bound, numbers.Real):
            raise TypeError(
                f"clip: {argument} is {type_name(bound)}; a number or None fits, and for "
                "tensors tn.maximum and tn.minimum"
            )
    if min is None and max is None:
        raise ValueError("clip: min and max are both None; give at least one")
    if min is not None and max is not None and min > max:
        raise ValueError(f"clip: min {min} is above max {max}")

    low, high = (-math.inf if min is None else min), (math.inf if max is None else max)
    low, high = a.dtype.type(low), a.dtype.type(high)

    def backward(dy):
        return ctx.xp.where((a >= low) & (a <= high), dy, dy.dtype.type(0))

    return ctx.xp.minimum(ctx.xp.maximum(a, low), high), backward


Tensor.clip = clip
