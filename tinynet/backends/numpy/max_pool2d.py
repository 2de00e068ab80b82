"""Max-pooling: each output is the largest value in its window; windows may overlap.

Source: the paper, section 3.4 (window 3, stride 2).
"""

import numpy as np


def max_pool2d(x, window, stride, padding, y, switches):
    """y[n, c, i, j] = the largest x in the window at (i, j); switches = where it was.

    x          (N, C, H, W)
    y          (N, C, OH, OW)
    switches   (N, C, OH, OW)  int32, index into the H x W map; ties go to the first
    window, stride, padding    pairs (rows, columns)
    Padding counts as -inf; NaN wins (the window's last NaN).
    """
    height, width = x.shape[2:]
    out_rows, out_columns = y.shape[2:]
    # Windows of ceil_mode hang over the padded edge: pad as far as the last window reaches.
    below = stride[0] * (out_rows - 1) + window[0] - height - padding[0]
    right = stride[1] * (out_columns - 1) + window[1] - width - padding[1]
    borders = ((0, 0), (0, 0), (padding[0], max(below, 0)), (padding[1], max(right, 0)))
    padded = np.pad(x, borders, constant_values=-np.inf)

    first_row = np.arange(out_rows) * stride[0] - padding[0]
    first_column = np.arange(out_columns) * stride[1] - padding[1]
    y[...] = -np.inf
    switches[...] = np.maximum(first_row, 0)[:, None] * width + np.maximum(first_column, 0)
    for u in range(window[0]):
        for v in range(window[1]):
            rows = slice(u, u + stride[0] * (out_rows - 1) + 1, stride[0])
            cols = slice(v, v + stride[1] * (out_columns - 1) + 1, stride[1])
            candidate = padded[:, :, rows, cols]
            wins = (candidate > y) | np.isnan(candidate)
            position = (first_row + u)[:, None] * width + (first_column + v)
            np.copyto(y, candidate, where=wins)
            np.copyto(switches, position, where=wins, casting="same_kind")


def max_pool2d_backward(dy, switches, window, stride, padding, dx):
    """dx[n, c, p] = the sum of dy over the windows whose switch is p.

    dy        (N, C, OH, OW)
    switches  (N, C, OH, OW)  int32
    dx        (N, C, H, W)
    window, stride, padding    not read: the switches say where dy goes
    """
    maps = dx.shape[0] * dx.shape[1]
    dx_maps, switch_maps = dx.reshape(maps, -1), switches.reshape(maps, -1)
    dx_maps[...] = 0
    np.add.at(dx_maps, (np.arange(maps)[:, None], switch_maps), dy.reshape(maps, -1))
