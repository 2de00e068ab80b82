"""Tensor: an array that remembers how it was computed (graph.py).

An op that reads a tensor which requires a gradient is recorded as a node of a graph; backward()
walks the graph down to the leaves, the tensors that a user made.
"""

import numpy as np

from tinynet.backends import get_backend
from tinynet.graph import (
    add_to_leaf,
    describe,
    draw_ticket,
    new_version,
    retain_gradient,
    version_of,
    walk,
)

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


class Tensor:
    """An array that remembers how it was computed.

    data           an array of numbers, or numbers. An array keeps its dtype; Python's floats become
                   float32 and its ints int64. float32 and float64 compute, integers and bools serve
                   as labels and indices
    requires_grad  whether backward() leaves d loss / d this tensor in .grad. Such a tensor copies
                   its data, so that an optimiser never moves the caller's array; any other tensor
                   lies in the caller's array where it can

    .data is the backend's array, .grad an array of its shape and dtype, or None. A later backward()
    notices changes that a tensor of the same memory made: .data assigned, SGD.step, an operation in
    place. It does not notice writes into the array itself.
    Raises TypeError for other data and ValueError for an integer tensor that requires a gradient.
    """

    __slots__ = ("_data", "_grad", "_requires_grad", "_node", "version", "_kernels", "__weakref__")

    # Without this, ndarray * Tensor would make an array of Tensors.
    __array_ufunc__ = None

    def __init__(self, data, requires_grad=False):
        self._kernels = get_backend()
        self._data = as_array("Tensor", data, self._kernels, copy=requires_grad)
        self._grad = self._node = None
        self.version = version_of(self._data)
        self._requires_grad = False
        self.requires_grad = requires_grad

    @property
    def requires_grad(self):
        """Whether backward() computes this tensor's gradient. It can be set on leaves."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, wanted):
        if self._node is not None and not wanted:
            raise RuntimeError(
                "Tensor.requires_grad: an op computed this tensor from others that require a "
                "gradient; use detach() for a tensor without"
            )
        if wanted and self._data.dtype not in FLOATS:
            raise ValueError(
                f"Tensor: a {self._data.dtype} tensor cannot require a gradient; "
                "give it float32 or float64 data"
            )
        self._requires_grad = bool(wanted)

    @property
    def data(self):
        """The backend's array. An array assigned to it is copied; shape and dtype must stay."""
        self.shared_version()  # the caller may make another tensor of the array
        return self._data

    @data.setter
    def data(self, array):
        if array is self._data:  # t.data *= 2
            self.raise_version()
            return
        array = as_array("Tensor.data", array, self._kernels, copy=True)
        if array.shape != self._data.shape or array.dtype != self._data.dtype:
            raise ValueError(
                f"Tensor.data: {describe(array)} does not replace {describe(self._data)}; "
                "shape and dtype must stay"
            )
        self._data = array
        (self._node or self).version = new_version(array)

    @property
    def grad(self):
        """The gradient that backward() left: an array of the tensor's backend, shape and dtype, or
        None."""
        return self._grad

    @grad.setter
    def grad(self, array):
        if array is None or array is self._grad:
            self._grad = array
            return
        array = as_array("Tensor.grad", array, self._kernels)
        if array.shape != self._data.shape or array.dtype != self._data.dtype:
            raise ValueError(
                f"Tensor.grad: {describe(array)} is no gradient of {describe(self._data)}; an "
                "array of this shape and dtype fits, or None"
            )
        if not getattr(array.flags, "writeable", True):  # backward() adds to it in place
            array = array.copy()
        self._grad = array

    def shared_version(self):
        """The Version of the data's memory (graph.py)."""
        owner = self._node or self
        if owner.version is None:
            owner.version = version_of(self._data)
        return owner.version

    def raise_version(self):
        """Tell later backward() calls that the data changed after the forward pass."""
        self.shared_version().ticket = draw_ticket()

    @property
    def shape(self):
        return self._data.shape

    @property
    def dtype(self):
        return self._data.dtype

    @property
    def ndim(self):
        return self._data.ndim

    @property
    def size(self):
        return self._data.size

    @property
    def backend(self):
        """The backend's name."""
        return self._kernels.name

    def numpy(self):
        """The data as a NumPy array: the same memory on a processor, a copy from a GPU."""
        return self._kernels.to_numpy(self.data)

    def item(self):
        """The one number of a tensor of size 1."""
        if self._data.size != 1:
            raise ValueError(f"item: the tensor has shape {self.shape}, not one element")
        return self._data.item()

    def tolist(self):
        """The numbers as nested Python lists; one number for shape ()."""
        return self.numpy().tolist()

    def detach(self):
        """A tensor with the same data, outside the graph. A change of one is a change of both."""
        tensor = object.__new__(Tensor)
        tensor._data, tensor._kernels, tensor._node = self._data, self._kernels, None
        tensor._requires_grad, tensor._grad = False, None
        tensor.version = self.shared_version()
        return tensor

    def __repr__(self):
        note = ", requires_grad=True" if self.requires_grad else ""
        numbers = np.array2string(self.numpy(), separator=", ", prefix="Tensor(", threshold=100)
        return f"Tensor({numbers}, {self.dtype}, {self.backend}{note})"

    def retain_grad(self):
        """Let backward() leave the gradient of this activation in .grad too, as in a leaf's.

        Call it between the forward pass and backward(). Raises RuntimeError for a tensor without a
        gradient.
        """
        if not self.requires_grad:
            raise RuntimeError("retain_grad: the tensor requires no gradient, so it will have none")
        if self._node is not None:
            retain_gradient(self._node, self)

    def backward(self, grad=None, retain_graph=False, when_whole=None):
        """Add d self / d leaf to the .grad of every leaf that self was computed from.

        grad          the gradient by self, an array or a Tensor of self's shape and dtype; optional
                      where self is one number: then it is 1
        retain_graph  keep the graph for another backward(); otherwise it is freed on the way
        when_whole    a function that is called with each leaf as soon as its .grad is whole, while
                      the gradients of earlier layers are still to come: work that needs this one
                      alone can start (parallel/gradient_sum.py)
        Raises RuntimeError for a second backward() through a freed graph, and where the data of a
        tensor changed since the forward pass.
        """
        if not self.requires_grad:
            raise RuntimeError(
                "backward: nothing that this tensor was computed from requires a gradient"
            )
        if grad is None:
            if self._data.size != 1:
                raise ValueError(
                    f"backward: the tensor has shape {self.shape}; give grad of that shape, "
                    "or take the sum or mean first"
                )
            grad = self._kernels.xp.ones_like(self._data)
        else:
            grad = as_array(
                "backward", grad._data if isinstance(grad, Tensor) else grad, self._kernels
            )
            if grad.shape != self.shape or grad.dtype != self.dtype:
                raise ValueError(
                    f"backward: grad is {describe(grad)}, the tensor {describe(self._data)}; "
                    "they must be alike"
                )
        if self._node is None:
            add_to_leaf(self, grad.copy(), None)
            if when_whole:
                when_whole(self)
        else:
            walk(self._node, grad, retain_graph, when_whole)


def as_array(name, data, kernels, copy=False):
    """data as the backend's array in C order: Python's floats become float32, arrays keep their
    dtype. name is the start of the error message. copy: an array that nobody else has."""
    if isinstance(data, Tensor):
        raise TypeError(f"{name}: the data is a Tensor already; use .detach(), or its .data")
    if isinstance(data, np.ma.MaskedArray):
        raise TypeError(f"{name}: a masked array would lose its mask; give array.filled(number)")
    if not isinstance(data, (np.ndarray, kernels.xp.ndarray)):
        is_numpy_scalar = isinstance(data, np.generic)
        if _holds_gradient(data):
            raise TypeError(
                f"{name}: the list holds a Tensor that requires a gradient, which would be lost; "
                "join the tensors by tn.concatenate, or give .detach() of each"
            )
        try:
            data, copy = np.asarray(data), False
        except ValueError as error:
            raise ValueError(f"{name}: lists of several lengths: {error}") from None
        if data.dtype == np.float64 and not is_numpy_scalar:
            data = data.astype(np.float32)
    if data.dtype not in FLOATS and data.dtype.kind not in "iub":
        raise TypeError(
            f"{name}: {data.dtype} data; float32 and float64 compute, integers and bools index"
        )
    array = kernels.from_numpy(data) if isinstance(data, np.ndarray) else data
    if not array.flags.c_contiguous or (copy and _shares_memory(array, data)):
        array = array.copy(order="C")
    return array


def _holds_gradient(data):
    """Whether a Tensor in nested lists requires a gradient."""
    if isinstance(data, (list, tuple)):
        return any(_holds_gradient(item) for item in data)
    return isinstance(data, Tensor) and data.requires_grad


def _shares_memory(array, data):
    return array is data or array.base is not None
