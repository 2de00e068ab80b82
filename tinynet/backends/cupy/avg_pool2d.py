"""Average pooling: each output is the mean of its window. The kernels are in avg_pool2d.cu.

The window's cells count where they lie on the map or its padding (zeros); cells beyond the
padded edge (ceil_mode) do not count. Source: docs/facts.md, section 2; Caffe and PyTorch
(count_include_pad=True).
"""

from pathlib import Path

from .device.launch import maps
from .device.windows import windows

CU = Path(__file__).with_suffix(".cu")


def avg_pool2d(gpu, x, window, stride, padding, y):
    """y[n, c, i, j] = the sum of x in the window at (i, j) / (cells of the window).

    x          (N, C, H, W)
    y          (N, C, OH, OW)
    window, stride, padding    pairs (rows, columns)
    """
    count = x.shape[0] * x.shape[1]
    gpu.launch(
        CU, "avg_pool2d", maps(count, y.shape[2] * y.shape[3]),
        x, y, count, windows(x, window, stride, padding, y),
    )  # fmt: skip


def avg_pool2d_backward(gpu, dy, window, stride, padding, dx):
    """dx[pixel] = the sum of dy / (cells of the window) over all windows that cover the pixel.

    dy         (N, C, OH, OW)
    dx         (N, C, H, W)
    """
    count = dx.shape[0] * dx.shape[1]
    gpu.launch(
        CU, "avg_pool2d_backward", maps(count, dx.shape[2] * dx.shape[3]),
        dy, dx, count, windows(dx, window, stride, padding, dy),
    )  # fmt: skip
