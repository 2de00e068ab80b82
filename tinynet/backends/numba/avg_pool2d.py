"""Average pooling: each output is the mean of its window.

The window's cells count where they lie on the map or its padding (zeros); cells beyond the
padded edge (ceil_mode) do not count. Source: docs/facts.md, section 2; Caffe and PyTorch
(count_include_pad=True).
"""

from numba import prange

from .compilation import loops, parallel_loops
from .threads import parallel


@parallel
def avg_pool2d(x, window, stride, padding, y):
    """y[n, c, i, j] = the sum of x in the window at (i, j) / (cells of the window).

    x          (N, C, H, W)
    y          (N, C, OH, OW)
    window, stride, padding    pairs (rows, columns)
    One iteration of the parallel loop: one map of one image.
    """
    x_maps, y_maps = x.reshape(-1, *x.shape[2:]), y.reshape(-1, *y.shape[2:])
    _avg_pool2d(x_maps, window, stride, padding, y_maps)


@parallel
def avg_pool2d_backward(dy, window, stride, padding, dx):
    """dx[pixel] = the sum of dy / (cells of the window) over all windows that cover the pixel.

    dy         (N, C, OH, OW)
    dx         (N, C, H, W)
    One iteration of the parallel loop: one map of one image, so no other iteration adds to it.
    """
    dy_maps, dx_maps = dy.reshape(-1, *dy.shape[2:]), dx.reshape(-1, *dx.shape[2:])
    _avg_pool2d_backward(dy_maps, window, stride, padding, dx_maps)


@parallel_loops
def _avg_pool2d(x, window, stride, padding, y):
    for m in prange(len(x)):
        _pool_map(x[m], window, stride, padding, y[m])


@loops
def _pool_map(x, window, stride, padding, y):
    height, width = x.shape
    out_rows, out_columns = y.shape
    for i in range(out_rows):
        top, bottom, rows = _covered(i, window[0], stride[0], padding[0], height)
        for j in range(out_columns):
            left, right, columns = _covered(j, window[1], stride[1], padding[1], width)
            total = x.dtype.type(0)
            for h in range(top, bottom):
                for w in range(left, right):
                    total += x[h, w]
            y[i, j] = total / x.dtype.type(rows * columns)


@parallel_loops
def _avg_pool2d_backward(dy, window, stride, padding, dx):
    for m in prange(len(dx)):
        _spread_map(dy[m], window, stride, padding, dx[m])


@loops
def _spread_map(dy, window, stride, padding, dx):
    height, width = dx.shape
    out_rows, out_columns = dy.shape
    for h in range(height):
        for w in range(width):
            dx[h, w] = 0
    for i in range(out_rows):
        top, bottom, rows = _covered(i, window[0], stride[0], padding[0], height)
        for j in range(out_columns):
            left, right, columns = _covered(j, window[1], stride[1], padding[1], width)
            share = dy[i, j] / dy.dtype.type(rows * columns)
            for h in range(top, bottom):
                for w in range(left, right):
                    dx[h, w] += share


@loops
def _covered(i, window, stride, padding, size):
    """Along one axis: the window's first cell on the map, the one after its last, and how many
    cells of it lie on the map or its padding."""
    first = i * stride - padding
    end = min(first + window, size + padding)
    return max(first, 0), min(end, size), end - first
