"""Batch normalisation: each channel is shifted and scaled to mean 0 and variance 1 over the batch,
then to a learned mean and deviation.

    xhat = (x - mean) / sqrt(variance + eps)        mean, variance over N, H, W
    y    = weight xhat + bias

Source: Ioffe and Szegedy, Batch normalization (2015), algorithm 1.
"""

import numpy as np

OVER_MAPS = (0, 2, 3)


def batch_norm_statistics(x, mean, variance):
    """Each channel's mean and variance (divided by the count). x (N, C, H, W); both (C,)"""
    np.mean(x, axis=OVER_MAPS, out=mean)
    np.mean((x - _maps(mean)) ** 2, axis=OVER_MAPS, out=variance)


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
    np.sum(dy, axis=OVER_MAPS, out=dbias)
    np.sum(dy * _normalised(x, mean, variance, eps), axis=OVER_MAPS, out=dweight)
    dx[...] = _maps(weight / np.sqrt(variance + eps)) * dy


def _normalised(x, mean, variance, eps):
    return (x - _maps(mean)) / np.sqrt(_maps(variance) + eps)


def _maps(per_channel):
    """(C,) seen as (C, 1, 1), to broadcast over maps."""
    return per_channel[:, None, None]
