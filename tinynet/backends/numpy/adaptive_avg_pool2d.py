"""Adaptive average pooling: an output of a fixed size, whatever the size of the map.

Output row i averages rows floor(i H / OH) to ceil((i + 1) H / OH) - 1, and columns alike, so that
windows cover the map and overlap where the sizes do not divide. Source: PyTorch, used by
torchvision's AlexNet before fc6.
"""

import numpy as np


def adaptive_avg_pool2d(x, y):
    """y[n, c, i, j] = the mean of x over the window of (i, j). x (N, C, H, W), y (N, C, OH, OW)"""
    for i, rows in enumerate(_windows(x.shape[2], y.shape[2])):
        for j, columns in enumerate(_windows(x.shape[3], y.shape[3])):
            y[:, :, i, j] = x[:, :, rows, columns].mean(axis=(2, 3), dtype=np.float64)


def adaptive_avg_pool2d_backward(dy, dx):
    """dx[pixel] = the sum of dy / (cells of the window) over all windows that cover the pixel.

    dy (N, C, OH, OW), dx (N, C, H, W)
    """
    dx[...] = 0
    for i, rows in enumerate(_windows(dx.shape[2], dy.shape[2])):
        for j, columns in enumerate(_windows(dx.shape[3], dy.shape[3])):
            cells = (rows.stop - rows.start) * (columns.stop - columns.start)
            dx[:, :, rows, columns] += dy[:, :, i, j, None, None] / cells


def _windows(size, out_size):
    """The slice of the map that each output reads; -(-a // b) is a / b rounded up."""
    return [slice(i * size // out_size, -(-(i + 1) * size // out_size)) for i in range(out_size)]
