"""Fully connected layer."""

from tinynet.op import op
from tinynet.ops.checks import check_floating, check_parameter


@op
def linear(ctx, x, weight, bias=None):
    """y = x weight^T + bias.

    x       (N, IN)    float32 or float64
    weight  (OUT, IN)
    bias    (OUT,) or None
    Returns (N, OUT). Raises ValueError where shapes do not fit, TypeError where dtypes do not.
    """
    check_floating("linear", "x", x)
    if x.ndim != 2 or 0 in x.shape:
        raise ValueError(
            f"linear: x has shape {x.shape}; (N, features) fits, each at least 1: use flatten"
        )
    if getattr(weight, "ndim", 0) != 2:
        raise ValueError(
            f"linear: weight has shape {getattr(weight, 'shape', None)}; it must be (OUT, IN)"
        )
    outputs = weight.shape[0]
    check_parameter("linear", "weight", weight, (outputs, x.shape[1]), x, "(OUT, IN)")
    if bias is not None:
        check_parameter("linear", "bias", bias, (outputs,), x, "one for each output")

    y = ctx.empty((x.shape[0], outputs), x.dtype)
    ctx.kernels.linear(x, weight, bias, y)
    has_bias, x_shape = bias is not None, x.shape
    x = x if ctx.needs_grad[1] else None  # only the weight's gradient reads it

    def backward(dy):
        dx = dweight = dbias = None
        if ctx.needs_grad[0]:
            dx = ctx.empty(x_shape, dy.dtype)
            ctx.kernels.linear_backward_input(dy, weight, dx)
        if ctx.needs_grad[1]:
            dweight = ctx.empty_like(weight)
            ctx.kernels.linear_backward_weight(dy, x, dweight)
        if has_bias and ctx.needs_grad[2]:
            dbias = ctx.empty((outputs,), dy.dtype)
            ctx.kernels.linear_backward_bias(dy, dbias)
        return dx, dweight, dbias

    return y, backward
