"""The windows of a pool, as an argument of its kernels."""

from .launch import int_struct


def windows(x, window, stride, padding, y):
    """struct Windows of windows.cuh, for the pool from x (N, C, H, W) to y (N, C, OH, OW).

    window, stride, padding  pairs (rows, columns)
    """
    return int_struct(
        height=x.shape[2], width=x.shape[3], out_rows=y.shape[2], out_columns=y.shape[3],
        window_rows=window[0], window_columns=window[1],
        row_stride=stride[0], column_stride=stride[1],
        row_padding=padding[0], column_padding=padding[1],
    )  # fmt: skip
