"""The graph of recorded ops, and backward() as a walk over it.

A node is one recorded op. It holds its parents, and the closure that turns the gradient of its
output into the gradients of its arguments. Each node has a ticket, one higher than the last one
drawn; an op's inputs exist before its output, so their tickets are lower. The walk therefore needs
no sort of the graph: it takes nodes from a heap, highest ticket first, and visits each once, after
all nodes that used it.

    a --.
         (3) c = a * b --.
    b --'                 (4) d = c + c        tickets 3 and 4; a and b are leaves

A change of memory draws a ticket too. If a node's input changed after the node was recorded, the
input's version has a higher ticket than the node, and the walk refuses to mix old and new values.
"""

import functools
import heapq
import itertools
import weakref
from collections import Counter

import numpy as np

draw_ticket = itertools.count(1).__next__


class Node:
    """One recorded op, made by @op. It holds no array and no tensor that an op made; the closure
    holds only the arrays that it reads, so other arrays are freed while the graph lives.

    ticket    one higher than the last one drawn
    parents   one for each argument: the Node that made it, the leaf Tensor itself, or None for an
              argument that is no tensor
    needs     for each argument, whether it required a gradient in the forward pass
    backward  the op's closure: gradient of the output -> gradients of the arguments
    version   the Version of the output's memory; None until it is asked for
    """

    __slots__ = ("ticket", "parents", "needs", "backward", "version")


# --- changes of memory ----------------------------------------------------------------------------


class Version:
    """Says when a piece of memory last changed. All tensors that lie in it share its Version.

    ticket  the ticket drawn at the last change, 0 before the first
    owner   a weak reference to the array that owns the memory
    """

    __slots__ = ("ticket", "owner", "__weakref__")

    def __init__(self, owner, ticket=0):
        self.ticket, self.owner = ticket, weakref.ref(owner)


# A key is the id of the owning array. Another array may get it after the owner's death, so
# version_of asks the weak reference too.
_versions = weakref.WeakValueDictionary()


def version_of(array):
    """The Version of the memory that an array lies in; the array may be a view."""
    owner = _owner(array)
    version = _versions.get(id(owner))
    if version is None or version.owner() is not owner:
        version = _versions[id(owner)] = Version(owner)
    return version


def new_version(array):
    """The Version of an array that replaces another one: changed now."""
    owner = _owner(array)
    version = _versions[id(owner)] = Version(owner, draw_ticket())
    return version


def _owner(array):
    while isinstance(array.base, type(array)):
        array = array.base
    return array


# --- the walk -------------------------------------------------------------------------------------


def walk(root, gradient, retain_graph, when_whole=None):
    """Visit the nodes below root, highest ticket first, and leave the leaves' gradients in .grad.

    when_whole  called with a leaf as soon as all nodes that read it are visited

    A node's first gradient may be an array that others hold, so it is only read. The sum with a
    second one is a new array of our own, and later ones are added into it.
    """
    heap = [(-root.ticket, root)]
    gradients = {root: gradient}
    ours = set()
    reads_left = _reads_of_leaves(root) if when_whole else None
    while heap:
        node = heapq.heappop(heap)[1]
        dy = gradients.pop(node)
        backward, parents = node.backward, node.parents
        if backward is None:
            raise RuntimeError(
                "backward: this graph was already walked and freed; compute the loss again, or "
                "walk it first by backward(retain_graph=True)"
            )
        for parent in parents:
            if parent is not None:
                version = parent.version
                if version is not None and version.ticket > node.ticket:
                    raise RuntimeError(
                        f"backward: a tensor that {_op_name(backward)} read was changed since (by "
                        ".data, SGD.step, load_state_dict, an operation in place or batch norm's "
                        "statistics); call backward before the change, or compute the loss again"
                    )
        if not retain_graph:
            node.backward = node.parents = None
        input_gradients = backward(dy)
        if type(input_gradients) is not tuple:
            input_gradients = (input_gradients,)
        if len(input_gradients) != len(parents):
            input_gradients = _one_each(input_gradients, node.needs, backward)
        for parent, needed, dx in zip(parents, node.needs, input_gradients, strict=True):
            if not needed:
                continue
            if dx is None:
                raise _wrong_gradients(backward, input_gradients, node.needs)
            dx = _as_ndarray(dx)
            if not dx.flags.c_contiguous:
                dx = dx.copy(order="C")
            if type(parent) is not Node:
                if parent.requires_grad:
                    if _is_shared(dx, dy, input_gradients):
                        dx = dx.copy()
                    add_to_leaf(parent, dx, backward)
                if when_whole:
                    reads_left[parent] -= 1
                    if not reads_left[parent]:
                        when_whole(parent)
            elif parent not in gradients:
                gradients[parent] = dx
                heapq.heappush(heap, (-parent.ticket, parent))
            elif parent in ours:
                gradients[parent] += dx
            else:
                gradients[parent] = _as_ndarray(gradients[parent] + dx)
                ours.add(parent)


def _reads_of_leaves(root):
    """{leaf: how often the nodes below root read it}."""
    reads, seen, nodes = Counter(), {root}, [root]
    while nodes:
        node = nodes.pop()
        for parent, needed in zip(node.parents or (), node.needs, strict=False):
            if not needed:
                continue
            if type(parent) is not Node:
                reads[parent] += 1
            elif parent not in seen:
                seen.add(parent)
                nodes.append(parent)
    return reads


def retain_gradient(node, tensor):
    """Let the walk leave the gradient of a node's output in tensor.grad too.

    The node's closure is called once, with the whole gradient, so a closure around it sees it. It
    refers to the tensor weakly: the graph has no reference cycle. A second call changes nothing.
    """
    backward, reference = node.backward, weakref.ref(tensor)
    if backward is None or getattr(backward, "kept_for", None) is reference:
        return

    @functools.wraps(backward)
    def keeping(dy):
        tensor = reference()
        if tensor is not None:
            tensor.grad = dy.copy() if tensor.grad is None else tensor.grad + dy
        return backward(dy)

    keeping.kept_for = reference
    node.backward = keeping


def _one_each(gradients, needs, backward):
    """The gradients, with None for the arguments after the last one that has a gradient."""
    missing = len(needs) - len(gradients)
    if missing < 0:
        raise _wrong_gradients(backward, gradients, needs)
    return gradients + (None,) * missing


def _wrong_gradients(backward, gradients, needs):
    def places(items):
        return ", ".join(str(i + 1) for i, item in enumerate(items) if item) or "none"

    return RuntimeError(
        f"backward of {_op_name(backward)} must return one gradient for each argument, in order, "
        f"None for a number; arguments that need one: {places(needs)} of {len(needs)}, "
        f"returned: {places([g is not None for g in gradients])} of {len(gradients)}"
    )


def _as_ndarray(a):
    """a itself; NumPy's arithmetic turns arrays of shape () into scalars, which become arrays."""
    return np.asarray(a) if isinstance(a, np.generic) else a


def _is_shared(dx, dy, input_gradients):
    """Whether others may hold dx too: it is dy, a view, or also another input's gradient."""
    if dx is dy or isinstance(dx.base, type(dx)):
        return True
    return sum(g is dx or getattr(g, "base", None) is dx for g in input_gradients) > 1


def add_to_leaf(leaf, dx, backward):
    """leaf.grad += dx; the first dx becomes .grad itself, so it must be the leaf's own array."""
    if dx.shape != leaf.shape or dx.dtype != leaf.dtype:
        raise RuntimeError(
            f"backward of {_op_name(backward)} returned {describe(dx)} for an argument of "
            f"{leaf.dtype} {leaf.shape}"
        )
    if leaf.grad is None:
        leaf.grad = dx
    else:
        leaf.grad += dx


def _op_name(backward):
    """'conv2d' for the closure conv2d.<locals>.backward."""
    return backward.__qualname__.split(".")[0].lstrip("_")


def describe(array):
    """'float32 (2, 3)', for messages."""
    return f"{array.dtype} {tuple(array.shape)}"


def type_name(value):
    """'list', or with its package 'torch.Tensor' for a class that is not Python's own: other
    packages have tensors, parameters and layers too."""
    kind = type(value)
    package = kind.__module__.split(".")[0]
    return kind.__name__ if package == "builtins" else f"{package}.{kind.__name__}"
