"""Average pooling."""

from tinynet.op import op
from tinynet.ops.checks import check_activation, pair
from tinynet.ops.windows import check_pool_padding, output_sizes


@op
def avg_pool2d(ctx, x, window, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    """y[n, c, i, j] = the mean of x over the window at (i, j).

    x          (N, C, H, W)  float32 or float64
    window, stride, padding  an int, or a pair (rows, columns); stride None: the window
    ceil_mode  round the number of windows up (ops/windows.py)
    count_include_pad  True: cells of the padding count as zeros, as in Caffe. False: the mean is
               over the cells on the map. Cells beyond the padding (ceil_mode) never count
    Returns (N, C, OH, OW).
    Raises ValueError where shapes, sizes or padding do not fit, TypeError where types do not.
    """
    check_activation("avg_pool2d", x)
    window = pair("avg_pool2d", "window", window, least=1)
    stride = window if stride is None else pair("avg_pool2d", "stride", stride, least=1)
    padding = pair("avg_pool2d", "padding", padding, least=0)
    check_pool_padding("avg_pool2d", window, padding)

    sizes = output_sizes("avg_pool2d", x, window, stride, padding, ceil_mode)
    y = ctx.empty((*x.shape[:2], *sizes), x.dtype)
    count_include_pad = bool(count_include_pad)
    ctx.kernels.avg_pool2d(x, window, stride, padding, count_include_pad, y)
    x_shape = x.shape

    def backward(dy):
        dx = ctx.empty(x_shape, dy.dtype)
        ctx.kernels.avg_pool2d_backward(dy, window, stride, padding, count_include_pad, dx)
        return dx

    return y, backward
