"""Adaptive average pooling: an output of a fixed size, whatever the size of the map. The kernels
are in adaptive_avg_pool2d.cu.

Output row i averages rows floor(i H / OH) to ceil((i + 1) H / OH) - 1, and columns alike, so that
windows cover the map and overlap where the sizes do not divide. Source: PyTorch, used by
torchvision's AlexNet before fc6.
"""

from pathlib import Path

from .device.launch import int_struct, maps

CU = Path(__file__).with_suffix(".cu")


def adaptive_avg_pool2d(gpu, x, y):
    """y[n, c, i, j] = the mean of x over the window of (i, j). x (N, C, H, W), y (N, C, OH, OW)"""
    images, channels, rows, columns = y.shape
    count = images * channels
    gpu.launch(
        CU, "adaptive_avg_pool2d", maps(count, rows * columns), x, y, count, _sizes(x, y)
    )  # fmt: skip


def adaptive_avg_pool2d_backward(gpu, dy, dx):
    """dx[pixel] = the sum of dy / (cells of the window) over all windows that cover the pixel.

    dy (N, C, OH, OW), dx (N, C, H, W)
    """
    images, channels, height, width = dx.shape
    count = images * channels
    gpu.launch(
        CU, "adaptive_avg_pool2d_backward", maps(count, height * width),
        dy, dx, count, _sizes(dx, dy),
    )  # fmt: skip


def _sizes(x, y):
    """struct Sizes of adaptive_avg_pool2d.cu."""
    return int_struct(
        height=x.shape[2], width=x.shape[3], out_rows=y.shape[2], out_columns=y.shape[3]
    )  # fmt: skip
