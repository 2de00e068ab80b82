"""Max-pooling, with windows that may overlap."""

import numpy as np

from tinynet.op import op
from tinynet.ops.checks import check_activation, pair
from tinynet.ops.windows import check_pool_padding, output_sizes


@op
def max_pool2d(ctx, x, window, stride=None, padding=0, ceil_mode=False):
    """y[n, c, i, j] = the largest x in the window at (i, j).

    x          (N, C, H, W)  float32 or float64
    window, stride, padding  an int, or a pair (rows, columns); stride None: the window
    ceil_mode  round the number of windows up (ops/windows.py)
    Returns (N, C, OH, OW). The gradient goes to the first of equal largest values; NaN wins.
    Raises ValueError where shapes, sizes or padding do not fit, TypeError where types do not.
    Source: the paper, section 3.4.
    """
    check_activation("max_pool2d", x)
    window = pair("max_pool2d", "window", window, least=1)
    stride = window if stride is None else pair("max_pool2d", "stride", stride, least=1)
    padding = pair("max_pool2d", "padding", padding, least=0)
    check_pool_padding("max_pool2d", window, padding)

    shape = (*x.shape[:2], *output_sizes("max_pool2d", x, window, stride, padding, ceil_mode))
    y = ctx.empty(shape, x.dtype)
    switches = ctx.empty(shape, np.dtype(np.int32))
    ctx.kernels.max_pool2d(x, window, stride, padding, y, switches)
    x_shape = x.shape

    def backward(dy):
        dx = ctx.empty(x_shape, dy.dtype)
        ctx.kernels.max_pool2d_backward(dy, switches, window, stride, padding, dx)
        return dx

    return y, backward
