"""Max-pooling: each output is the largest value in its window; windows may overlap.

Source: the paper, section 3.4 (window 3, stride 2).
"""

import numpy as np
from numba import prange

from tinynet.backends.numba.compilation import loops, parallel_loops
from tinynet.backends.numba.threads import parallel


@parallel
def max_pool2d(x, window, stride, padding, y, switches):
    """y[n, c, i, j] = the largest x in the window at (i, j); switches = where it was.

    x          (N, C, H, W)
    y          (N, C, OH, OW)
    switches   (N, C, OH, OW)  int32, index into the H x W map; ties go to the first
    window, stride, padding    pairs (rows, columns)
    Padding counts as -inf; NaN wins (the window's last). One turn of the parallel loop: one map
    of one image.
    """
    maps = (-1, *x.shape[2:])
    out_maps = (-1, *y.shape[2:])
    _max_pool2d(
        x.reshape(maps), window, stride, padding, y.reshape(out_maps), switches.reshape(out_maps)
    )


@parallel
def max_pool2d_backward(dy, switches, dx):
    """dx[n, c, p] = the sum of dy over the windows whose switch is p.

    dy        (N, C, OH, OW)
    switches  (N, C, OH, OW)  int32
    dx        (N, C, H, W)
    One turn of the parallel loop: one map of one image, so no other turn adds to it.
    """
    maps = dx.shape[0] * dx.shape[1]
    _max_pool2d_backward(dy.reshape(maps, -1), switches.reshape(maps, -1), dx.reshape(maps, -1))


@parallel_loops
def _max_pool2d(x, window, stride, padding, y, switches):
    for m in prange(len(x)):
        _pool_map(x[m], window, stride, padding, y[m], switches[m])


@loops
def _pool_map(x, window, stride, padding, y, switches):
    height, width = x.shape
    out_rows, out_columns = y.shape
    for i in range(out_rows):
        # The window without what lies on the padding or hangs over the edge. Unsigned: signed
        # indices would be tested for being negative at each cell.
        top = np.uintp(max(i * stride[0] - padding[0], 0))
        bottom = np.uintp(min(i * stride[0] - padding[0] + window[0], height))
        for j in range(out_columns):
            left = np.uintp(max(j * stride[1] - padding[1], 0))
            right = np.uintp(min(j * stride[1] - padding[1] + window[1], width))
            largest, switch = x[top, left], top * np.uintp(width) + left
            for h in range(top, bottom):
                for w in range(left, right):
                    # Choices, not branches: which way they go cannot be foreseen.
                    candidate = x[h, w]
                    wins = (candidate > largest) | (candidate != candidate)
                    largest = candidate if wins else largest
                    switch = h * np.uintp(width) + w if wins else switch
            y[i, j] = largest
            switches[i, j] = switch


@parallel_loops
def _max_pool2d_backward(dy, switches, dx):
    for m in prange(len(dx)):
        _add_to_switches(dy[m], switches[m], dx[m])


@loops
def _add_to_switches(dy, switches, dx):
    for p in range(len(dx)):
        dx[p] = 0
    for q in range(len(dy)):
        dx[switches[q]] += dy[q]
