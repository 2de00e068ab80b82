"""Rectified linear unit: max(x, 0)."""

from tinynet.op import op
from tinynet.ops.checks import check_floating


@op
def relu(ctx, x):
    """max(x, 0), element by element (the paper, section 3.1).

    x: any shape, float32 or float64. Returns a tensor like x. NaN stays NaN.
    """
    check_floating("relu", "x", x)
    y = ctx.empty_like(x)
    ctx.kernels.relu(x, y)

    def backward(dy):
        dx = ctx.empty_like(dy)
        ctx.kernels.relu_backward(dy, y, dx)
        return dx

    return y, backward
