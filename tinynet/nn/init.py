"""Initial weights. Each function fills a parameter with numbers that depend only on the current
seed (tinynet.seed) and the parameter's index: its index in its model, or without an index a count
of the parameters filled since tinynet.seed, in a stream of its own.

    he              normal, deviation sqrt(2 / fan_in): keeps the signal's size through ReLU
    glorot          uniform, bound sqrt(6 / (fan_in + fan_out))
    pytorch default uniform, bound 1 / sqrt(fan_in): Conv2d and Linear start so, bias included

fan_in: how many inputs an output reads; fan_out: how many outputs an input feeds, groups
ignored (as in PyTorch).
Source: He and others (2015); Glorot and Bengio (2010); torch.nn.Conv2d.
"""

import math

import numpy as np

from tinynet import random
from tinynet.nn.module import Parameter


def normal(parameter: Parameter, deviation: float, mean: float = 0.0, *, index=None) -> None:
    """Fill with normal numbers of this mean and deviation; float32 and float64 get the same."""
    numbers = random.normal(
        parameter.shape, seed=random.current_seed(), dtype=parameter.dtype, **_draw(index)
    )
    numbers *= parameter.dtype.type(deviation)
    numbers += parameter.dtype.type(mean)
    parameter.data = numbers


def uniform(parameter: Parameter, bound: float, *, index=None) -> None:
    """Fill with uniform numbers from -bound to bound."""
    numbers = random.uniform(
        parameter.shape, seed=random.current_seed(), dtype=parameter.dtype, **_draw(index)
    )
    numbers -= parameter.dtype.type(0.5)
    numbers *= parameter.dtype.type(2 * bound)
    parameter.data = numbers


def constant(parameter: Parameter, value: float) -> None:
    """Fill with one value."""
    parameter.data = np.full(parameter.shape, value, parameter.dtype)


def default(layer) -> None:
    """Fill the weight and, where it has one, the bias of a layer with uniform numbers, bound
    1 / sqrt(fan_in) of the weight: PyTorch's default."""
    bound = 1 / math.sqrt(max(1, fans(layer.weight)[0]))
    for parameter in (layer.weight, layer.bias):
        if parameter is not None:
            uniform(parameter, bound)


def fans(weight: Parameter) -> tuple[int, int]:
    """(fan_in, fan_out) of the weight of a convolution or a linear layer."""
    cells = math.prod(weight.shape[2:])
    return weight.shape[1] * cells, weight.shape[0] * cells


def _draw(index):
    """The stream of random numbers for a parameter, and its draw there."""
    if index is None:
        return {"stream": random.LAYERS, "draw": random.next_layer_draw()}
    return {"stream": random.WEIGHTS, "draw": index}
