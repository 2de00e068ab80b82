"""Local response normalisation within a map."""

from tinynet.op import op
from tinynet.ops.checks import check_activation, integer, number


@op
def same_map_norm(ctx, x, size=5, alpha=1e-3, beta=0.75, k=1.0):
    """y[i, j] = x[i, j] / (k + alpha / size^2 * sum of x^2 over the window at (i, j)) ** beta

    x       (N, C, H, W)  float32 or float64
    size    the window's rows and columns, odd, with (i, j) in the middle; it is cut off at the
            map's edges, and the sum is divided by size^2 there too
    alpha, beta, k  numbers. Every published alpha is divided by size^2, so there is no switch
    Returns a tensor like x. Raises ValueError for an even size.
    Source: cuda-convnet's layers of type rnorm and the authors' program of 2012 (the defaults are
    its numbers); Caffe's LRN with norm_region WITHIN_CHANNEL.
    """
    check_activation("same_map_norm", x)
    size = integer("same_map_norm", "size", size, least=1)
    if size % 2 == 0:
        raise ValueError(f"same_map_norm: size must be odd, got {size!r}")
    alpha, beta, k = (
        number("same_map_norm", argument, value)
        for argument, value in (("alpha", alpha), ("beta", beta), ("k", k))
    )
    alpha = alpha / size**2
    y = ctx.empty_like(x)
    ctx.kernels.same_map_norm(x, size, alpha, beta, k, y)

    def backward(dy):
        dx = ctx.empty_like(x)
        ctx.kernels.same_map_norm_backward(dy, x, size, alpha, beta, k, dx)
        return dx

    return y, backward
