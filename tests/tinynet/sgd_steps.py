"""Parameters and gradients for steps of SGD."""

import numpy as np

import tinynet as tn
from tests.oracles.cases import spaced

NUMBERS = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.05}
SHAPES = [(3, 7), (5,), ()]


def parameters(dtype=np.float64):
    arrays = [spaced(shape, str(i)).astype(dtype) for i, shape in enumerate(SHAPES)]
    return [tn.Tensor(array, requires_grad=True) for array in arrays]


def gradients(step, dtype=np.float64):
    return [spaced(shape, f"{i} {step}").astype(dtype) for i, shape in enumerate(SHAPES)]


def give_gradients(parameters, arrays):
    """Set each parameter's .grad to an array of the backend."""
    for parameter, array in zip(parameters, arrays, strict=True):
        parameter.grad = tn.Tensor(array).data
