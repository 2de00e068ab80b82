"""Tensor, and backward() as a walk over the graph.

A tensor is an array and, where it was computed from tensors that require gradients, the node that
computed it. A node holds its parents, and the closure that turns the gradient of its output into
the gradients of its inputs. Each node has a ticket, one higher than the last one drawn; an op's
inputs exist before its output, so their tickets are lower. backward() therefore needs no sort of
the graph: it takes nodes from a heap, highest ticket first, and visits each once, after all nodes
that used it. A change of a tensor's data draws a ticket too, the tensor's version: if a node's
input changed after the node was recorded, the input's version is higher than the node's ticket.

    a --.
         (3) c = a * b --.
    b --'                 (4) d = c + c        tickets 3 and 4; a and b are leaves
"""

import contextlib
import heapq
import itertools
import threading

import numpy as np

from tinynet.backends import get_backend

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))

draw_ticket = itertools.count(1).__next__


class _Recording(threading.local):
    on = True


_recording = _Recording()
# One entry for each no_grad block that is open in any thread. Ops look here first: testing an empty
# list takes a tenth of the time of reading a thread-local variable.
no_grad_count: list = []


@contextlib.contextmanager
def no_grad():
    """with no_grad(): ops record nothing, in this thread. Works as a decorator too."""
    before, _recording.on = _recording.on, False
    no_grad_count.append(None)
    try:
        yield
    finally:
        no_grad_count.pop()
        _recording.on = before


def is_recording():
    """Whether ops of this thread record nodes for backward()."""
    return _recording.on


class Node:
    """One recorded op, made by @op. It holds no array and no tensor that an op made; the closure
    holds only the arrays that it reads, so other arrays are freed while the graph lives.

    ticket    one higher than the last one drawn
    parents   one for each tensor argument: the Node that made it, or the leaf Tensor itself
    backward  the op's closure: gradient of the output -> gradients of the arguments
    version   as Tensor.version, for the op's output
    """

    __slots__ = ("ticket", "parents", "backward", "version")


class Tensor:
    """An array that remembers how it was computed.

    data           an array of numbers, or numbers; float arrays keep float32 or float64, Python
                   floats become float32; integers and bools serve as labels and indices
    requires_grad  whether backward() leaves d loss / d this tensor in .grad

    .data is the backend's array, .grad an array like it or None. A later backward() notices that
    .data was assigned and refuses to mix old and new values; it does not notice writes into the
    array.
    Raises TypeError for other data and ValueError for an integer tensor that requires a gradient.
    """

    __slots__ = ("_data", "grad", "requires_grad", "_node", "version", "_kernels", "__weakref__")

    # Without this, ndarray * Tensor would make an array of Tensors.
    __array_ufunc__ = None

    def __init__(self, data, requires_grad=False):
        self._kernels = get_backend()
        self._data = as_array(data, self._kernels)
        if requires_grad and self._data.dtype not in FLOATS:
            raise ValueError(
                f"Tensor: a {self._data.dtype} tensor cannot require a gradient; "
                "give it float32 or float64 data"
            )
        self.requires_grad = bool(requires_grad)
        self.grad = None
        self._node = None
        self.version = 0

    @property
    def data(self):
        return self._data

    @data.setter
    def data(self, array):
        array = as_array(array, self._kernels)
        if array.shape != self._data.shape or array.dtype != self._data.dtype:
            raise ValueError(
                f"Tensor.data: {describe(array)} does not replace {describe(self._data)}; "
                "shape and dtype must stay"
            )
        self._data = array
        self.raise_version()

    def raise_version(self):
        """Tell later backward() calls that the data changed after the forward pass. version is the
        ticket drawn at the last change, 0 before the first."""
        (self._node or self).version = draw_ticket()

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
        return self._kernels.to_numpy(self._data)

    def item(self):
        """The one number of a tensor of size 1."""
        if self._data.size != 1:
            raise ValueError(f"item: the tensor has shape {self.shape}, not one element")
        return self._data.item()

    def detach(self):
        """A tensor with the same data, outside the graph."""
        tensor = object.__new__(Tensor)
        tensor._data, tensor._kernels, tensor._node = self._data, self._kernels, None
        tensor.requires_grad, tensor.grad, tensor.version = False, None, 0
        return tensor

    def __len__(self):
        if self.ndim == 0:
            raise TypeError("len: a tensor of shape () has no length")
        return self.shape[0]

    def __repr__(self):
        note = ", requires_grad=True" if self.requires_grad else ""
        numbers = np.array2string(self.numpy(), separator=", ", prefix="Tensor(", threshold=100)
        return f"Tensor({numbers}, {self.dtype}, {self.backend}{note})"

    def backward(self, grad=None):
        """Add d self / d leaf to the .grad of every leaf that self was computed from.

        grad  the gradient by self, an array of self's shape and dtype; optional where self is one
              number: then it is 1
        The graph is freed on the way. Raises RuntimeError for a second backward() through it, and
        where a tensor's data changed since the forward pass, by assignment or an optimiser's step.
        """
        if not self.requires_grad:
            raise RuntimeError(
                "backward: nothing that this tensor was computed from requires a gradient"
            )
        xp = self._kernels.xp
        if grad is None:
            if self._data.size != 1:
                raise ValueError(
                    f"backward: the tensor has shape {self.shape}; give grad of that shape, "
                    "or take the sum or mean first"
                )
            grad = xp.ones_like(self._data)
        else:
            grad = as_array(grad, self._kernels)
            if grad.shape != self.shape or grad.dtype != self.dtype:
                raise ValueError(
                    f"backward: grad is {describe(grad)}, the tensor {describe(self._data)}; "
                    "they must be alike"
                )
        if self._node is None:
            _add_to_leaf(self, grad.copy(), None)
        else:
            _walk(self._node, grad)


def _walk(root, gradient):
    """Visit the nodes below root, highest ticket first, and leave the leaves' gradients in .grad.

    A node's first gradient may be an array that others hold, so it is only read. The sum with a
    second one is a new array of our own, and later ones are added into it.
    """
    heap = [(-root.ticket, root)]
    gradients = {root: gradient}
    ours = set()
    while heap:
        node = heapq.heappop(heap)[1]
        dy = gradients.pop(node)
        backward, parents = node.backward, node.parents
        if backward is None:
            raise RuntimeError(
                "backward: this graph was already walked and freed; compute the loss again"
            )
        for parent in parents:
            if parent.version > node.ticket:
                raise RuntimeError(
                    f"backward: a tensor that {_op_name(backward)} read was changed since (by "
                    ".data, SGD.step or load_state_dict); call backward before the change, or "
                    "compute the loss again"
                )
        node.backward = node.parents = None
        input_gradients = backward(dy)
        if type(input_gradients) is not tuple:
            input_gradients = (input_gradients,)
        for parent, dx in zip(parents, input_gradients, strict=False):
            if dx is None:
                continue
            dx = _as_ndarray(dx)
            if not dx.flags.c_contiguous:
                dx = dx.copy(order="C")
            if type(parent) is not Node:
                if parent.requires_grad:
                    if _is_shared(dx, dy, input_gradients):
                        dx = dx.copy()
                    _add_to_leaf(parent, dx, backward)
            elif parent not in gradients:
                gradients[parent] = dx
                heapq.heappush(heap, (-parent.ticket, parent))
            elif parent in ours:
                gradients[parent] += dx
            else:
                gradients[parent] = _as_ndarray(gradients[parent] + dx)
                ours.add(parent)


def _as_ndarray(a):
    """a itself; NumPy's arithmetic turns arrays of shape () into scalars, which become arrays."""
    return np.asarray(a) if isinstance(a, np.generic) else a


def _is_shared(dx, dy, input_gradients):
    """Whether others may hold dx too: it is dy, a view, or also another input's gradient."""
    if dx is dy or isinstance(dx.base, type(dx)):
        return True
    return sum(g is dx or getattr(g, "base", None) is dx for g in input_gradients) > 1


def _add_to_leaf(leaf, dx, backward):
    """leaf.grad += dx; the first dx becomes .grad itself, so it must be the leaf's own array."""
    if dx.shape != leaf.shape or dx.dtype != leaf.dtype:
        raise RuntimeError(
            f"backward of {_op_name(backward)} returned {describe(dx)} for an argument of "
            f"{describe(leaf._data)}"
        )
    if leaf.grad is not None:
        leaf.grad += dx
    else:
        leaf.grad = dx


def _op_name(backward):
    """'conv2d' for the closure conv2d.<locals>.backward."""
    return backward.__qualname__.split(".")[0]


def as_array(data, kernels):
    """data as the backend's array: Python floats become float32, arrays keep their dtype."""
    if isinstance(data, Tensor):
        raise TypeError("Tensor: the data is a Tensor already; use .detach(), or its .data")
    if not isinstance(data, (np.ndarray, kernels.xp.ndarray)):
        is_numpy_scalar = isinstance(data, np.generic)
        data = np.asarray(data)
        if data.dtype == np.float64 and not is_numpy_scalar:
            data = data.astype(np.float32)
    if data.dtype not in FLOATS and data.dtype.kind not in "iub":
        raise TypeError(
            f"Tensor: {data.dtype} data; float32 and float64 compute, integers and bools index"
        )
    if isinstance(data, np.ndarray):
        return kernels.from_numpy(data)
    return data if data.flags.c_contiguous else data.copy(order="C")


def describe(array):
    """'float32 (2, 3)', for messages."""
    return f"{array.dtype} {tuple(array.shape)}"
