"""Average pooling: each output is the mean of its window. The kernels are in avg_pool2d.cu.

The window's cells count where they lie on the map or its padding (zeros); what hangs over the
padded edge (ceil_mode) does not count. Source: FACTS of the pools, Caffe and PyTorch
(count_include_pad=True).
"""

from pathlib import Path

from tinynet.backends.cupy.launch import maps, record

CU = Path(__file__).with_suffix(".cu")


def avg_pool2d(gpu, x, window, stride, padding, y):
    """y[n, c, i, j] = the sum of x in the window at (i, j) over the number of its cells.

    x          (N, C, H, W)
    y          (N, C, OH, OW)
    window, stride, padding    pairs (rows, columns)
    """
    images, channels, rows, columns = y.shape
    count = images * channels
    gpu.launch(
        CU, "avg_pool2d", maps(count, rows * columns),
        x, y, count, _pool(x, window, stride, padding, y),
    )  # fmt: skip


def avg_pool2d_backward(gpu, dy, window, stride, padding, dx):
    """dx = the sum over the windows that cover the pixel of dy over that window's number of cells.

    dy         (N, C, OH, OW)
    dx         (N, C, H, W)
    """
    images, channels, height, width = dx.shape
    count = images * channels
    gpu.launch(
        CU, "avg_pool2d_backward", maps(count, height * width),
        dy, dx, count, _pool(dx, window, stride, padding, dy),
    )  # fmt: skip


def _pool(x, window, stride, padding, y):
    """struct Pool of avg_pool2d.cu."""
    return record(
        height=x.shape[2], width=x.shape[3],
        out_rows=y.shape[2], out_columns=y.shape[3],
        window_rows=window[0], window_columns=window[1],
        row_stride=stride[0], column_stride=stride[1],
        row_padding=padding[0], column_padding=padding[1],
    )  # fmt: skip
