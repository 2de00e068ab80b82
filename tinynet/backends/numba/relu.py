"""Rectified linear unit: f(x) = max(x, 0).

Source: the paper, section 3.1.
"""

from numba import prange

from .compilation import parallel_loops
from .threads import parallel


@parallel
def relu(x, y):
    """y = max(x, 0), element by element. x, y: any shape, the same. NaN stays NaN.

    One iteration of the parallel loop: one element.
    """
    _relu(x.reshape(-1), y.reshape(-1))


@parallel
def relu_backward(dy, y, dx):
    """dx = dy where y > 0, else 0. dy, y, dx: any shape, the same.

    The test is y <= 0, so that a NaN in y lets dy through. One iteration: one element.
    """
    _relu_backward(dy.reshape(-1), y.reshape(-1), dx.reshape(-1))


@parallel_loops
def _relu(x, y):
    zero = x.dtype.type(0)
    for i in prange(x.size):
        y[i] = zero if x[i] <= zero else x[i]


@parallel_loops
def _relu_backward(dy, y, dx):
    zero = y.dtype.type(0)
    for i in prange(dy.size):
        dx[i] = zero if y[i] <= zero else dy[i]
