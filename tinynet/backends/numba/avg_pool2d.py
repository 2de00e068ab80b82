"""Average pooling: each output is the mean of its window.

The window's cells count where they lie on the map or, with count_include_pad, on its padding
(zeros); cells beyond the padded edge (ceil_mode) never count. Source: docs/facts.md, section 2;
Caffe counts the padding, PyTorch has both.
"""

import numpy as np
from numba import prange

from .compilation import loops, parallel_loops
from .threads import parallel

MANY = 4096  # cells: the sum of a larger window is kept in float64


@parallel
def avg_pool2d(x, window, stride, padding, count_include_pad, y):
    """y[n, c, i, j] = the sum of x in the window at (i, j) / (cells of the window that count).

    x          (N, C, H, W)
    y          (N, C, OH, OW)
    window, stride, padding    pairs (rows, columns)
    count_include_pad          whether cells of the padding count
    One iteration of the parallel loop: one map of one image.
    """
    x_maps, y_maps = x.reshape(-1, *x.shape[2:]), y.reshape(-1, *y.shape[2:])
    zero = np.float64(0) if window[0] * window[1] > MANY else x.dtype.type(0)
    _avg_pool2d(x_maps, window, stride, padding, count_include_pad, zero, y_maps)


@parallel
def avg_pool2d_backward(dy, window, stride, padding, count_include_pad, dx):
    """dx[pixel] = the sum of dy / (cells of the window that count) over all windows that cover the
    pixel.

    dy         (N, C, OH, OW)
    dx         (N, C, H, W)
    One iteration of the parallel loop: one map of one image, so no other iteration adds to it.
    """
    dy_maps, dx_maps = dy.reshape(-1, *dy.shape[2:]), dx.reshape(-1, *dx.shape[2:])
    _avg_pool2d_backward(dy_maps, window, stride, padding, count_include_pad, dx_maps)


@parallel_loops
def _avg_pool2d(x, window, stride, padding, count_include_pad, zero, y):
    for m in prange(len(x)):
        _pool_map(x[m], window, stride, padding, count_include_pad, zero, y[m])


@loops
def _pool_map(x, window, stride, padding, count_include_pad, zero, y):
    """zero: 0 in the dtype of the sums."""
    height, width = x.shape
    out_rows, out_columns = y.shape
    for i in range(out_rows):
        top, bottom, rows = _covered(i, window[0], stride[0], padding[0], height, count_include_pad)
        for j in range(out_columns):
            left, right, columns = _covered(
                j, window[1], stride[1], padding[1], width, count_include_pad
            )
            total = zero
            for h in range(top, bottom):
                for w in range(left, right):
                    total += x[h, w]
            y[i, j] = x.dtype.type(total) / x.dtype.type(rows * columns)


@parallel_loops
def _avg_pool2d_backward(dy, window, stride, padding, count_include_pad, dx):
    for m in prange(len(dx)):
        _spread_map(dy[m], window, stride, padding, count_include_pad, dx[m])


@loops
def _spread_map(dy, window, stride, padding, count_include_pad, dx):
    height, width = dx.shape
    out_rows, out_columns = dy.shape
    for h in range(height):
        for w in range(width):
            dx[h, w] = 0
    for i in range(out_rows):
        top, bottom, rows = _covered(i, window[0], stride[0], padding[0], height, count_include_pad)
        for j in range(out_columns):
            left, right, columns = _covered(
                j, window[1], stride[1], padding[1], width, count_include_pad
            )
            share = dy[i, j] / dy.dtype.type(rows * columns)
            for h in range(top, bottom):
                for w in range(left, right):
                    dx[h, w] += share


@loops
def _covered(i, window, stride, padding, size, count_include_pad):
    """Along one axis: the window's first cell on the map, the one after its last, and how many of
    its cells count."""
    first = i * stride - padding
    end = min(first + window, size + padding)
    first_on_map, end_on_map = max(first, 0), min(end, size)
    cells = end - first if count_include_pad else end_on_map - first_on_map
    return first_on_map, end_on_map, cells
