"""Average pooling: each output is the mean of its window. The kernels are in avg_pool2d.cu.

The window's cells count where they lie on the map or, with count_include_pad, on its padding
(zeros); cells beyond the padded edge (ceil_mode) never count. Source: docs/facts.md, section 2;
Caffe counts the padding, PyTorch has both.
"""

from pathlib import Path

from .device.launch import maps
from .device.windows import windows

CU = Path(__file__).with_suffix(".cu")


def avg_pool2d(gpu, x, window, stride, padding, count_include_pad, y):
    """y[n, c, i, j] = the sum of x in the window at (i, j) / (cells of the window that count).

    x          (N, C, H, W)
    y          (N, C, OH, OW)
    window, stride, padding    pairs (rows, columns)
    count_include_pad          whether cells of the padding count
    """
    count = x.shape[0] * x.shape[1]
    gpu.launch(
        CU, "avg_pool2d", maps(count, y.shape[2] * y.shape[3]),
        x, y, count, int(count_include_pad), windows(x, window, stride, padding, y),
    )  # fmt: skip


def avg_pool2d_backward(gpu, dy, window, stride, padding, count_include_pad, dx):
    """dx[pixel] = the sum of dy / (cells of the window that count) over all windows that cover the
    pixel.

    dy         (N, C, OH, OW)
    dx         (N, C, H, W)
    """
    count = dx.shape[0] * dx.shape[1]
    gpu.launch(
        CU, "avg_pool2d_backward", maps(count, dx.shape[2] * dx.shape[3]),
        dy, dx, count, int(count_include_pad), windows(dx, window, stride, padding, dy),
    )  # fmt: skip
