"""Average pooling: each output is the mean of its window.

The window's cells count where they lie on the map or, with count_include_pad, on its padding
(zeros); cells beyond the padded edge (ceil_mode) never count. Source: docs/facts.md, section 2;
Caffe counts the padding, PyTorch has both.
"""

import numpy as np


def avg_pool2d(x, window, stride, padding, count_include_pad, y):
    """y[n, c, i, j] = the sum of x in the window at (i, j) / (cells of the window that count).

    x          (N, C, H, W)
    y          (N, C, OH, OW)
    window, stride, padding    pairs (rows, columns)
    count_include_pad          whether cells of the padding count
    """
    padded = np.pad(x, _borders(x, window, stride, padding, y))
    total = np.zeros(y.shape)  # float64, for windows of many cells
    for u in range(window[0]):
        for v in range(window[1]):
            total += padded[:, :, *_met_by(u, v, stride, y)]
    y[...] = total / _cells(x, window, stride, padding, count_include_pad, y)


def avg_pool2d_backward(dy, window, stride, padding, count_include_pad, dx):
    """dx[pixel] = the sum of dy / (cells of the window that count) over all windows that cover the
    pixel.

    dy         (N, C, OH, OW)
    dx         (N, C, H, W)
    """
    share = dy / _cells(dx, window, stride, padding, count_include_pad, dy)
    padded = np.pad(np.zeros_like(dx), _borders(dx, window, stride, padding, dy))
    for u in range(window[0]):
        for v in range(window[1]):
            padded[:, :, *_met_by(u, v, stride, dy)] += share
    height, width = dx.shape[2:]
    dx[...] = padded[:, :, padding[0] : padding[0] + height, padding[1] : padding[1] + width]


def _met_by(u, v, stride, y):
    """The padded map's rows and columns under the window's cell (u, v), one for each output."""
    rows = slice(u, u + stride[0] * (y.shape[2] - 1) + 1, stride[0])
    columns = slice(v, v + stride[1] * (y.shape[3] - 1) + 1, stride[1])
    return rows, columns


def _borders(x, window, stride, padding, y):
    """How far to pad: by the padding, and further to the end of the last window."""
    below = stride[0] * (y.shape[2] - 1) + window[0] - x.shape[2] - padding[0]
    right = stride[1] * (y.shape[3] - 1) + window[1] - x.shape[3] - padding[1]
    return (0, 0), (0, 0), (padding[0], max(below, 0)), (padding[1], max(right, 0))


def _cells(x, window, stride, padding, count_include_pad, y):
    """(OH, OW): how many cells of each window count, in y's dtype."""
    counts = []
    for axis in (0, 1):
        size = x.shape[2 + axis]
        first = np.arange(y.shape[2 + axis]) * stride[axis] - padding[axis]
        end = np.minimum(first + window[axis], size + padding[axis])
        if not count_include_pad:
            first, end = np.maximum(first, 0), np.minimum(end, size)
        counts.append((end - first).astype(y.dtype))
    return counts[0][:, None] * counts[1]
