"""@op: the only bridge between tensors and arrays.

An op is one function of arrays. It returns its output and the closure that is its backward:

    @op
    def double(ctx, x):
        return 2 * x, lambda dy: 2 * dy

Called with tensors, double(t) unwraps them, runs the function, wraps the output in a Tensor, and
records the closure if an input requires a gradient. An array in the place of a tensor is a
constant: the function gets it as the backend's array, and its gradient is not needed.

Rules for the author of an op:
- Check the arguments first: kernels do not check shapes and dtypes.
- The last parameter may be *arrays: each of them is an argument.
- backward returns one gradient for each argument, in the order of the arguments: None for a number,
  and where ctx.needs_grad[i] is false None is enough, so that a gradient that costs much is not
  computed. The last ones may be left out where they are all None.
- An output without derivative, such as an index, has None as its closure.
- backward returns new arrays, dy, or views of dy; never an array that the closure keeps. It never
  writes into dy.
- Outputs are C-contiguous: kernels rely on it, and layers refuse other arrays. Gradients may be
  views in any memory order; the walk copies them to C order.
- The closure keeps only the arrays that it reads, and never a Tensor.
- An output may be the first input itself, or a view of any input.
- Large outputs come from ctx.empty, so that the backend can reuse the memory.
"""

import functools
import inspect
import itertools

import numpy as np

from tinynet.graph import Node, draw_ticket, type_name, version_of
from tinynet.recording import is_recording, no_grad_count
from tinynet.tensor import Tensor, as_array

# The types of arguments that are certainly no arrays: op looks no closer at them.
NUMBERS = frozenset({int, float, bool, str, tuple, type(None)})


class Context:
    """The first argument of an op.

    kernels     the backend of the tensor arguments
    xp          its array module: numpy, or one like it
    needs_grad  for each argument, whether its gradient is needed
    empty       the backend's empty(shape, dtype)
    """

    __slots__ = ("kernels", "xp", "needs_grad", "empty")

    def __init__(self, kernels, needs_grad):
        self.kernels = kernels
        self.xp = kernels.xp
        self.needs_grad = needs_grad
        self.empty = kernels.empty

    def empty_like(self, array):
        """A new array of the same shape and dtype, its contents undefined."""
        return self.empty(array.shape, array.dtype)


def op(function):
    """Turn a function (ctx, arrays, numbers) -> (output, backward) into a function of tensors.

    This function is the overhead of an op, so it is written for speed: one loop, few calls, and
    objects filled in place.
    """
    parameters = list(inspect.signature(function).parameters.values())[1:]
    signature = inspect.Signature(parameters)
    count = len(parameters)
    defaults = tuple(p.default for p in parameters)
    required = defaults.count(inspect.Parameter.empty)
    name = function.__name__.lstrip("_")  # _batch_norm is the op of batch_norm
    contexts = {}  # a context has no state: calls with the same backend and needs share one
    new, ndarray, generic = object.__new__, np.ndarray, np.generic

    @functools.wraps(function)
    def apply(*args, **kwargs):
        if kwargs or not required <= len(args) <= count:
            args = _bound(name, signature, args, kwargs)
        elif len(args) < count:
            args = args + defaults[len(args) :]

        arrays, parents, needs_grad = [], [], []
        kernels = None
        has_constants = False  # perhaps
        for a in args:
            if type(a) is Tensor or isinstance(a, Tensor):
                parents.append(a._node or a)
                needs_grad.append(a._requires_grad)
                if a._kernels is not kernels:
                    if kernels is not None:
                        raise _two_backends(name, args)
                    kernels = a._kernels
                a = a._data
            else:
                parents.append(None)
                needs_grad.append(False)
                has_constants = has_constants or type(a) not in NUMBERS
            arrays.append(a)
        if kernels is None:
            raise _no_tensor(name, parameters, args)
        recording = True in needs_grad and (not no_grad_count or is_recording())
        if not recording:
            needs_grad = [False] * len(needs_grad)
        if has_constants:
            named = itertools.chain(parameters, itertools.repeat(parameters[-1]))  # *arrays
            arrays = [
                _constant(name, parameter, a, kernels, copy=recording) if parent is None else a
                for parameter, a, parent in zip(named, arrays, parents, strict=False)
            ]

        key = (kernels, *needs_grad)
        try:
            ctx = contexts[key]
        except KeyError:
            ctx = contexts[key] = Context(kernels, tuple(needs_grad))
        y, backward = function(ctx, *arrays)

        # NumPy turns arrays of shape () into scalars.
        if type(y) is not ndarray and isinstance(y, generic):
            y = np.asarray(y)
        version, base = None, y.base
        if y is arrays[0] or (base is not None and isinstance(base, type(y))):
            version = _shared_version(y, args)  # it may lie in an input's memory
        tensor = new(Tensor)
        tensor._data = y
        tensor._kernels = kernels
        tensor._requires_grad = recording
        tensor._grad = None
        if recording and backward is not None:
            tensor._node = node = new(Node)
            node.ticket = draw_ticket()
            node.parents = parents
            node.needs = ctx.needs_grad
            node.backward = backward
            node.version = version
        else:
            tensor._requires_grad = False
            tensor._node = None
            tensor.version = version
        return tensor

    apply.__signature__ = signature
    return apply


def _bound(name, signature, args, kwargs):
    """The arguments by position, with the defaults of those left out."""
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise TypeError(f"{name}: {error}; the arguments are {signature}") from None
    bound.apply_defaults()
    return bound.args


def _constant(name, parameter, value, kernels, copy):
    """An array as the backend's array, any other value as it is. The closure may keep the array,
    which the caller may change: it is copied if the op is recorded."""
    if isinstance(value, (np.ndarray, kernels.xp.ndarray)):
        return as_array(f"{name}: {parameter.name}", value, kernels, copy)
    return value


def _shared_version(y, args):
    """The Version of y's memory, which every tensor among the arguments learns too."""
    for a in args:
        if isinstance(a, Tensor):
            a.shared_version()
    return version_of(y)


def _two_backends(name, args):
    names = " and ".join(sorted({a.backend for a in args if isinstance(a, Tensor)}))
    return TypeError(
        f"{name}: tensors of two backends, {names}, do not mix; "
        "make them under one: tn.use_backend(...)"
    )


def _no_tensor(name, parameters, args):
    return TypeError(
        f"{name}: {parameters[0].name} is {type_name(args[0])}, not a Tensor; "
        "wrap it: tn.Tensor(...)"
    )
