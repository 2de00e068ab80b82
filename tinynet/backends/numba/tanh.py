"""Hyperbolic tangent, the activation that the paper compares ReLU with.

Source: the paper, section 3.1 and figure 1.
"""

import math

from numba import prange

from .compilation import parallel_loops
from .threads import parallel


@parallel
def tanh(x, y):
    """y = tanh(x), element by element. x, y: any shape, the same.

    One iteration of the parallel loop: one element.
    """
    _tanh(x.reshape(-1), y.reshape(-1))


@parallel
def tanh_backward(dy, y, dx):
    """dx = dy (1 - y^2), from tanh' = 1 - tanh^2. dy, y, dx: any shape, the same.

    One iteration of the parallel loop: one element.
    """
    _tanh_backward(dy.reshape(-1), y.reshape(-1), dx.reshape(-1))


@parallel_loops
def _tanh(x, y):
    for i in prange(x.size):
        y[i] = math.tanh(x[i])


@parallel_loops
def _tanh_backward(dy, y, dx):
    one = y.dtype.type(1)
    for i in prange(dy.size):
        dx[i] = dy[i] * (one - y[i] * y[i])
