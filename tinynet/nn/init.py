"""Initial weights. Each function fills a parameter with numbers that depend only on the current
seed (tinynet.seed) and the parameter's index in its model.

    he              normal, deviation sqrt(2 / fan_in): keeps the signal's size through ReLU
    glorot          uniform, bound sqrt(6 / (fan_in + fan_out))
    pytorch default uniform, bound 1 / sqrt(fan_in)

fan_in: how many inputs an output reads; fan_out: how many outputs an input feeds, groups
ignored (as in PyTorch).
Source: He and others (2015); Glorot and Bengio (2010); torch.nn.Conv2d.
"""

import math

import numpy as np

from tinynet import random
from tinynet.nn.module import Parameter


def normal(parameter: Parameter, deviation: float, mean: float = 0.0, *, index: int) -> None:
    """Fill with normal numbers of this mean and deviation; float32 and float64 get the same."""
    numbers = random.normal(
        parameter.shape, seed=random.current_seed(), stream=random.WEIGHTS, draw=index,
        dtype=parameter.dtype,
    )  # fmt: skip
    numbers *= parameter.dtype.type(deviation)
    numbers += parameter.dtype.type(mean)
    parameter.data = numbers


def uniform(parameter: Parameter, bound: float, *, index: int) -> None:
    """Fill with uniform numbers from -bound to bound."""
    numbers = random.uniform(
        parameter.shape, seed=random.current_seed(), stream=random.WEIGHTS, draw=index,
        dtype=parameter.dtype,
    )  # fmt: skip
    numbers -= parameter.dtype.type(0.5)
    numbers *= parameter.dtype.type(2 * bound)
    parameter.data = numbers


def constant(parameter: Parameter, value: float) -> None:
    """Fill with one value."""
    parameter.data = np.full(parameter.shape, value, parameter.dtype)


def fans(weight: Parameter) -> tuple[int, int]:
    """(fan_in, fan_out) of the weight of a convolution or a linear layer."""
    cells = math.prod(weight.shape[2:])
    return weight.shape[1] * cells, weight.shape[0] * cells
