"""What Python, NumPy and matplotlib ask of a tensor: float(t), f"{t:.3f}", len(t), for row in t,
x in t, np.asarray(t), copy.copy(t), copy.deepcopy(t), pickle.

A tensor of one number answers as a number. np.asarray(t), and so matplotlib, get the tensor's
array; NumPy's functions compute with it where no gradient would be lost, as in PyTorch.
"""

import numbers

import numpy as np

from tinynet.backends import get_backend
from tinynet.graph import version_of
from tinynet.tensor import Tensor, as_array

# --- numbers --------------------------------------------------------------------------------------


def _one_number(tensor, name):
    if tensor.size != 1:
        raise TypeError(
            f"{name}: the tensor has shape {tensor.shape}, and one number fits; take .sum(), "
            ".mean() or one element first"
        )
    return tensor.item()


def _int(self):
    return int(_one_number(self, "int"))


def _index(self):
    number = _one_number(self, "an index")
    if not isinstance(number, numbers.Integral):
        raise TypeError(f"an index: the tensor is {self.dtype}; an integer fits")
    return int(number)


def _bool(self):
    if self.size != 1:
        raise ValueError(
            f"bool: a tensor of shape {self.shape} is not true or false; ask for one element, or "
            "t.numpy().all() or .any()"
        )
    return bool(self.item())


def _round(self, digits=None):
    return round(_one_number(self, "round"), digits)


def _format(self, spec):
    if self.ndim == 0 or (spec and self.size == 1):
        return format(self.item(), spec)
    if spec:
        raise TypeError(
            f"format: {spec!r} formats one number, the tensor has shape {self.shape}; take .sum(), "
            ".mean() or one element first"
        )
    return str(self)


# --- sequences ------------------------------------------------------------------------------------


def _len(self):
    if self.ndim == 0:
        raise TypeError("len: a tensor of shape () has no length")
    return self.shape[0]


def _iter(self):
    if self.ndim == 0:
        raise TypeError("iteration: a tensor of shape () has no rows; .item() is its number")
    return (self[i] for i in range(len(self)))


def _contains(self, value):
    return bool((self == value).numpy().any())


# --- NumPy ----------------------------------------------------------------------------------------


def _array(self, dtype=None, copy=None):
    return np.array(self.numpy(), dtype=dtype, copy=copy)


def _array_function(self, function, types, args, kwargs):
    """np.mean(t), np.concatenate([t, u]), ...: on the arrays, if no gradient is lost."""

    def plain(value):
        if isinstance(value, (list, tuple)):
            return type(value)(plain(v) for v in value)
        if not isinstance(value, Tensor):
            return value
        if value.requires_grad:
            raise TypeError(
                f"np.{function.__name__}: the tensor requires a gradient, which NumPy would lose; "
                "use the tensor's own function, or t.detach()"
            )
        return value.numpy()

    return function(*plain(args), **{name: plain(value) for name, value in kwargs.items()})


# --- copies ---------------------------------------------------------------------------------------


def _copy(self):
    copied = object.__new__(type(self))
    self.shared_version()  # both lie in one memory
    for name in ("_data", "_kernels", "_node", "_requires_grad", "_grad"):
        setattr(copied, name, getattr(self, name))
    copied.version = None if self._node else self.version
    return copied


def _deepcopy(self, memo):
    _need_leaf(self, "copy.deepcopy")
    copied = memo[id(self)] = _restored(*self.__reduce__()[1])
    return copied


def _reduce(self):
    _need_leaf(self, "pickle")
    grad = None if self.grad is None else np.array(self._kernels.to_numpy(self.grad))
    arguments = type(self), self.backend, np.array(self.numpy()), self.requires_grad, grad
    return _restored, arguments


def _restored(kind, backend, data, requires_grad, grad):
    """A tensor from its pickle. Raises BackendError where its backend cannot be used."""
    tensor = object.__new__(kind)
    tensor._kernels = get_backend(backend)
    tensor._data = as_array("Tensor", data, tensor._kernels, copy=True)
    tensor._node, tensor.version = None, version_of(tensor._data)
    tensor._requires_grad, tensor._grad = requires_grad, None
    tensor.grad = grad
    return tensor


def _need_leaf(tensor, name):
    if tensor._node is not None:
        raise RuntimeError(
            f"{name}: an op computed this tensor, and a copy would lose the graph; copy "
            "t.detach(), or the leaves"
        )


Tensor.__float__ = lambda self: float(_one_number(self, "float"))
Tensor.__int__, Tensor.__index__ = _int, _index
Tensor.__bool__, Tensor.__round__, Tensor.__format__ = _bool, _round, _format
Tensor.__len__, Tensor.__iter__, Tensor.__contains__ = _len, _iter, _contains
Tensor.__array__, Tensor.__array_function__ = _array, _array_function
Tensor.__copy__, Tensor.__deepcopy__, Tensor.__reduce__ = _copy, _deepcopy, _reduce
