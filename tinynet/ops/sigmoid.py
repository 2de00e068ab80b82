"""Logistic sigmoid."""

from tinynet.op import op
from tinynet.ops.checks import check_floating


@op
def sigmoid(ctx, x):
    """1 / (1 + exp(-x)), element by element. The derivative is y (1 - y).

    x: any shape, float32 or float64. Returns a tensor like x. No number overflows: for negative x
    the same is computed as exp(x) / (1 + exp(x)).
    """
    check_floating("sigmoid", "x", x)
    small = ctx.xp.exp(-ctx.xp.abs(x))  # at most 1
    y = ctx.xp.where(x < 0, small, x.dtype.type(1)) / (1 + small)
    return y, lambda dy: dy * (y * (1 - y))
