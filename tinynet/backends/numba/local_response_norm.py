"""Local response normalisation: each activation is divided by the energy of its neighbours in the
channel axis, at the same pixel.

    scale_i = k + alpha * sum of x_j^2 over the channels j within size // 2 of i
    y_i     = x_i / scale_i^beta

A channel i reads its neighbours, and so its neighbours' outputs read x_i:

    dx_i = dy_i scale_i^-beta - 2 alpha beta x_i * sum of dy_j x_j scale_j^(-beta - 1) over i's window

Each window is summed anew. A sum that moves along, adding a channel and taking one away, would be
shorter, but a NaN would stay in it for all channels to come.

Source: the paper, section 3.3; groups: the authors' program of 2012, whose window stops at the
tower's edge.
"""  # noqa: E501

import math

import numpy as np
from numba import prange

from tinynet.backends.numba.compilation import loops, parallel_loops
from tinynet.backends.numba.threads import parallel

BLOCK = 256  # pixels of all channels that one turn works on: about what its core's cache holds


@parallel
def local_response_norm(x, size, alpha, beta, k, groups, y, scale):
    """y = x / scale^beta with scale as above.

    x, y, scale  (N, C, H, W)
    size         odd; groups: the window stops at the edges of a group of C / G channels
    One turn of the parallel loop: a block of pixels of one image, all its channels.
    """
    maps = (*x.shape[:2], -1)
    alpha, beta, k = (x.dtype.type(number) for number in (alpha, beta, k))
    _local_response_norm(
        x.reshape(maps), size // 2, alpha, beta, k, groups, y.reshape(maps), scale.reshape(maps)
    )


@parallel
def local_response_norm_backward(dy, x, scale, size, alpha, beta, groups, dx):
    """dx as above. dy, x, scale, dx: (N, C, H, W). Turns as in local_response_norm."""
    maps = (*x.shape[:2], -1)
    alpha, beta = x.dtype.type(alpha), x.dtype.type(beta)
    dy, x, scale, dx = (array.reshape(maps) for array in (dy, x, scale, dx))
    _local_response_norm_backward(dy, x, scale, size // 2, alpha, beta, groups, dx)


@parallel_loops
def _local_response_norm(x, reach, alpha, beta, k, groups, y, scale):
    images, _, pixels = x.shape
    blocks = (pixels + BLOCK - 1) // BLOCK
    for turn in prange(images * blocks):
        n, first = turn // blocks, turn % blocks * BLOCK
        last = min(first + BLOCK, pixels)
        _normalise_block(x[n], first, last, reach, alpha, beta, k, groups, y[n], scale[n])


@loops
def _normalise_block(x, first, last, reach, alpha, beta, k, groups, y, scale):
    channels = len(x)
    for i in range(channels):
        x_i, y_i, scale_i = x[i, first:last], y[i, first:last], scale[i, first:last]
        for p in range(len(scale_i)):
            scale_i[p] = 0
        start, end = _window(i, reach, channels // groups)
        for j in range(start, end):
            x_j = x[j, first:last]
            for p in range(len(scale_i)):
                scale_i[p] += x_j[p] * x_j[p]
        for p in range(len(scale_i)):
            scale_i[p] = k + alpha * scale_i[p]
        _to_the_minus(beta, scale_i, y_i)
        for p in range(len(scale_i)):
            y_i[p] *= x_i[p]


@parallel_loops
def _local_response_norm_backward(dy, x, scale, reach, alpha, beta, groups, dx):
    images, _, pixels = x.shape
    blocks = (pixels + BLOCK - 1) // BLOCK
    for turn in prange(images * blocks):
        n, first = turn // blocks, turn % blocks * BLOCK
        last = min(first + BLOCK, pixels)
        _differentiate_block(dy[n], x[n], scale[n], first, last, reach, alpha, beta, groups, dx[n])


@loops
def _differentiate_block(dy, x, scale, first, last, reach, alpha, beta, groups, dx):
    channels = len(x)
    ratio = np.empty((channels, last - first), x.dtype)  # dy x scale^(-beta - 1)
    window_sum = np.empty(last - first, x.dtype)
    for j in range(channels):
        dy_j, x_j, scale_j = dy[j, first:last], x[j, first:last], scale[j, first:last]
        dx_j, ratio_j = dx[j, first:last], ratio[j]
        _to_the_minus(beta, scale_j, dx_j)
        for p in range(len(dx_j)):
            dx_j[p] *= dy_j[p]
            ratio_j[p] = dx_j[p] * x_j[p] / scale_j[p]
    factor = x.dtype.type(2) * alpha * beta
    for i in range(channels):
        x_i, dx_i = x[i, first:last], dx[i, first:last]
        for p in range(len(window_sum)):
            window_sum[p] = 0
        start, end = _window(i, reach, channels // groups)
        for j in range(start, end):
            ratio_j = ratio[j]
            for p in range(len(window_sum)):
                window_sum[p] += ratio_j[p]
        for p in range(len(window_sum)):
            dx_i[p] -= factor * x_i[p] * window_sum[p]


@loops
def _window(i, reach, width):
    """The first channel within reach of i in its group of `width` channels, and the one after the
    last."""
    start_of_group = i // width * width
    return max(i - reach, start_of_group), min(i + reach + 1, start_of_group + width)


@loops
def _to_the_minus(beta, scale, power):
    """power = scale^-beta. The published beta, 0.75, is two square roots, which are far quicker."""
    if beta == 0.75:
        one = scale.dtype.type(1)
        for p in range(len(scale)):
            root = math.sqrt(scale[p])
            power[p] = one / (root * math.sqrt(root))
    else:
        for p in range(len(scale)):
            power[p] = scale[p] ** -beta
