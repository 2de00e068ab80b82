"""@op: the only bridge between tensors and arrays.

An op is one function of arrays. It returns its output and the closure that is its backward:

    @op
    def double(ctx, x):
        return 2 * x, lambda dy: 2 * dy

Called with tensors, double(t) unwraps them, runs the function, wraps the output in a Tensor, and
records the closure if an input requires a gradient.

Rules for the author of an op:
- Check the arguments first: kernels do not check shapes and dtypes.
- backward returns one gradient for each tensor argument, in the order of the arguments. Where
  ctx.needs_grad[i] is false (i counts the tensor arguments) None is enough, and a gradient that
  costs much is not computed. An optional tensor argument comes last and may be None.
- backward returns new arrays, dy, or views of dy; never an array that the closure keeps. It never
  writes into dy.
- Outputs are C-contiguous: kernels rely on it, and layers refuse other arrays. Gradients may be
  views in any memory order; the walk copies them to C order.
- The closure keeps only the arrays that it reads, and never a Tensor.
- Large outputs come from ctx.empty, so that the backend can reuse the memory.
"""

import functools
import inspect

import numpy as np

from tinynet.tensor import Node, Tensor, draw_ticket, is_recording, no_grad_count


class Context:
    """The first argument of an op.

    kernels     the backend of the tensor arguments
    xp          its array module: numpy, or one like it
    needs_grad  for each tensor argument, whether its gradient is needed
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
    name = function.__name__
    contexts = {}  # a context has no state: calls with the same backend and needs share one
    new, ndarray, generic = object.__new__, np.ndarray, np.generic

    @functools.wraps(function)
    def apply(*args, **kwargs):
        if kwargs or len(args) != count:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            args = bound.args

        arrays, parents, needs_grad = [], [], []
        kernels = None
        for a in args:
            if type(a) is Tensor or isinstance(a, Tensor):
                parents.append(a._node or a)
                needs_grad.append(a.requires_grad)
                if a._kernels is not kernels:
                    if kernels is not None:
                        raise _two_backends(name, args)
                    kernels = a._kernels
                a = a._data
            arrays.append(a)
        if kernels is None:
            raise _no_tensor(name, parameters, args)
        recording = True in needs_grad and (not no_grad_count or is_recording())
        if not recording:
            needs_grad = [False] * len(needs_grad)

        key = (kernels, *needs_grad)
        try:
            ctx = contexts[key]
        except KeyError:
            ctx = contexts[key] = Context(kernels, tuple(needs_grad))
        y, backward = function(ctx, *arrays)

        # NumPy turns arrays of shape () into scalars.
        if type(y) is not ndarray and isinstance(y, generic):
            y = np.asarray(y)
        tensor = new(Tensor)
        tensor._data = y
        tensor._kernels = kernels
        tensor.requires_grad = recording
        tensor.grad = None
        if recording:
            tensor._node = node = new(Node)
            node.ticket = draw_ticket()
            node.parents = parents
            node.backward = backward
            node.version = 0
        else:
            tensor._node = None
            tensor.version = 0
        return tensor

    apply.__signature__ = signature
    return apply


def _two_backends(name, args):
    names = " and ".join(sorted({a.backend for a in args if isinstance(a, Tensor)}))
    return TypeError(
        f"{name}: tensors of two backends, {names}, do not mix; "
        "make them under one: tn.use_backend(...)"
    )


def _no_tensor(name, parameters, args):
    return TypeError(
        f"{name}: {parameters[0].name} is {type(args[0]).__name__}, not a Tensor; "
        "wrap it: tn.Tensor(...)"
    )
