"""Local response normalisation: each activation is divided by the energy of its neighbours in the
channel axis, at the same pixel.

    scale_i = k + alpha * sum of x_j^2 over the channels j within size // 2 of i
    y_i     = x_i / scale_i^beta

Channel i reads its neighbours, and the neighbours' outputs read x_i, so:

    dx_i = dy_i scale_i^-beta - 2 alpha beta x_i * sum of dy_j x_j scale_j^(-beta - 1) over i's window

The backward pass computes the scale again: to store and read it would take longer. The published
window of five channels takes one loop over the pixels, so that roots are computed while memory is
read. Each window is summed anew: a running sum, which adds a channel and subtracts one, would be
shorter, but a NaN would stay in it for all later channels.

Source: the paper, section 3.3; groups: the authors' program of 2012, whose window stops at the
tower's edge.
"""  # noqa: E501

import math

import numpy as np

from .compilation import loops
from .threads import run_on_threads, shares


def local_response_norm(x, size, alpha, beta, k, groups, y):
    """y = x / scale^beta with scale as above.

    x, y    (N, C, H, W)
    size    odd; groups: the window stops at the edges of a group of C / G channels
    Each thread takes its share of the maps.
    """
    x, y = (array.reshape(*x.shape[:2], -1) for array in (x, y))
    alpha, beta, k = (x.dtype.type(number) for number in (alpha, beta, k))
    numbers = size // 2, x.shape[1] // groups, alpha, beta, k
    run_on_threads(_normalise, [(x, *maps, *numbers, y) for maps in shares(len(x) * x.shape[1])])


def local_response_norm_backward(dy, x, size, alpha, beta, k, groups, dx):
    """dx as above.

    dy, x, dx  (N, C, H, W)
    Each thread takes its share of the images.
    """
    dy, x, dx = (array.reshape(*x.shape[:2], -1) for array in (dy, x, dx))
    alpha, beta, k = (x.dtype.type(number) for number in (alpha, beta, k))
    numbers = size // 2, x.shape[1] // groups, alpha, beta, k
    run_on_threads(_differentiate, [(dy, x, *images, *numbers, dx) for images in shares(len(x))])


@loops
def _normalise(x, first, last, reach, width, alpha, beta, k, y):
    channels = x.shape[1]
    for turn in range(first, last):
        n, i = turn // channels, turn % channels
        _normalise_map(x[n], i, reach, width, alpha, beta, k, y[n, i])


@loops
def _normalise_map(x, i, reach, width, alpha, beta, k, y):
    """Map i of an image: x (C, H W), y (H W,)."""
    start, end = _window(i, reach, width)
    x_i = x[i]
    if end - start == 5:
        a, b, c, d, e = x[start], x[start + 1], x[start + 2], x[start + 3], x[start + 4]
        for p in range(len(y)):
            scale = k + alpha * _energy(a[p], b[p], c[p], d[p], e[p])
            y[p] = x_i[p] * _powers(scale, beta)[0]
    else:
        _scale(x, start, end, alpha, k, y)
        for p in range(len(y)):
            y[p] = x_i[p] * _powers(y[p], beta)[0]


@loops
def _differentiate(dy, x, first, last, reach, width, alpha, beta, k, dx):
    for n in range(first, last):
        _differentiate_image(dy[n], x[n], reach, width, alpha, beta, k, dx[n])


@loops
def _differentiate_image(dy, x, reach, width, alpha, beta, k, dx):
    """All channels of one image (C, H W), in order. ratio_j = dy_j x_j scale_j^(-beta - 1) is kept
    for as many channels as a window has: for channel j in row j modulo that number."""
    channels, pixels = x.shape
    rows = 2 * reach + 1
    ratio = np.empty((rows, pixels), x.dtype)
    factor = x.dtype.type(2) * alpha * beta
    ready = 0  # channels below this one have their ratio
    for i in range(channels):
        start, end = _window(i, reach, width)
        for j in range(ready, end):
            _direct_and_ratio(dy[j], x, j, reach, width, alpha, beta, k, dx[j], ratio[j % rows])
        ready = end
        _subtract_window(ratio, start, end, factor, x[i], dx[i])


@loops
def _direct_and_ratio(dy, x, j, reach, width, alpha, beta, k, direct, ratio):
    """direct = dy_j scale_j^-beta, the first term of dx_j; ratio = dy_j x_j scale_j^(-beta - 1)."""
    start, end = _window(j, reach, width)
    x_j = x[j]
    if end - start == 5:
        a, b, c, d, e = x[start], x[start + 1], x[start + 2], x[start + 3], x[start + 4]
        for p in range(len(ratio)):
            power, inverse = _powers(k + alpha * _energy(a[p], b[p], c[p], d[p], e[p]), beta)
            direct[p] = dy[p] * power
            ratio[p] = dy[p] * power * x_j[p] * inverse
    else:
        _scale(x, start, end, alpha, k, ratio)
        for p in range(len(ratio)):
            power, inverse = _powers(ratio[p], beta)
            direct[p] = dy[p] * power
            ratio[p] = dy[p] * power * x_j[p] * inverse


@loops
def _subtract_window(ratio, start, end, factor, x, dx):
    """dx -= factor x times the sum of the ratios of the channels from start to end - 1."""
    rows = len(ratio)
    if end - start == rows == 5:  # the order of the rows does not matter
        a, b, c, d, e = ratio[0], ratio[1], ratio[2], ratio[3], ratio[4]
        for p in range(len(dx)):
            dx[p] -= factor * x[p] * (a[p] + b[p] + c[p] + d[p] + e[p])
    else:
        for j in range(start, end):
            ratio_j = ratio[j % rows]
            for p in range(len(dx)):
                dx[p] -= factor * x[p] * ratio_j[p]


@loops
def _scale(x, start, end, alpha, k, scale):
    """scale = k + the sum of alpha x_j^2 over the channels start to end - 1 of x (C, H W)."""
    for p in range(len(scale)):
        scale[p] = k
    for j in range(start, end):
        x_j = x[j]
        for p in range(len(scale)):
            scale[p] += alpha * (x_j[p] * x_j[p])


@loops
def _energy(a, b, c, d, e):
    return a * a + b * b + c * c + d * d + e * e


@loops
def _powers(scale, beta):
    """scale^-beta and scale^-1; for the published beta by two roots, far quicker than a power."""
    if beta == 0.75:
        root = np.float32(1) / math.sqrt(scale)
        return root * math.sqrt(root), root * root
    return scale**-beta, np.float32(1) / scale


@loops
def _window(i, reach, width):
    """The first channel within reach of i in its group of `width` channels, and the one after the
    last."""
    start_of_group = i // width * width
    return max(i - reach, start_of_group), min(i + reach + 1, start_of_group + width)
