"""Arithmetic, element by element and as a matrix product: + - * / ** @, unary minus, exp, log.

Operands broadcast as in NumPy. The gradient of an operand that was broadcast is the sum over the
axes along which it was repeated. A number beside a tensor takes the tensor's dtype.
"""

import numbers

import numpy as np

from tinynet.graph import type_name
from tinynet.op import op
from tinynet.ops.checks import check_broadcast, check_floating
from tinynet.ops.sums import sum_to
from tinynet.tensor import Tensor, describe


@op
def add(ctx, a, b):
    """a + b."""
    if type(b) is type(a) and b.dtype is a.dtype and b.shape == a.shape:
        return a + b, lambda dy: (dy, dy)
    a, b = operands("add", ctx, a, b)
    a_shape, b_shape = a.shape, b.shape

    def backward(dy):
        da = sum_to(dy, a_shape) if ctx.needs_grad[0] else None
        db = sum_to(dy, b_shape) if ctx.needs_grad[1] else None
        return da, db

    return a + b, backward


@op
def subtract(ctx, a, b):
    """a - b."""
    a, b = operands("subtract", ctx, a, b)
    _check_numbers("subtract", a)
    a_shape, b_shape = a.shape, b.shape

    def backward(dy):
        da = sum_to(dy, a_shape) if ctx.needs_grad[0] else None
        db = sum_to(-dy, b_shape) if ctx.needs_grad[1] else None
        return da, db

    return a - b, backward


@op
def multiply(ctx, a, b):
    """a b."""
    a, b = operands("multiply", ctx, a, b)

    def backward(dy):
        da = sum_to(dy * b, a.shape) if ctx.needs_grad[0] else None
        db = sum_to(dy * a, b.shape) if ctx.needs_grad[1] else None
        return da, db

    return a * b, backward


@op
def divide(ctx, a, b):
    """a / b. The derivative by b is -a / b^2."""
    a, b = operands("divide", ctx, a, b)
    check_floating("divide", "a", a)

    def backward(dy):
        da = sum_to(dy / b, a.shape) if ctx.needs_grad[0] else None
        db = sum_to(-dy * a / (b * b), b.shape) if ctx.needs_grad[1] else None
        return da, db

    return a / b, backward


@op
def power(ctx, a, exponent):
    """a ** exponent, for a number, a tensor or an array as exponent. The derivative by a is
    exponent a^(exponent - 1), by the exponent a^exponent log a, and 0 where a is 0."""
    if not isinstance(exponent, numbers.Real):
        return _power_of_tensors(ctx, *operands("power", ctx, a, exponent))
    check_floating("power", "a", a)
    exponent = float(exponent)

    def backward(dy):
        return dy * (exponent * a ** (exponent - 1)) if exponent else ctx.xp.zeros_like(a)

    return a**exponent, backward


def _power_of_tensors(ctx, a, exponent):
    check_floating("power", "a", a)
    xp = ctx.xp
    zero, one = a.dtype.type(0), a.dtype.type(1)
    y = a**exponent

    def backward(dy):
        da = dexponent = None
        if ctx.needs_grad[0]:
            base = xp.where(exponent == zero, one, a)  # a^0 has no slope, at a = 0 neither
            da = sum_to(dy * (exponent * base ** (exponent - one)), a.shape)
        if ctx.needs_grad[1]:
            logarithm = xp.log(xp.where(a == zero, one, a))  # 0^e is 0 for every e > 0
            dexponent = sum_to(dy * (y * logarithm), exponent.shape)
        return da, dexponent

    return y, backward


@op
def negative(ctx, a):
    """-a."""
    _check_numbers("negative", a)
    return -a, lambda dy: -dy


@op
def matmul(ctx, a, b):
    """a @ b: matrices (M, K) and (K, N), or stacks of them that broadcast as in NumPy.

    da = dy b^T and db = a^T dy. Raises ValueError for vectors and for inner sizes that differ.
    """
    a, b = operands("matmul", ctx, a, b)
    if a.ndim < 2 or b.ndim < 2 or a.shape[-1] != b.shape[-2]:
        raise ValueError(
            f"matmul: a is {a.shape}, b is {b.shape}; shapes (..., M, K) and (..., K, N) fit"
        )
    check_broadcast("matmul's stacks", a.shape[:-2], b.shape[:-2])

    def backward(dy):
        da = sum_to(dy @ b.swapaxes(-1, -2), a.shape) if ctx.needs_grad[0] else None
        db = sum_to(a.swapaxes(-1, -2) @ dy, b.shape) if ctx.needs_grad[1] else None
        return da, db

    return a @ b, backward


@op
def exp(ctx, a):
    """e ** a."""
    check_floating("exp", "a", a)
    y = ctx.xp.exp(a)
    return y, lambda dy: dy * y


@op
def log(ctx, a):
    """The natural logarithm. The derivative is 1 / a."""
    check_floating("log", "a", a)
    return ctx.xp.log(a), lambda dy: dy / a


def operands(name, ctx, a, b):
    """a and b as arrays of one dtype that broadcast. A number becomes an array of the other's
    dtype."""
    if not isinstance(a, ctx.xp.ndarray) and not isinstance(b, ctx.xp.ndarray):
        raise TypeError(f"{name}: {type_name(a)} and {type_name(b)}; one of them must be a Tensor")
    if not isinstance(b, ctx.xp.ndarray):
        b = _number(name, ctx.xp, a, b)
    elif not isinstance(a, ctx.xp.ndarray):
        a = _number(name, ctx.xp, b, a)
    elif a.dtype != b.dtype:
        raise TypeError(f"{name}: {describe(a)} and {describe(b)} do not mix; make both one dtype")
    if name != "matmul" and a.shape != b.shape:
        check_broadcast(name, a.shape, b.shape)
    return a, b


def _number(name, xp, array, value):
    """A number as an array () of the dtype of the array beside it."""
    if not isinstance(value, numbers.Real):
        raise TypeError(
            f"{name}: {describe(array)} and {type_name(value)} do not mix; a Tensor, an array "
            "or a number fits"
        )
    if not isinstance(value, bool):
        _check_numbers(name, array)
    if array.dtype.kind != "f" and not isinstance(value, numbers.Integral):
        raise TypeError(
            f"{name}: {describe(array)} and {value!r} do not mix; make the tensor float32"
        )
    try:
        if xp is np:
            return np.asarray(value, array.dtype)
        return xp.full((), value, array.dtype)  # a kernel fills it: a copy to a GPU would wait
    except OverflowError:
        raise ValueError(
            f"{name}: an element of {describe(array)} does not hold the number beside it, {value!r}"
        ) from None


def _check_numbers(name, array):
    """Bools are no numbers: a 2 beside them would become True."""
    if array.dtype == np.bool_:
        raise TypeError(
            f"{name}: {describe(array)} is no array of numbers; make it one: "
            "tn.where(condition, 1.0, 0.0)"
        )


def _reflected(operation):
    """value operation tensor, as a method of the tensor."""

    def method(self, value):
        return operation(value, self)

    return method


Tensor.__add__, Tensor.__radd__ = add, _reflected(add)
Tensor.__sub__, Tensor.__rsub__ = subtract, _reflected(subtract)
Tensor.__mul__, Tensor.__rmul__ = multiply, _reflected(multiply)
Tensor.__truediv__, Tensor.__rtruediv__ = divide, _reflected(divide)
Tensor.__matmul__, Tensor.__rmatmul__ = matmul, _reflected(matmul)
Tensor.__pow__, Tensor.__rpow__ = power, _reflected(power)
Tensor.__neg__ = negative
Tensor.exp = exp
Tensor.log = log
