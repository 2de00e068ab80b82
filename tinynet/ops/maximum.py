"""The larger and the smaller of two numbers, element by element."""

from tinynet.op import op
from tinynet.ops.arithmetic import operands
from tinynet.ops.sums import sum_to


@op
def maximum(ctx, a, b):
    """The larger of a and b, element by element; NaN where one of them is NaN.

    a, b  tensors, arrays or numbers, which broadcast; at least one tensor
    The gradient goes to the larger one. Equal ones get half of it each, as in PyTorch.
    """
    a, b = operands("maximum", ctx, a, b)
    return ctx.xp.maximum(a, b), lambda dy: _shares(ctx, dy, a, b, a < b, a > b)


@op
def minimum(ctx, a, b):
    """The smaller of a and b, element by element; NaN where one of them is NaN.

    a, b  tensors, arrays or numbers, which broadcast; at least one tensor
    The gradient goes to the smaller one. Equal ones get half of it each, as in PyTorch.
    """
    a, b = operands("minimum", ctx, a, b)
    return ctx.xp.minimum(a, b), lambda dy: _shares(ctx, dy, a, b, a > b, a < b)


def _shares(ctx, dy, a, b, a_loses, b_loses):
    """The gradients of a and b. Neither loses beside NaN: both get its gradient, as in PyTorch."""
    xp, zero = ctx.xp, dy.dtype.type(0)
    share = xp.where(a == b, dy / 2, dy)
    da = sum_to(xp.where(a_loses, zero, share), a.shape) if ctx.needs_grad[0] else None
    db = sum_to(xp.where(b_loses, zero, share), b.shape) if ctx.needs_grad[1] else None
    return da, db
