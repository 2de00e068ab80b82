"""Convolution, with groups as in the paper's two towers."""

from tinynet.op import op
from tinynet.ops.checks import check_activation, check_parameter, integer, pair
from tinynet.ops.conv_algorithm import takes_winograd
from tinynet.ops.windows import output_sizes


@op
def conv2d(ctx, x, weight, bias=None, stride=1, padding=0, groups=1):
    """y[n, o, i, j] = bias[o] + sum over c, u, v of
    weight[o, c, u, v] x[n, first + c, i stride + u - padding, j stride + v - padding]

    where first is the first input channel of o's group, and pixels outside x are zero.

    x        (N, C, H, W)          float32 or float64
    weight   (O, C / groups, KH, KW)
    bias     (O,) or None
    stride, padding                an int, or a pair (rows, columns)
    groups   the channels are cut into this many equal, independent parts
    Returns (N, O, OH, OW) with OH = (H + 2 padding - KH) // stride + 1.
    Computed by im2col or by Winograd's tiles, as tn.conv_algorithm says.
    Raises ValueError where shapes do not fit, TypeError where dtypes do not.
    Source: the paper, section 3.5; groups: section 3.2.
    """
    check_activation("conv2d", x)
    stride = pair("conv2d", "stride", stride, least=1)
    padding = pair("conv2d", "padding", padding, least=0)
    groups = integer("conv2d", "groups", groups, least=1)
    _check_weight(x, weight, groups)
    if bias is not None:
        check_parameter("conv2d", "bias", bias, weight.shape[:1], x, "one for each output channel")

    rows, columns = output_sizes("conv2d", x, weight.shape[2:], stride, padding)
    y = ctx.empty((x.shape[0], weight.shape[0], rows, columns), x.dtype)
    forward, backward_input, backward_weight, geometry = algorithm(
        ctx.kernels, x, weight, stride, padding, groups
    )
    forward(x, weight, bias, *geometry, y)
    has_bias, x_shape = bias is not None, x.shape
    x = x if ctx.needs_grad[1] else None  # only the weight's gradient reads it

    def backward(dy):
        dx = dweight = dbias = None
        if ctx.needs_grad[0]:
            dx = ctx.empty(x_shape, dy.dtype)
            backward_input(dy, weight, *geometry, dx)
        if ctx.needs_grad[1]:
            dweight = ctx.empty_like(weight)
            backward_weight(dy, x, *geometry, dweight)
        if has_bias and ctx.needs_grad[2]:
            dbias = ctx.empty(weight.shape[:1], dy.dtype)
            ctx.kernels.conv2d_backward_bias(dy, dbias)
        return dx, dweight, dbias

    return y, backward


def algorithm(kernels, x, weight, stride, padding, groups):
    """The backend's forward, backward_input and backward_weight for these shapes, and their further
    arguments. The backward pass uses the algorithm of the forward pass."""
    if takes_winograd(kernels, x.shape, weight.shape, stride, padding, groups):
        by_winograd = kernels.winograd_backward_input, kernels.winograd_backward_weight
        return kernels.winograd, *by_winograd, (padding, groups)
    by_im2col = kernels.conv2d_backward_input, kernels.conv2d_backward_weight
    return kernels.conv2d, *by_im2col, (stride, padding, groups)


def _check_weight(x, weight, groups):
    if getattr(weight, "ndim", 0) != 4:
        raise ValueError(
            f"conv2d: weight has shape {getattr(weight, 'shape', None)}; "
            "it must be (out channels, in channels / groups, kernel rows, kernel columns)"
        )
    check_parameter("conv2d", "weight", weight, weight.shape, x, "")
    channels, out_channels, per_group = x.shape[1], weight.shape[0], weight.shape[1]
    if per_group * groups != channels:
        meant = channels // max(per_group, 1)
        if meant and meant * per_group == channels and out_channels % meant == 0:
            fits = f"did you mean groups={meant}?"
        else:
            shape = (out_channels, channels // groups, *weight.shape[2:])
            fits = f"a weight of shape {shape} fits"
        plural = "group" if groups == 1 else "groups"
        raise ValueError(
            f"conv2d: weight has {per_group} input channels a group, x has {channels} channels in "
            f"{groups} {plural}; {fits}"
        )
    if out_channels % groups or min(weight.shape) < 1:
        raise ValueError(
            f"conv2d: weight {weight.shape} does not divide its {out_channels} output channels "
            f"into {groups} groups; their number must be a multiple of groups and no size 0"
        )
