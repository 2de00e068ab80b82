"""Module: a function with parameters. Parameter: a tensor that is trained.

A module's parts are its attributes, and the items of lists, tuples and dicts among them: a Tensor
that requires a gradient (a Parameter does) is trained, any other Tensor is a buffer (running
statistics), a Module is a part with parts of its own. Other objects are not looked into. Names
joined by dots are the keys of state_dict: conv1.weight, norm1.running_mean, layers.0.bias,
heads.left.weight. An activation that an attribute holds is a buffer too; hold its array,
x.numpy(), to leave it out.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from tinynet.graph import type_name
from tinynet.nn.containers import CONTAINERS, check_name, parts_in
from tinynet.tensor import Tensor, as_array, describe


class Parameter(Tensor):
    """A Tensor that a model trains: it requires a gradient.

    data  floats, as Tensor takes them
    copy  True: training never writes into data. False: it does, for code that made the array for
          this parameter

    Raises ValueError for integers.
    """

    __slots__ = ()

    def __init__(self, data, copy=True):
        super().__init__(data, requires_grad=copy)  # with a gradient it copies
        self.requires_grad = True


class LoadedKeys(NamedTuple):
    """What load_state_dict left alone: names that the state lacks, names that the model lacks."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Module:
    """The base of layers and models. A subclass sets its attributes in __init__ and computes in
    forward; training is True in training and False in test (dropout, batch norm).

        class Network(nn.Module):
            def __init__(self):
                self.layers = [nn.Linear(784, 100), nn.Linear(100, 10)]

            def forward(self, x):
                return self.layers[1](tn.relu(self.layers[0](x)))

    Lists, tuples and dicts are looked into at each call of the methods below, so layers may be
    appended. A part that is reached twice counts once, under the name that comes first; a part may
    hold the module that holds it. Other objects are not looked into.

    Raises TypeError for parts where they have no order or name, or would be shared by all objects
    of a class, and for a parameter or buffer that is replaced by anything else; ValueError for a
    name that is taken, empty, or has a dot.
    """

    training = True

    def __init_subclass__(cls, **arguments):
        super().__init_subclass__(**arguments)
        if vars(cls).get("__slots__"):
            raise TypeError(f"{cls.__name__}: a Module has no __slots__; its parts are attributes")
        for name, value in vars(cls).items():
            for path, part in parts_in(name, value, (Tensor, Module)):
                if isinstance(part, Module) or part.requires_grad:
                    raise TypeError(
                        f"{cls.__name__}.{path} belongs to the class, so no object trains it; "
                        f"write self.{name} = ... in __init__"
                    )

    def __setattr__(self, name, value):
        kind, old = type(self).__name__, vars(self).get(name)
        if isinstance(value, (Tensor, Module, *CONTAINERS)):
            check_name(name, value)
            if hasattr(Module, name):
                raise ValueError(f"{kind}: the name {name!r} is taken by Module; choose another")
        if isinstance(old, Tensor) and value is not None:
            was = "Parameter" if isinstance(old, Parameter) else "Tensor"
            if not isinstance(value, Tensor) or (was == "Parameter" and not _is_trained(value)):
                raise TypeError(
                    f"{kind}.{name} is a {was} {old.shape}, which {type_name(value)} does not "
                    f"replace; write .{name}.data = array, or assign a {was}"
                )
        super().__setattr__(name, value)

    def forward(self, *inputs):
        raise TypeError(
            f"{type(self).__name__} has no forward; write def forward(self, x): ... in its class"
        )

    def __call__(self, *inputs, **named_inputs):
        return self.forward(*inputs, **named_inputs)

    # --- parts ---

    def _parts(self, kind):
        """(name, part) of the Tensors or the Modules directly in this module, repeated ones too."""
        for name, value in vars(self).items():
            if isinstance(value, kind):
                yield name, value
            elif isinstance(value, CONTAINERS):
                for path, part in parts_in(name, value, (Tensor, Module)):
                    if isinstance(part, kind):
                        yield path, part

    def _walk(self, prefix="", seen=None):
        """(prefix of its names, module) of this module and all below it, each once."""
        seen = set() if seen is None else seen
        if id(self) in seen:
            return
        seen.add(id(self))
        yield prefix, self
        for name, part in self._parts(Module):
            yield from part._walk(f"{prefix}{name}.", seen)

    def _named_tensors(self):
        """{name: tensor} of all parameters and buffers, each once."""
        tensors, seen = {}, set()
        for prefix, module in self._walk():
            for name, tensor in module._parts(Tensor):
                if id(tensor) in seen:
                    continue
                if prefix + name in tensors:
                    raise ValueError(f"{type(self).__name__}: two parts are named {prefix}{name}")
                seen.add(id(tensor))
                tensors[prefix + name] = tensor
        return tensors

    def named_children(self) -> Iterator[tuple[str, "Module"]]:
        """(name, module) of the parts directly in this one, in order of assignment; a part that is
        assigned twice comes twice."""
        return self._parts(Module)

    def modules(self) -> Iterator["Module"]:
        """This module, its parts, their parts, and so on, each once."""
        for _, module in self._walk():
            yield module

    def named_parameters(self) -> list[tuple[str, Parameter]]:
        """(name, parameter) of all parameters, in order, each once."""
        return [(n, t) for n, t in self._named_tensors().items() if _is_trained(t)]

    def parameters(self) -> list[Parameter]:
        """All parameters, in order, each once."""
        return [parameter for _, parameter in self.named_parameters()]

    # --- state ---

    def state_dict(self) -> dict[str, np.ndarray]:
        """name -> NumPy array of every parameter and buffer, copies. A tensor that is reached twice
        has one entry, under its first name."""
        return {name: np.array(tensor.numpy()) for name, tensor in self._named_tensors().items()}

    def load_state_dict(self, state: dict[str, np.ndarray], strict: bool = True) -> LoadedKeys:
        """Copy the arrays (or Tensors) of a state_dict into the module, all or nothing.

        strict  False: names that only the state or only the module has are left alone
        Returns these names. Raises KeyError for them if strict, ValueError for an array that does
        not fit, and TypeError for what is no dict.
        """
        if not isinstance(state, Mapping):
            raise TypeError(
                f"load_state_dict: state is {type(state).__name__}; a dict of arrays fits, as "
                "state_dict() or tn.load(path) returns it"
            )
        own = self._named_tensors()
        missing = [name for name in own if name not in state]
        unexpected = [name for name in state if name not in own]
        if strict and (missing or unexpected):
            raise KeyError(
                f"load_state_dict: missing {missing}, unknown {unexpected}; strict=False loads "
                "the others"
            )
        loaded = {}
        for name, tensor in own.items():
            if name not in missing:
                loaded[name] = _array_for(tensor, state[name], name)
        for name, array in loaded.items():
            own[name].data = array
        return LoadedKeys(missing, unexpected)

    # --- training and test ---

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

    def __repr__(self):
        """The tree of modules with their plain attributes, the shapes of their tensors and the
        number of their own parameters; in the first line of all parameters."""
        count = sum(parameter.size for parameter in self.parameters())
        return "\n".join(_tree(self, "", {}, count))


def _is_trained(tensor):
    """Whether a tensor is a parameter: a Parameter, frozen or not, or a leaf with a gradient."""
    return isinstance(tensor, Parameter) or (tensor.requires_grad and tensor._node is None)


def _tree(module, name, seen, count):
    """The lines of repr. seen: {id: name} of the modules already shown; count: of parameters."""
    seen[id(module)] = name or "the model"
    plain = [f"{key}={value!r}" for key, value in vars(module).items() if _is_plain(key, value)]
    notes = [f"{key} {tensor.shape}" for key, tensor in module._parts(Tensor)]
    if count:
        notes.append(f"{count:,} parameters")
    line = f"{type(module).__name__}({', '.join(plain)})"
    yield f"{line}: {', '.join(notes)}" if notes else line
    for key, part in module.named_children():
        if id(part) in seen:
            yield f"  {key}: {seen[id(part)]} again"
            continue
        own = sum(t.size for _, t in part._parts(Tensor) if _is_trained(t))
        first, *others = _tree(part, f"{name}.{key}" if name else key, seen, own)
        yield f"  {key}: {first}"
        yield from (f"  {line}" for line in others)


def _is_plain(key, value):
    """Whether repr shows an attribute: a number, a string or a pair of numbers."""
    values = value if isinstance(value, tuple) and len(value) == 2 else (value,)
    return key != "training" and all(isinstance(v, (bool, int, float, str)) for v in values)


def _array_for(tensor, value, name):
    """A state's value of this name as an array that can replace the tensor's."""
    value = value.numpy() if isinstance(value, Tensor) else value
    try:
        array = as_array("array", value, tensor._kernels)
    except (TypeError, ValueError) as error:
        raise ValueError(f"load_state_dict: {name} does not fit: {error}") from error
    if array.shape != tensor.shape or array.dtype != tensor.dtype:
        raise ValueError(
            f"load_state_dict: {name} is {describe(array)}, the model has {describe(tensor)}"
        )
    return array
