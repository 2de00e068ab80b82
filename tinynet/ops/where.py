"""A choice between two numbers, element by element."""

import numbers

import numpy as np

from tinynet.graph import type_name
from tinynet.op import op
from tinynet.ops.arithmetic import operands
from tinynet.ops.checks import check_broadcast
from tinynet.ops.sums import sum_to
from tinynet.tensor import describe


@op
def where(ctx, condition, a, b):
    """a where the condition is true, else b, element by element.

    condition  bools: a tensor or an array, as x > 0 gives, or one bool
    a, b       tensors, arrays or numbers; two numbers count as float32
    All three broadcast; at least one is a tensor. The gradient goes to the number that was taken.
    Raises TypeError for a condition of another dtype, ValueError where shapes do not broadcast.
    """
    if isinstance(condition, (bool, np.bool_)):
        condition = ctx.xp.full((), condition, np.bool_)
    if not isinstance(condition, ctx.xp.ndarray) or condition.dtype != np.bool_:
        kind = describe(condition) if hasattr(condition, "dtype") else type_name(condition)
        raise TypeError(f"where: condition is {kind}; bools fit, for example x > 0")
    if isinstance(a, numbers.Real) and isinstance(b, numbers.Real):
        b = ctx.xp.full((), b, np.float32)
    a, b = operands("where", ctx, a, b)
    check_broadcast("where", condition.shape, np.broadcast_shapes(a.shape, b.shape))
    a_shape, b_shape = a.shape, b.shape

    def backward(dy):
        zero = dy.dtype.type(0)
        da = sum_to(ctx.xp.where(condition, dy, zero), a_shape) if ctx.needs_grad[1] else None
        db = sum_to(ctx.xp.where(condition, zero, dy), b_shape) if ctx.needs_grad[2] else None
        return None, da, db

    return ctx.xp.where(condition, a, b), backward
