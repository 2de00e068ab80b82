"""Arithmetic, element by element and as a matrix product: + - * / ** @, unary minus, exp, log.

Operands broadcast as in NumPy. The gradient of an operand that was broadcast is the sum over the
axes along which it was repeated. A number beside a tensor takes the tensor's dtype.
"""

import numbers

import numpy as np

from tinynet.op import op
from tinynet.ops.checks import check_broadcast, check_floating
from tinynet.tensor import Tensor, describe


@op
def add(ctx, a, b):
    """a + b."""
    if type(b) is type(a) and b.dtype is a.dtype and b.shape == a.shape:
        return a + b, lambda dy: (dy, dy)
    b = _operand("add", ctx, a, b)
    a_shape, b_shape = a.shape, b.shape
    return a + b, lambda dy: (_sum_to(dy, a_shape), _sum_to(dy, b_shape))


@op
def subtract(ctx, a, b):
    """a - b."""
    b = _operand("subtract", ctx, a, b)
    a_shape, b_shape = a.shape, b.shape

    def backward(dy):
        return _sum_to(dy, a_shape), _sum_to(-dy, b_shape)

    return a - b, backward


@op
def multiply(ctx, a, b):
    """a b."""
    b = _operand("multiply", ctx, a, b)

    def backward(dy):
        da = _sum_to(dy * b, a.shape) if ctx.needs_grad[0] else None
        db = _sum_to(dy * a, b.shape) if True in ctx.needs_grad[1:] else None
        return da, db

    return a * b, backward


@op
def divide(ctx, a, b):
    """a / b. The derivative by b is -a / b^2."""
    check_floating("divide", "a", a)
    b = _operand("divide", ctx, a, b)

    def backward(dy):
        da = _sum_to(dy / b, a.shape) if ctx.needs_grad[0] else None
        db = _sum_to(-dy * a / (b * b), b.shape) if True in ctx.needs_grad[1:] else None
        return da, db

    return a / b, backward


@op
def power(ctx, a, exponent):
    """a ** exponent, for a number as exponent. The derivative is exponent a^(exponent - 1)."""
    check_floating("power", "a", a)
    if not isinstance(exponent, numbers.Real):
        raise TypeError(
            f"power: exponent is {type(exponent).__name__}; give a number, "
            "or write (a.log() * exponent).exp()"
        )

    exponent = float(exponent)

    def backward(dy):
        return dy * (exponent * a ** (exponent - 1)) if exponent else ctx.xp.zeros_like(a)

    return a**exponent, backward


@op
def negative(ctx, a):
    """-a."""
    return -a, lambda dy: -dy


@op
def matmul(ctx, a, b):
    """a @ b: matrices (M, K) and (K, N), or stacks of them that broadcast as in NumPy.

    da = dy b^T and db = a^T dy. Raises ValueError for vectors and for inner sizes that differ.
    """
    b = _operand("matmul", ctx, a, b)
    if a.ndim < 2 or b.ndim < 2 or a.shape[-1] != b.shape[-2]:
        raise ValueError(
            f"matmul: a is {a.shape}, b is {b.shape}; shapes (..., M, K) and (..., K, N) fit"
        )
    check_broadcast("matmul's stacks", a.shape[:-2], b.shape[:-2])

    def backward(dy):
        da = _sum_to(dy @ b.swapaxes(-1, -2), a.shape) if ctx.needs_grad[0] else None
        db = _sum_to(a.swapaxes(-1, -2) @ dy, b.shape) if True in ctx.needs_grad[1:] else None
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


def _operand(name, ctx, a, b):
    """b as an array of a's backend and dtype that broadcasts with a."""
    b = _beside(name, ctx.kernels, a, b)
    if name != "matmul" and a.shape != b.shape:
        check_broadcast(name, a.shape, b.shape)
    return b


def _beside(name, kernels, a, value):
    """value as an array of a's backend and dtype. A number is converted; an array must have
    that dtype."""
    if isinstance(value, (type(a), np.ndarray)):
        if value.dtype != a.dtype:
            raise TypeError(
                f"{name}: {describe(a)} and {describe(value)} do not mix; make both one dtype"
            )
        return value if isinstance(value, type(a)) else kernels.from_numpy(value)
    if a.dtype.kind != "f" and not isinstance(value, numbers.Integral):
        raise TypeError(f"{name}: {describe(a)} and {value!r} do not mix; make the tensor float32")
    if kernels.xp is np:
        return np.asarray(value, a.dtype)
    return kernels.xp.full((), value, a.dtype)  # a kernel fills it: a copy to a GPU would wait


def _sum_to(gradient, shape):
    """The gradient of an operand of this shape, from the gradient of its broadcast."""
    if gradient.shape == shape:
        return gradient
    leading = gradient.ndim - len(shape)
    gradient = gradient.sum(axis=tuple(range(leading)))
    repeated = tuple(i for i, n in enumerate(shape) if n == 1 and gradient.shape[i] != 1)
    return gradient.sum(axis=repeated, keepdims=True) if repeated else gradient


def _reflected(operation):
    """number operation tensor, as a method of the tensor."""

    def method(self, value):
        constant = self.detach()
        constant._data = _beside(operation.__name__, self._kernels, self.data, value)
        return operation(constant, self)

    return method


Tensor.__add__ = Tensor.__radd__ = add
Tensor.__sub__, Tensor.__rsub__ = subtract, _reflected(subtract)
Tensor.__mul__ = Tensor.__rmul__ = multiply
Tensor.__truediv__, Tensor.__rtruediv__ = divide, _reflected(divide)
Tensor.__matmul__, Tensor.__rmatmul__ = matmul, _reflected(matmul)
Tensor.__pow__ = power
Tensor.__neg__ = negative
Tensor.exp = exp
Tensor.log = log
