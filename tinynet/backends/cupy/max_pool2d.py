"""Max-pooling: each output is the largest value in its window; windows may overlap. The kernels are
in max_pool2d.cu.

Source: the paper, section 3.4 (window 3, stride 2).
"""

from pathlib import Path

from tinynet.backends.cupy.launch import maps, record

CU = Path(__file__).with_suffix(".cu")


def max_pool2d(gpu, x, window, stride, padding, y, switches):
    """y[n, c, i, j] = the largest x in the window at (i, j); switches = where it was.

    x          (N, C, H, W)
    y          (N, C, OH, OW)
    switches   (N, C, OH, OW)  int32, index into the H x W map; ties go to the first
    window, stride, padding    pairs (rows, columns)
    Padding counts as -inf; NaN wins (the window's last).
    """
    count = x.shape[0] * x.shape[1]
    geometry = _geometry(x, window, stride, padding, y)
    grid = maps(count, y.shape[2] * y.shape[3])
    gpu.launch(CU, "max_pool2d", grid, x, y, switches, count, geometry)


def max_pool2d_backward(gpu, dy, switches, window, stride, padding, dx):
    """dx[n, c, p] = the sum of dy over the windows whose switch is p.

    dy        (N, C, OH, OW)
    switches  (N, C, OH, OW)  int32
    dx        (N, C, H, W)
    window, stride, padding    pairs: which windows may have a switch at a pixel
    """
    count = dx.shape[0] * dx.shape[1]
    geometry = _geometry(dx, window, stride, padding, dy)
    grid = maps(count, dx.shape[2] * dx.shape[3])
    gpu.launch(CU, "max_pool2d_backward", grid, dy, switches, dx, count, geometry)


def _geometry(x, window, stride, padding, y):
    """struct Geometry of max_pool2d.cu."""
    return record(
        height=x.shape[2], width=x.shape[3], out_rows=y.shape[2], out_columns=y.shape[3],
        window_rows=window[0], window_columns=window[1],
        row_stride=stride[0], column_stride=stride[1],
        row_padding=padding[0], column_padding=padding[1],
    )  # fmt: skip
