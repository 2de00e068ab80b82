"""Square root."""

from tinynet.op import op
from tinynet.ops.checks import check_floating
from tinynet.tensor import Tensor


@op
def sqrt(ctx, a):
    """The square root of a, element by element; NaN below 0. The derivative is 1 / (2 sqrt(a)).

    a: any shape, float32 or float64. Returns a tensor like a.
    """
    check_floating("sqrt", "a", a)
    y = ctx.xp.sqrt(a)
    return y, lambda dy: dy / (2 * y)


Tensor.sqrt = sqrt
