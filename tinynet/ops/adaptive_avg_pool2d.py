"""Average pooling to an output of a fixed size."""

from tinynet.op import op
from tinynet.ops.checks import check_activation, pair


@op
def adaptive_avg_pool2d(ctx, x, size):
    """y[n, c, i, j] = the mean of x over rows floor(i H / OH) to ceil((i + 1) H / OH) - 1 and
    columns alike.

    x     (N, C, H, W)  float32 or float64
    size  (OH, OW), or an int for both
    Returns (N, C, OH, OW). Source: torchvision's AlexNet, before fc6.
    """
    check_activation("adaptive_avg_pool2d", x)
    size = pair("adaptive_avg_pool2d", "size", size, least=1)
    y = ctx.empty((*x.shape[:2], *size), x.dtype)
    ctx.kernels.adaptive_avg_pool2d(x, y)
    x_shape = x.shape

    def backward(dy):
        dx = ctx.empty(x_shape, dy.dtype)
        ctx.kernels.adaptive_avg_pool2d_backward(dy, dx)
        return dx

    return y, backward
