"""A network whose units are divided among ranks: what its towers (towers.py) and one weird trick
(one_weird_trick.py) share.

Where a layer is divided, each rank has some of its units or kernels, neighbours in the order of
ranks. A unit's weights are a row of the layer's weight, so a rank's part of any array of the layer
is some of its rows:

    fc6.weight (4096, 9216)    rank 0    rows    0-2047         rank 1    rows 2048-4095
    fc6.bias   (4096,)                   rows    0-2047                   rows 2048-4095

The next layer reads the units of all ranks. AllGather puts them together.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from alexnet.network.plan import Layer
from tinynet import nn
from tinynet.parallel import all_gather, share_of


class Part(nn.Sequential):
    """The layers of one rank. Names and state_dict's keys are those of the one-process network;
    layers that exchange activations come between them.

    ranks  the engine (tinynet/parallel)
    whole  names of the arrays that every rank has whole; of the others it has some rows
    """

    def __init__(self, layers: Iterable[tuple[str, nn.Module]], ranks, whole: Iterable[str] = ()):
        super().__init__(list(layers))
        self.ranks, self.whole = ranks, frozenset(whole)

    def split(self, state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """This rank's part of a state_dict of the one-process network, as views. Any arrays of the
        parameters' shapes and names fit, such as their velocities."""

        def part(array):
            return array[share_of(len(array), self.ranks.rank, self.ranks.size)]

        return {name: a if name in self.whole else part(a) for name, a in state.items()}

    def join(self, states: list[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """The arrays of the one-process network, bit for bit.

        states  the state_dict of every rank, in the order of ranks; what every rank has whole is
                taken from rank 0
        """
        return {
            name: array if name in self.whole else np.concatenate([each[name] for each in states])
            for name, array in states[0].items()
        }


class AllGather(nn.Module):
    """The units of all ranks, from each rank's own: (N, its units, ...) to (N, units, ...).

    units  how many all ranks have together
    name   what is counted as sent (tinynet/parallel/traffic.py)
    """

    def __init__(self, units: int, ranks, name: str):
        self.units, self.ranks, self.name = units, ranks, name

    def forward(self, x):
        return all_gather(x, self.ranks, 1, self.name, self.units)


def gathered_bytes(units: int, images: int, ranks: int, itemsize: int) -> int:
    """The bytes that a rank sends for an AllGather and its backward: its own units of every image
    to each of the others, and to each of them the gradient by its units. Where units do not divide,
    every part is as long as the longest."""
    return 2 * (ranks - 1) * images * -(-units // ranks) * itemsize


def units_of(layer: Layer, ranks) -> Layer:
    """A fully connected layer with this rank's units alone. Raises ValueError if a rank would have
    none."""
    units = layer.arguments["out_features"]
    if units < ranks.size:
        raise ValueError(
            f"{layer.name} has {units} units for {ranks.size} ranks; at most {units} ranks fit"
        )
    own = share_of(units, ranks.rank, ranks.size)
    return replace(layer, arguments=layer.arguments | {"out_features": own.stop - own.start})
