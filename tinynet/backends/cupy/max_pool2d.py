"""Max-pooling: each output is the largest value in its window; windows may overlap. The kernels are
in max_pool2d.cu.

Source: the paper, section 3.4 (window 3, stride 2).
"""

from pathlib import Path

from .device.launch import maps
from .device.windows import windows

CU = Path(__file__).with_suffix(".cu")


def max_pool2d(gpu, x, window, stride, padding, y, switches):
    """y[n, c, i, j] = the largest x in the window at (i, j); switches = where it was.

    x          (N, C, H, W)
    y          (N, C, OH, OW)
    switches   (N, C, OH, OW)  int32, index into the H x W map; ties go to the first
    window, stride, padding    pairs (rows, columns)
    Padding counts as -inf; NaN wins (the window's last NaN).
    """
    count = x.shape[0] * x.shape[1]
    gpu.launch(
        CU, "max_pool2d", maps(count, y.shape[2] * y.shape[3]),
        x, y, switches, count, windows(x, window, stride, padding, y),
    )  # fmt: skip


def max_pool2d_backward(gpu, dy, switches, window, stride, padding, dx):
    """dx[n, c, p] = the sum of dy over the windows whose switch is p.

    dy        (N, C, OH, OW)
    switches  (N, C, OH, OW)  int32
    dx        (N, C, H, W)
    window, stride, padding    pairs; they say which windows cover a pixel
    """
    count = dx.shape[0] * dx.shape[1]
    gpu.launch(
        CU, "max_pool2d_backward", maps(count, dx.shape[2] * dx.shape[3]),
        dy, switches, dx, count, windows(dx, window, stride, padding, dy),
    )  # fmt: skip
