"""The sum of each channel over all images and pixels, in two steps of a fixed order."""

from pathlib import Path

from tinynet.backends.cupy.launch import blocks

CU = Path(__file__).with_suffix(".cu")
PARTS = 32  # blocks that share a channel: more than a GPU runs at a time, with AlexNet's channels


def sum_over_maps(gpu, x, sums):
    """sums[c] = sum over n, h, w of x[n, c, h, w]. x (N, C, H, W), sums (C,)"""
    images, channels, height, width = x.shape
    parts = min(PARTS, images)
    partial = gpu.workspace("sums", (channels, parts), x.dtype)
    gpu.launch(
        CU, "sum_of_images", blocks(channels * parts),
        x, partial, images, channels, height * width, parts,
    )  # fmt: skip
    sum_of_parts(gpu, partial, sums)


def sum_of_parts(gpu, partial, sums):
    """sums[c] = sum over i of partial[c, i]. partial (C, parts), sums (C,)"""
    channels, parts = partial.shape
    gpu.launch(CU, "sum_of_parts", blocks(channels), partial, sums, parts)
