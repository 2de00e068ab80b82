"""Comparisons, element by element: == != < <= > >=.

They return a tensor of bools without gradient. Operands broadcast as in NumPy: tensors, arrays of
any dtype, or numbers. NaN is equal to nothing.
"""

import numbers
import operator

from tinynet.graph import type_name
from tinynet.op import op
from tinynet.ops.checks import check_broadcast
from tinynet.tensor import Tensor


def _comparison(operation, sign):
    @op
    def compare(ctx, a, b):
        for value in (a, b):
            if not isinstance(value, (ctx.xp.ndarray, numbers.Real)):
                raise TypeError(
                    f"{sign}: a tensor does not compare with {type_name(value)}; a Tensor, an "
                    "array or a number fits ('is None' asks for None)"
                )
        if isinstance(a, ctx.xp.ndarray) and isinstance(b, ctx.xp.ndarray):
            check_broadcast(sign, a.shape, b.shape)
        return operation(a, b), None

    return compare


Tensor.__eq__ = _comparison(operator.eq, "==")
Tensor.__ne__ = _comparison(operator.ne, "!=")
Tensor.__lt__ = _comparison(operator.lt, "<")
Tensor.__le__ = _comparison(operator.le, "<=")
Tensor.__gt__ = _comparison(operator.gt, ">")
Tensor.__ge__ = _comparison(operator.ge, ">=")
