"""Module: a function with parameters. Sequential: modules one after the other.

A module's parameters, buffers and parts are its attributes: a Parameter is trained, any other
Tensor is a buffer (running statistics), a Module is a part. Their names, joined by dots, are the
keys of state_dict: conv1.weight, norm1.running_mean.
"""

from collections.abc import Iterator

import numpy as np

from tinynet.tensor import Tensor


class Parameter(Tensor):
    """A Tensor that a model trains: it requires a gradient."""

    __slots__ = ()

    def __init__(self, data):
        super().__init__(data, requires_grad=True)


class Module:
    """The base of layers and models. A subclass sets its attributes in __init__ and computes in
    forward; training is True in training and False in test (dropout, batch norm)."""

    training = True

    def forward(self, *inputs):
        raise TypeError(f"{type(self).__name__} has no forward; a Module computes there")

    def __call__(self, *inputs):
        return self.forward(*inputs)

    def named_children(self) -> Iterator[tuple[str, "Module"]]:
        """(name, module) of the parts directly in this one, in order of assignment."""
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value

    def modules(self) -> Iterator["Module"]:
        """This module, its parts, their parts, and so on."""
        yield self
        for _, part in self.named_children():
            yield from part.modules()

    def _named_tensors(self, prefix=""):
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                yield prefix + name, value
        for name, part in self.named_children():
            yield from part._named_tensors(f"{prefix}{name}.")

    def named_parameters(self) -> list[tuple[str, Parameter]]:
        """(name, parameter) of all parameters, in order."""
        return [(n, t) for n, t in self._named_tensors() if isinstance(t, Parameter)]

    def parameters(self) -> list[Parameter]:
        """All parameters, in order."""
        return [parameter for _, parameter in self.named_parameters()]

    def state_dict(self) -> dict[str, np.ndarray]:
        """name -> NumPy array of every parameter and buffer, copies."""
        return {name: np.array(tensor.numpy()) for name, tensor in self._named_tensors()}

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        """Copy the arrays of a state_dict into the module; nothing changes if one does not fit.

        Raises KeyError for missing or unknown names and ValueError for another shape or dtype.
        """
        own = dict(self._named_tensors())
        missing, unknown = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
        if missing or unknown:
            raise KeyError(f"load_state_dict: missing {missing}, unknown {unknown}")
        for name, tensor in own.items():
            array = np.asarray(state[name])
            if array.shape != tensor.shape or array.dtype != tensor.dtype:
                raise ValueError(
                    f"load_state_dict: {name} is {array.dtype} {array.shape}, the model has "
                    f"{tensor.dtype} {tensor.shape}"
                )
        for name, tensor in own.items():
            tensor.data = np.array(state[name])

    def train(self, training=True) -> "Module":
        """Set this module and its parts to training; eval() for test. Returns the module."""
        for module in self.modules():
            module.training = training
        return self

    def eval(self) -> "Module":
        """Set this module and its parts to test. Returns the module."""
        return self.train(False)

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self.parameters():
            parameter.grad = None


class Sequential(Module):
    """Modules one after the other, each with a name: Sequential([("conv1", Conv2d(...)), ...]).

    Iterating gives (name, layer), so a model can be walked layer by layer:
        for name, layer in model: x = layer(x)
    A layer is an attribute too: model.conv1. Raises ValueError for a name used twice or taken.
    """

    def __init__(self, layers):
        for name, layer in layers:
            if hasattr(self, name):
                raise ValueError(f"Sequential: the name {name!r} is taken; each needs its own")
            setattr(self, name, layer)

    def __iter__(self) -> Iterator[tuple[str, Module]]:
        return self.named_children()

    def __len__(self) -> int:
        return len(list(self.named_children()))

    def forward(self, x):
        for _, layer in self:
            x = layer(x)
        return x
