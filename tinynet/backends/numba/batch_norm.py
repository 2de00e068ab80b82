"""Batch normalisation: each channel is shifted and scaled to mean 0 and variance 1 over the batch,
then to a learned mean and deviation.

    xhat = (x - mean) / sqrt(variance + eps)        mean, variance over N, H, W
    y    = weight xhat + bias

A channel's sums are kept in float64; up to PIECE pixels of a map are added in x's dtype first. The
kernels treat H W as one axis.
Source: Ioffe and Szegedy, Batch normalization (2015), algorithm 1.
"""

import math

from numba import prange

from .compilation import loops, parallel_loops
from .threads import parallel

PIECE = 4096  # pixels


@parallel
def batch_norm_statistics(x, mean, variance):
    """Each channel's mean and variance (divided by the count). x (N, C, H, W); both (C,)

    One iteration of the parallel loop: one channel of all images.
    """
    _statistics(x.reshape(*x.shape[:2], -1), mean, variance)


@parallel
def batch_norm(x, weight, bias, mean, variance, eps, y):
    """y = weight xhat + bias. x, y (N, C, H, W); weight, bias, mean, variance (C,)

    One iteration of the parallel loop: one channel of all images.
    """
    maps = (*x.shape[:2], -1)
    _normalise(x.reshape(maps), weight, bias, mean, variance, eps, y.reshape(maps))


@parallel
def batch_norm_backward(dy, x, weight, mean, variance, eps, dx, dweight, dbias):
    """dbias = sum of dy; dweight = sum of dy xhat. Mean and variance depend on x, so with M = N H W
    dx = weight / sqrt(variance + eps) * (dy - dbias / M - xhat dweight / M).

    dy, x, dx (N, C, H, W); weight, mean, variance, dweight, dbias (C,)
    One iteration of the parallel loop: one channel of all images.
    """
    _differentiate(dy, x, weight, mean, variance, eps, True, dx, dweight, dbias)


@parallel
def batch_norm_backward_frozen(dy, x, weight, mean, variance, eps, dx, dweight, dbias):
    """The same with mean and variance as constants: dx = weight / sqrt(variance + eps) * dy."""
    _differentiate(dy, x, weight, mean, variance, eps, False, dx, dweight, dbias)


def _differentiate(dy, x, weight, mean, variance, eps, moves, dx, dweight, dbias):
    maps = (*x.shape[:2], -1)
    dy, x, dx = (array.reshape(maps) for array in (dy, x, dx))
    _backward(dy, x, weight, mean, variance, eps, moves, dx, dweight, dbias)


@parallel_loops
def _statistics(x, mean, variance):
    images, channels, pixels = x.shape
    for c in prange(channels):
        total = 0.0
        for n in range(images):
            for p in range(0, pixels, PIECE):
                total += _sum(x[n, c, p : p + PIECE])
        mean[c] = total / (images * pixels)
        squares = 0.0
        for n in range(images):
            for p in range(0, pixels, PIECE):
                squares += _sum_of_squares(x[n, c, p : p + PIECE], mean[c])
        variance[c] = squares / (images * pixels)


@parallel_loops
def _normalise(x, weight, bias, mean, variance, eps, y):
    for c in prange(x.shape[1]):
        factor = x.dtype.type(weight[c] / math.sqrt(variance[c] + eps))
        for n in range(len(x)):
            _shift_and_scale(x[n, c], mean[c], factor, bias[c], y[n, c])


@parallel_loops
def _backward(dy, x, weight, mean, variance, eps, moves, dx, dweight, dbias):
    images, channels, pixels = x.shape
    for c in prange(channels):
        inverse_deviation = 1 / math.sqrt(variance[c] + eps)
        sum_of_dy = 0.0
        sum_of_products = 0.0
        for n in range(images):
            for p in range(0, pixels, PIECE):
                dy_piece, x_piece = dy[n, c, p : p + PIECE], x[n, c, p : p + PIECE]
                sum_of_dy += _sum(dy_piece)
                sum_of_products += _sum_of_products(dy_piece, x_piece, mean[c])
        dbias[c] = sum_of_dy
        dweight[c] = sum_of_products * inverse_deviation
        factor = dy.dtype.type(weight[c] * inverse_deviation)
        through_mean = dy.dtype.type(sum_of_dy / (images * pixels))
        through_variance = dy.dtype.type(sum_of_products * inverse_deviation**2 / (images * pixels))
        for n in range(images):
            if moves:
                _backward_map(
                    dy[n, c], x[n, c], mean[c], factor, through_mean, through_variance, dx[n, c]
                )
            else:
                _scale(dy[n, c], factor, dx[n, c])


@loops
def _sum(x):
    total = x.dtype.type(0)
    for p in range(len(x)):
        total += x[p]
    return total


@loops
def _sum_of_squares(x, mean):
    total = x.dtype.type(0)
    for p in range(len(x)):
        total += (x[p] - mean) * (x[p] - mean)
    return total


@loops
def _sum_of_products(dy, x, mean):
    total = x.dtype.type(0)
    for p in range(len(x)):
        total += dy[p] * (x[p] - mean)
    return total


@loops
def _shift_and_scale(x, mean, factor, bias, y):
    for p in range(len(x)):
        y[p] = (x[p] - mean) * factor + bias


@loops
def _scale(dy, factor, dx):
    for p in range(len(dy)):
        dx[p] = factor * dy[p]


@loops
def _backward_map(dy, x, mean, factor, through_mean, through_variance, dx):
    for p in range(len(x)):
        dx[p] = factor * (dy[p] - through_mean - (x[p] - mean) * through_variance)
