"""Hyperbolic tangent."""

from tinynet.op import op
from tinynet.ops.checks import check_floating


@op
def tanh(ctx, x):
    """tanh(x), element by element: the activation that ReLU replaced (the paper, section 3.1).

    x: any shape, float32 or float64. Returns a tensor like x.
    """
    check_floating("tanh", "x", x)
    y = ctx.empty_like(x)
    ctx.kernels.tanh(x, y)

    def backward(dy):
        dx = ctx.empty_like(dy)
        ctx.kernels.tanh_backward(dy, y, dx)
        return dx

    return y, backward
