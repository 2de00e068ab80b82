"""Operations in place: t += a writes into the memory of t, and likewise -= *= /= **= @= and
t[key] = a.

They are for updates that are not recorded: inside no_grad, or where nothing requires a gradient.

    with tn.no_grad():
        for parameter in model.parameters():
            parameter -= 0.1 * parameter.grad

Every tensor that shares the memory changes too, and a later backward() that needs the old numbers
says so. Where the result would be recorded, t += a makes a new tensor, t + a, and a leaf that
requires a gradient is an error, as in PyTorch.
"""

import numbers

import numpy as np

from tinynet.ops.arithmetic import add, divide, matmul, multiply, power, subtract
from tinynet.ops.shape import plain_key
from tinynet.recording import is_recording
from tinynet.tensor import Tensor, as_array, describe


def _in_place(operation, sign):
    def method(self, value):
        recorded = _is_recorded(self, value)
        if recorded and self._node is None and self.requires_grad:
            raise RuntimeError(
                f"t {sign} a: t is a leaf that requires a gradient and cannot change while ops are "
                "recorded; write it inside 'with tn.no_grad():'"
            )
        result = operation(self, value)
        if recorded:
            return result
        if result.shape != self.shape or result.dtype != self.dtype:
            raise ValueError(
                f"t {sign} a: the result is {describe(result)}, t is {describe(self)}; they must "
                "be alike"
            )
        _write(self, ..., result._data)
        return self

    return method


def _set_item(self, key, value):
    if _is_recorded(self, value):
        raise RuntimeError(
            "t[key] = a: no gradient would flow through it; write it inside 'with tn.no_grad():'"
        )
    if not isinstance(value, numbers.Real):
        value = value._data if isinstance(value, Tensor) else value
        value = as_array("t[key] = a", value, self._kernels)
        if value.dtype != self.dtype:
            raise TypeError(
                f"t[key] = a: a is {describe(value)}, t {describe(self)}; make both one dtype"
            )
    elif self.dtype.kind != "f" and not isinstance(value, numbers.Integral):
        raise TypeError(f"t[key] = a: a is {value!r}, t is {describe(self)}; an integer fits")
    _write(self, plain_key(self._kernels, key, self.shape), value)


def _is_recorded(tensor, value):
    needs_grad = tensor.requires_grad or (isinstance(value, Tensor) and value.requires_grad)
    return needs_grad and is_recording()


def _write(tensor, key, numbers):
    if isinstance(tensor._data, np.ndarray) and not tensor._data.flags.writeable:
        raise ValueError("the tensor lies in a read-only array; make it of array.copy()")
    tensor._data[key] = numbers
    tensor.raise_version()


Tensor.__iadd__ = _in_place(add, "+=")
Tensor.__isub__ = _in_place(subtract, "-=")
Tensor.__imul__ = _in_place(multiply, "*=")
Tensor.__itruediv__ = _in_place(divide, "/=")
Tensor.__ipow__ = _in_place(power, "**=")
Tensor.__imatmul__ = _in_place(matmul, "@=")
Tensor.__setitem__ = _set_item
