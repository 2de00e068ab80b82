"""Batch normalisation: each channel is shifted and scaled to mean 0 and variance 1 over the batch,
then to a learned mean and deviation.

    xhat = (x - mean) / sqrt(variance + eps)        mean, variance over N, H, W
    y    = weight xhat + bias

Sums are kept in float64: NumPy adds numbers one after the other along any axis but the last, and a
long sum in float32 would lose digits.
Source: Ioffe and Szegedy, Batch normalization (2015), algorithm 1.
"""

import numpy as np

OVER_MAPS = (0, 2, 3)


def batch_norm_statistics(x, mean, variance):
    """Each channel's mean and variance (divided by the count). x (N, C, H, W); both (C,)"""
    mean[...] = x.mean(axis=OVER_MAPS, dtype=np.float64)
    variance[...] = ((x - _maps(mean)) ** 2).mean(axis=OVER_MAPS, dtype=np.float64)


def batch_norm(x, weight, bias, mean, variance, eps, y):
    """y = weight xhat + bias. x, y (N, C, H, W); weight, bias, mean, variance (C,)"""
    y[...] = _maps(weight) * _normalised(x, mean, variance, eps) + _maps(bias)


def batch_norm_backward(dy, x, weight, mean, variance, eps, dx, dweight, dbias):
    """dbias = sum of dy; dweight = sum of dy xhat. Mean and variance depend on x, so with M = N H W
    dx = weight / sqrt(variance + eps) * (dy - dbias / M - xhat dweight / M).

    dy, x, dx (N, C, H, W); weight, mean, variance, dweight, dbias (C,)
    """
    batch_norm_backward_frozen(dy, x, weight, mean, variance, eps, dx, dweight, dbias)
    count = x.size // x.shape[1]
    xhat = _normalised(x, mean, variance, eps)
    through_statistics = _maps(dbias) / count + xhat * _maps(dweight) / count
    dx -= _maps(weight / np.sqrt(variance + eps)) * through_statistics


def batch_norm_backward_frozen(dy, x, weight, mean, variance, eps, dx, dweight, dbias):
    """The same with mean and variance as constants: dx = weight / sqrt(variance + eps) * dy."""
    xhat = _normalised(x, mean, variance, eps)
    dbias[...] = dy.sum(axis=OVER_MAPS, dtype=np.float64)
    dweight[...] = (dy * xhat).sum(axis=OVER_MAPS, dtype=np.float64)
    dx[...] = _maps(weight / np.sqrt(variance + eps)) * dy


def _normalised(x, mean, variance, eps):
    return (x - _maps(mean)) / np.sqrt(_maps(variance) + eps)


def _maps(per_channel):
    """(C,) seen as (C, 1, 1), to broadcast over maps."""
    return per_channel[:, None, None]
