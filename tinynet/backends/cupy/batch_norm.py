"""Batch normalisation: each channel is shifted and scaled to mean 0 and variance 1 over the batch,
then to a learned mean and deviation. The kernels are in batch_norm.cu.

    xhat = (x - mean) / sqrt(variance + eps)        mean, variance over N, H, W
    y    = weight xhat + bias

A channel's sum takes two steps, each in a fixed order: over parts of the images, then over the
parts. The variance takes a second pass over x: the mean of x^2 minus the square of the mean would
lose digits by cancellation. The kernels treat H W as one axis.
Source: Ioffe and Szegedy, Batch normalization (2015), algorithm 1.
"""

from pathlib import Path

from .device.launch import blocks, maps
from .device.sums import share, sum_of_parts, sum_over_maps

CU = Path(__file__).with_suffix(".cu")


def batch_norm_statistics(gpu, x, mean, variance):
    """Each channel's mean and variance (divided by the count). x (N, C, H, W); both (C,)"""
    channels = x.shape[1]
    count = x.size // channels
    sum_over_maps(gpu, x, mean, divisor=count)
    how, parts = share(x)
    partial = gpu.workspace("batch norm", (channels, parts), x.dtype)
    gpu.launch(CU, "partial_squares", blocks(channels * parts), x, mean, partial, how)
    sum_of_parts(gpu, partial, variance, divisor=count)


def batch_norm(gpu, x, weight, bias, mean, variance, eps, y):
    """y = weight xhat + bias. x, y (N, C, H, W); weight, bias, mean, variance (C,)"""
    how, _ = share(x)
    gpu.launch(CU, "batch_norm", _over_maps(x), x, weight, bias, mean, variance, eps, y, how)


def batch_norm_backward(gpu, dy, x, weight, mean, variance, eps, dx, dweight, dbias):
    """dbias = sum of dy; dweight = sum of dy xhat. Mean and variance depend on x, so with M = N H W
    dx = weight / sqrt(variance + eps) * (dy - dbias / M - xhat dweight / M).

    dy, x, dx (N, C, H, W); weight, mean, variance, dweight, dbias (C,)
    """
    how = _sum_gradients(gpu, dy, x, mean, variance, eps, dweight, dbias)
    gpu.launch(
        CU, "batch_norm_backward", _over_maps(x),
        dy, x, weight, mean, variance, eps, dweight, dbias, dx, how,
    )  # fmt: skip


def batch_norm_backward_frozen(gpu, dy, x, weight, mean, variance, eps, dx, dweight, dbias):
    """The same with mean and variance as constants: dx = weight / sqrt(variance + eps) * dy."""
    how = _sum_gradients(gpu, dy, x, mean, variance, eps, dweight, dbias)
    gpu.launch(
        CU, "batch_norm_backward_frozen", _over_maps(x), dy, weight, variance, eps, dx, how
    )  # fmt: skip


def _sum_gradients(gpu, dy, x, mean, variance, eps, dweight, dbias):
    """dweight = sum of dy xhat, dbias = sum of dy. Returns struct Share."""
    channels = x.shape[1]
    how, parts = share(x)
    partial = gpu.workspace("batch norm", (2, channels, parts), x.dtype)
    gpu.launch(
        CU, "partial_gradients", blocks(channels * parts),
        dy, x, mean, variance, eps, partial[0], partial[1], how,
    )  # fmt: skip
    sum_of_parts(gpu, partial[0], dweight)
    sum_of_parts(gpu, partial[1], dbias)
    return how


def _over_maps(x):
    """(grid, block)."""
    images, channels, height, width = x.shape
    return maps(images * channels, height * width)
