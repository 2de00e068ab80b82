"""Same-map normalisation: each activation is divided by the energy of its neighbours in the same
map.

    scale_p = k + alpha * sum of x_q^2 over the pixels q of p's window
    y_p     = x_p / scale_p^beta

p's window has size x size pixels with p in the middle, and is cut off at the map's edges. Pixel p
reads its neighbours, and the neighbours' outputs read x_p, so:

    dx_p = dy_p scale_p^-beta - 2 alpha beta x_p * sum of dy_q x_q scale_q^(-beta - 1) over p's window

Source: cuda-convnet's layers of type rnorm; alpha here is theirs divided by size^2.
"""  # noqa: E501

import numpy as np


def same_map_norm(x, size, alpha, beta, k, y):
    """y = x / scale^beta with scale as above. x, y: (N, C, H, W); size: odd"""
    scale = _scale(x, size, alpha, k)
    y[...] = x * scale**-beta


def same_map_norm_backward(dy, x, size, alpha, beta, k, dx):
    """dx as above. dy, x, dx: (N, C, H, W)"""
    scale = _scale(x, size, alpha, k)
    power = scale**-beta
    ratio = dy * x * power / scale
    dx[...] = dy * power - 2 * alpha * beta * x * _window_sum(ratio, size)


def _scale(x, size, alpha, k):
    return k + alpha * _window_sum(x * x, size)


def _window_sum(a, size):
    """sum[p] = the sum of a over p's window: down the columns, and then along the rows."""
    return _sum_along(_sum_along(a, size, axis=2), size, axis=3)


def _sum_along(a, size, axis):
    """sum[i] = the sum of a[j] over the j with |i - j| <= size // 2 along one axis."""
    a = np.moveaxis(a, axis, 0)
    total = a.copy()
    for distance in range(1, min(size // 2, len(a) - 1) + 1):
        total[distance:] += a[:-distance]
        total[:-distance] += a[distance:]
    return np.moveaxis(total, 0, axis)
