"""Sequential: modules one after the other."""

import operator
from collections.abc import Iterable, Iterator

from tinynet.graph import type_name
from tinynet.nn.module import Module


class Sequential(Module):
    """Modules one after the other, each with a name or, without one, its position as its name:

        Sequential(Conv2d(3, 8, 3), ReLU())                         names "0", "1"
        Sequential([("conv1", Conv2d(3, 8, 3)), ("relu1", ReLU())])
        Sequential({"conv1": Conv2d(3, 8, 3), "relu1": ReLU()})

    Iterating gives (name, layer), so a model can be walked layer by layer:
        for name, layer in model: x = layer(x)
    A layer is an attribute too: model.conv1, model["conv1"], model[0]; a slice is a Sequential of
    the same layers. Raises ValueError for a name used twice or taken, TypeError for what is no
    Module, KeyError or IndexError for a layer that does not exist.
    """

    def __init__(self, *layers):
        if len(layers) == 1 and isinstance(layers[0], Iterable) and not _is_layer(layers[0]):
            layers = layers[0].items() if isinstance(layers[0], dict) else layers[0]
        for position, layer in enumerate(layers):
            if not _is_layer(layer):
                raise TypeError(
                    f"Sequential: layer {position} is {layer!r} ({type_name(layer)}); a Module "
                    'such as ReLU() fits, or a pair ("relu1", ReLU())'
                )
            name, layer = (str(position), layer) if isinstance(layer, Module) else layer
            if hasattr(self, name):
                raise ValueError(f"Sequential: the name {name!r} is taken; each needs its own")
            setattr(self, name, layer)

    def __iter__(self) -> Iterator[tuple[str, Module]]:
        for name, layer in vars(self).items():
            if isinstance(layer, Module):
                yield name, layer

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __getitem__(self, key):
        if isinstance(key, slice):
            return Sequential(list(self)[key])
        layers = dict(self)
        if isinstance(key, str):
            if key not in layers:
                raise KeyError(f"Sequential: no layer {key!r} among {', '.join(layers)}")
            return layers[key]
        position = operator.index(key)
        if not -len(layers) <= position < len(layers):
            raise IndexError(f"Sequential: no layer {position}, there are {len(layers)}")
        return list(layers.values())[position]

    def __contains__(self, item):
        """Whether this is a layer of the model, or the name of one."""
        if isinstance(item, str):
            return item in dict(self)
        return any(item is layer for _, layer in self)

    def forward(self, x):
        for _, layer in self:
            x = layer(x)
        return x


def _is_layer(value):
    """Whether this is a Module, or a pair of a name and a Module."""
    if not isinstance(value, (tuple, list)):
        return isinstance(value, Module)
    return len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], Module)
