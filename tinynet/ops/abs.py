"""Absolute value."""

from tinynet.op import op
from tinynet.tensor import Tensor


@op
def abs(ctx, a):  # noqa: A001
    """|a|, element by element. The derivative is the sign of a: 0 at 0, and where a is NaN.

    a: any shape and dtype. Returns a tensor like a.
    """

    def backward(dy):
        zero = dy.dtype.type(0)
        return ctx.xp.where(a > 0, dy, ctx.xp.where(a < 0, -dy, zero))

    return ctx.xp.abs(a), backward


Tensor.abs = Tensor.__abs__ = abs
