"""One output of a layer as each backend computes it: numpy, numba and cupy, im2col and Winograd."""

import copy
from dataclasses import dataclass
from fractions import Fraction

import tinynet as tn
from alexnet.evaluation.metrics import in_test_mode
from alexnet.inside.exact import units_in_the_last_place
from alexnet.inside.trace import TracedLayer


@dataclass(frozen=True)
class Computed:
    """What one program made of the arithmetic.

    by      the backend and, for a convolution, the algorithm
    value   the number
    units   how far it is from the exact one, in units in the last place of the layer's dtype
    """

    by: str
    value: float
    units: float


def computed(traced: TracedLayer, at: tuple[int, ...], exact: Fraction, image: int = 0):
    """[Computed] for each backend that can be used and each algorithm that fits the layer: the
    whole layer runs again on this image, and the number is picked out."""
    found = []
    for backend in tn.available_backends():
        for algorithm in _algorithms(traced):
            by = f"{backend}, {algorithm}" if algorithm else backend
            value = run(traced, backend, algorithm, image)[(0, *at)]
            units = units_in_the_last_place(float(value), exact, value.dtype)
            found.append(Computed(by, float(value), units))
    return found


def _algorithms(traced):
    """The names for tn.conv_algorithm, or None for a layer that is no convolution."""
    if traced.kind != "Conv2d":
        return [None]
    kernel, stride = traced.layer.kernel, traced.layer.stride
    tiles = stride == (1, 1) and kernel in ((3, 3), (5, 5))
    return ["im2col", "winograd"] if tiles else ["im2col"]


def run(traced, backend, algorithm, image):
    """The layer's output for one image on a backend."""
    with tn.use_backend(backend), tn.conv_algorithm(algorithm or "auto"):
        layer = copy.copy(traced.layer)
        for name, array in traced.arrays.items():
            setattr(layer, name, type(getattr(layer, name))(array))
        with in_test_mode(layer):
            return layer(tn.Tensor(traced.x[image : image + 1])).numpy()
