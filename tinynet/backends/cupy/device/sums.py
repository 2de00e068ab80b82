"""The sum of each channel over all images and pixels, in two steps, each in a fixed order. The
kernels are in sums.cu."""

from pathlib import Path

from .launch import BLOCK, blocks, int_struct

CU = Path(__file__).with_suffix(".cu")
PARTS = 32  # blocks that share a channel: from 96 channels on, more blocks than a GPU runs at once


def sum_over_maps(gpu, x, sums, divisor=1):
    """sums[c] = (sum over n, h, w of x[n, c, h, w]) / divisor. x (N, C, H, W), sums (C,)"""
    channels = x.shape[1]
    how, parts = share(x)
    partial = gpu.workspace("sums", (channels, parts), x.dtype)
    gpu.launch(CU, "sum_of_images", blocks(channels * parts), x, partial, how)
    sum_of_parts(gpu, partial, sums, divisor)


def sum_of_parts(gpu, partial, sums, divisor=1):
    """sums[c] = (sum over i of partial[c, i]) / divisor. partial (C, parts), sums (C,)"""
    channels, parts = partial.shape
    gpu.launch(CU, "sum_of_parts", blocks(channels), partial, sums, parts, divisor)


def share(x):
    """struct Share of sums.cuh, and its number of parts. A block takes as many maps at a time as
    its threads cover. There are only as many parts as keep every block full."""
    images, channels, height, width = x.shape
    pixels = height * width
    lanes = min(BLOCK, 1 << (pixels - 1).bit_length())
    parts = max(1, min(PARTS, images * lanes // BLOCK))
    how = int_struct(images=images, channels=channels, pixels=pixels, parts=parts, lanes=lanes)
    return how, parts
