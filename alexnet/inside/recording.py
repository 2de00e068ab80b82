"""A graph of a trained network without its parameters: for derivatives by an image or a layer."""

from collections.abc import Callable, Sequence
from contextlib import contextmanager

import numpy as np

import tinynet as tn
from alexnet.evaluation.metrics import in_test_mode


@contextmanager
def recording(model):
    """with recording(model): the model computes in test mode and records a graph, in which its
    parameters are constants: their .grad stays as it is."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.requires_grad = False
    try:
        with in_test_mode(model, record=True):
            yield
    finally:
        for parameter in trained:
            parameter.requires_grad = True


def gradient_of(
    model, layers: Sequence[Callable], x: np.ndarray, unit: int
) -> tuple[np.ndarray, float]:
    """(the gradient of an answer by x, the answer): the mean of a map, or the output of a unit.

    layers  functions of tensors, most of them the model's own layers, one after the other
    x       of one image, (1, ...); the gradient has its shape
    unit    the number of the map or unit in the last layer's output
    Raises ValueError for a unit that the output does not have.
    """
    leaf = tn.Tensor(x, requires_grad=True)
    with recording(model), np.errstate(over="ignore", invalid="ignore"):
        y = leaf
        for layer in layers:
            y = layer(y)
        if not 0 <= unit < y.shape[1]:
            raise ValueError(f"gradient_of: unit {unit} is none of {y.shape[1]}")
        wanted = np.zeros(y.shape, y.dtype)
        wanted[0, unit] = 1 / y.numpy()[0, unit].size
        y.backward(wanted)
        return tn.get_backend().to_numpy(leaf.grad), float((y.numpy() * wanted).sum())
