"""Adaptive average pooling: an output of a fixed size, whatever the size of the map.

Output row i averages rows floor(i H / OH) to ceil((i + 1) H / OH) - 1, and columns alike, so that
windows cover the map and overlap where the sizes do not divide. Source: PyTorch, used by
torchvision's AlexNet before fc6.
"""

import numpy as np
from numba import prange

from .compilation import loops, parallel_loops
from .threads import parallel

MANY = 4096  # cells: the sum of a larger window is kept in float64


@parallel
def adaptive_avg_pool2d(x, y):
    """y[n, c, i, j] = the mean of x over the window of (i, j). x (N, C, H, W), y (N, C, OH, OW)

    One iteration of the parallel loop: one map of one image.
    """
    x_maps, y_maps = x.reshape(-1, *x.shape[2:]), y.reshape(-1, *y.shape[2:])
    is_large = x_maps[0].size > MANY * y_maps[0].size
    zero = np.float64(0) if is_large else x.dtype.type(0)
    _adaptive_avg_pool2d(x_maps, zero, y_maps)


@parallel
def adaptive_avg_pool2d_backward(dy, dx):
    """dx[pixel] = the sum of dy / (cells of the window) over all windows that cover the pixel.

    dy (N, C, OH, OW), dx (N, C, H, W)
    One iteration of the parallel loop: one map of one image, so no other iteration adds to it.
    """
    _adaptive_avg_pool2d_backward(dy.reshape(-1, *dy.shape[2:]), dx.reshape(-1, *dx.shape[2:]))


@parallel_loops
def _adaptive_avg_pool2d(x, zero, y):
    for m in prange(len(x)):
        _pool_map(x[m], zero, y[m])


@loops
def _pool_map(x, zero, y):
    """zero: 0 in the dtype of the sums."""
    height, width = x.shape
    out_rows, out_columns = y.shape
    for i in range(out_rows):
        top, bottom = _window(i, height, out_rows)
        for j in range(out_columns):
            left, right = _window(j, width, out_columns)
            total = zero
            for h in range(top, bottom):
                for w in range(left, right):
                    total += x[h, w]
            cells = x.dtype.type((bottom - top) * (right - left))
            y[i, j] = x.dtype.type(total) / cells


@parallel_loops
def _adaptive_avg_pool2d_backward(dy, dx):
    for m in prange(len(dx)):
        _spread_map(dy[m], dx[m])


@loops
def _spread_map(dy, dx):
    height, width = dx.shape
    out_rows, out_columns = dy.shape
    for h in range(height):
        for w in range(width):
            dx[h, w] = 0
    for i in range(out_rows):
        top, bottom = _window(i, height, out_rows)
        for j in range(out_columns):
            left, right = _window(j, width, out_columns)
            share = dy[i, j] / dy.dtype.type((bottom - top) * (right - left))
            for h in range(top, bottom):
                for w in range(left, right):
                    dx[h, w] += share


@loops
def _window(i, size, out_size):
    """The first cell that output i reads and the one after the last; -(-a // b) is a / b rounded
    up."""
    return i * size // out_size, -(-(i + 1) * size // out_size)
