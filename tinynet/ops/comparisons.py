"""Comparisons, element by element: == != < <= > >=.

They return a tensor of bools without gradient. Operands broadcast as in NumPy: tensors, arrays of
any dtype, or numbers. NaN is equal to nothing.
"""

import numbers
import operator

from tinynet.op import op
from tinynet.ops.checks import check_broadcast
from tinynet.tensor import Tensor


@op
def equal(ctx, a, b):
    """a == b."""
    return _compared(ctx, operator.eq, a, b)


@op
def not_equal(ctx, a, b):
    """a != b."""
    return _compared(ctx, operator.ne, a, b)


@op
def less(ctx, a, b):
    """a < b."""
    return _compared(ctx, operator.lt, a, b)


@op
def less_equal(ctx, a, b):
    """a <= b."""
    return _compared(ctx, operator.le, a, b)


@op
def greater(ctx, a, b):
    """a > b."""
    return _compared(ctx, operator.gt, a, b)


@op
def greater_equal(ctx, a, b):
    """a >= b."""
    return _compared(ctx, operator.ge, a, b)


def _compared(ctx, operation, a, b):
    for value in (a, b):
        if not isinstance(value, (ctx.xp.ndarray, numbers.Real)):
            raise TypeError(
                f"{operation.__name__}: a tensor does not compare with {type(value).__name__}; a "
                "Tensor, an array or a number fits ('is None' asks for None)"
            )
    if isinstance(a, ctx.xp.ndarray) and isinstance(b, ctx.xp.ndarray):
        check_broadcast(operation.__name__, a.shape, b.shape)
    return operation(a, b), None


Tensor.__eq__ = equal
Tensor.__ne__ = not_equal
Tensor.__lt__ = less
Tensor.__le__ = less_equal
Tensor.__gt__ = greater
Tensor.__ge__ = greater_equal
