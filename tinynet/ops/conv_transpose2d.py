"""Transposed convolution: from the output of a convolution back to the size of its input."""

from tinynet.op import op
from tinynet.ops.checks import check_activation, check_parameter, integer, pair
from tinynet.ops.conv2d import algorithm
from tinynet.ops.windows import output_size


@op
def conv_transpose2d(ctx, x, weight, bias=None, stride=1, padding=0, groups=1, size=None):
    """y[n, c, p, q] = bias[c] + sum of x[n, o, i, j] weight[o, c - first, u, v]
    over all o of c's group and all i, j, u, v with p = i stride + u - padding
                                                    q = j stride + v - padding

    where first is the first channel of the group. Each number of x lays a kernel, multiplied by it,
    onto y at the place that conv2d reads to compute that number. So it is the gradient of conv2d by
    its input, and conv2d is its own: <conv2d(y, weight), x> = <y, conv_transpose2d(x, weight)>.

    x        (N, O, H, W)          float32 or float64
    weight   (O, C / groups, KH, KW), as conv2d takes it
    bias     (C,) or None
    stride, padding, groups        as in conv2d
    size     the rows and columns of y, a pair: those that conv2d makes (H, W) of. None: the
             smallest, (H - 1) stride + KH - 2 padding
    Returns (N, C, *size).
    Raises ValueError where shapes do not fit, TypeError where dtypes do not.
    Source: Zeiler and others, Deconvolutional networks (2010); Dumoulin and Visin, A guide to
    convolution arithmetic for deep learning (2016), section 4.
    """
    check_activation("conv_transpose2d", x)
    stride = pair("conv_transpose2d", "stride", stride, least=1)
    padding = pair("conv_transpose2d", "padding", padding, least=0)
    groups = integer("conv_transpose2d", "groups", groups, least=1)
    _check_weight(x, weight, groups)
    channels = weight.shape[1] * groups
    if bias is not None:
        meaning = "one for each channel of the output"
        check_parameter("conv_transpose2d", "bias", bias, (channels,), x, meaning)
    geometry = list(zip(x.shape[2:], weight.shape[2:], stride, padding, strict=True))
    size = _size(size, geometry)

    y = ctx.empty((x.shape[0], channels, *size), x.dtype)
    forward, backward_input, backward_weight, numbers = algorithm(
        ctx.kernels, y, weight, stride, padding, groups
    )
    backward_input(x, weight, *numbers, y)
    if bias is not None:
        y += bias[:, None, None]
    has_bias, x_shape = bias is not None, x.shape
    x = x if ctx.needs_grad[1] else None  # only the weight's gradient reads it

    def backward(dy):
        dx = dweight = dbias = None
        if ctx.needs_grad[0]:
            dx = ctx.empty(x_shape, dy.dtype)
            forward(dy, weight, None, *numbers, dx)
        if ctx.needs_grad[1]:
            dweight = ctx.empty_like(weight)
            backward_weight(x, dy, *numbers, dweight)
        if has_bias and ctx.needs_grad[2]:
            dbias = ctx.empty((channels,), dy.dtype)
            ctx.kernels.conv2d_backward_bias(dy, dbias)
        return dx, dweight, dbias

    return y, backward


def _check_weight(x, weight, groups):
    if getattr(weight, "ndim", 0) != 4 or 0 in weight.shape:
        raise ValueError(
            f"conv_transpose2d: weight has shape {getattr(weight, 'shape', None)}; it must be (in "
            "channels, out channels / groups, kernel rows, kernel columns)"
        )
    check_parameter("conv_transpose2d", "weight", weight, weight.shape, x, "")
    if weight.shape[0] != x.shape[1] or x.shape[1] % groups:
        raise ValueError(
            f"conv_transpose2d: weight {weight.shape} and groups={groups} do not fit x {x.shape}: "
            "the first size of weight is the number of x's channels, a multiple of groups"
        )


def _size(size, geometry):
    """The rows and columns of the output, checked."""
    smallest = tuple((n - 1) * stride + kernel - 2 * pad for n, kernel, stride, pad in geometry)
    if size is None:
        size = smallest
    size = pair("conv_transpose2d", "size", tuple(size), least=1)
    made = [output_size(n, *numbers[1:]) for n, numbers in zip(size, geometry, strict=True)]
    if made != [numbers[0] for numbers in geometry]:
        raise ValueError(
            f"conv_transpose2d: conv2d makes maps of {tuple(made)} of size {size}, x has "
            f"{tuple(numbers[0] for numbers in geometry)}; {smallest} fits, and up to stride - 1 "
            "more"
        )
    return size
