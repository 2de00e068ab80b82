"""Local response normalisation."""

from tinynet.op import op
from tinynet.ops.checks import check_activation, integer, number


@op
def local_response_norm(
    ctx, x, size=5, alpha=1e-4, beta=0.75, k=2.0, divide_by_size=False, groups=1
):
    """y[i] = x[i] / (k + a * sum of x[j]^2 over the channels j within size // 2 of i) ** beta

    x       (N, C, H, W)  float32 or float64
    size    the window in channels, odd; it is cut off at the first and last channel
    alpha, divide_by_size  a = alpha as the paper writes it, or alpha / size as in the authors'
            program, Caffe, PyTorch and ONNX: state which: weights of one do not suit the other
    beta, k  numbers; groups: the window stays within a group of C / groups channels
    Returns a tensor like x. Raises ValueError for an even size or channels that do not divide.
    Source: the paper, section 3.3 (size 5, alpha 1e-4, beta 0.75, k 2).
    """
    check_activation("local_response_norm", x)
    size = integer("local_response_norm", "size", size, least=1)
    if size % 2 == 0:
        raise ValueError(f"local_response_norm: size must be odd, got {size!r}")
    groups = integer("local_response_norm", "groups", groups, least=1)
    if x.shape[1] % groups:
        raise ValueError(
            f"local_response_norm: groups={groups!r} does not divide the {x.shape[1]} channels of "
            f"x {x.shape}"
        )
    alpha, beta, k = (
        number("local_response_norm", argument, value)
        for argument, value in (("alpha", alpha), ("beta", beta), ("k", k))
    )
    alpha = alpha / size if divide_by_size else alpha
    y = ctx.empty_like(x)
    ctx.kernels.local_response_norm(x, size, alpha, beta, k, groups, y)

    def backward(dy):
        dx = ctx.empty_like(x)
        ctx.kernels.local_response_norm_backward(dy, x, size, alpha, beta, k, groups, dx)
        return dx

    return y, backward
