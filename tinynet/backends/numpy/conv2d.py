"""Convolution as a matrix product: im2col.

Every output pixel is a dot product of the weights with the patch of the image under the kernel.
im2col copies the patches of one image side by side, each as a column; the whole layer is then one
matrix product for each group:

    columns  (C KH KW, OH OW)    one column for each output pixel
    y        = weight (O, C KH KW)  @  columns
    dweight  = dy (O, OH OW)        @  columns^T
    dcolumns = weight^T             @  dy,      added back to where the patches came from: col2im

im2col is linear, and col2im is its transpose: <im2col(x), c> = <x, col2im(c)>.

N images, C channels in, O out, G groups, H x W the map, (KH, KW) the kernel, (OH, OW) the output.
Source: Chellapilla, Puri, Simard, High performance convolutional neural networks for document
processing (2006); groups as in the paper's two towers, section 3.5.
"""

import numpy as np

from tinynet.backends.host_memory import workspace


def im2col(image, stride, padding, columns):
    """columns[c, u, v, i, j] = image[c, i stride + u - padding, j stride + v - padding], or 0 outside.

    image    (C, H, W)
    columns  (C, KH, KW, OH, OW)
    """  # noqa: E501
    _, kernel_rows, kernel_columns, out_rows, out_columns = columns.shape
    padded = _pad(image, padding)
    for u in range(kernel_rows):
        for v in range(kernel_columns):
            rows = slice(u, u + stride[0] * (out_rows - 1) + 1, stride[0])
            cols = slice(v, v + stride[1] * (out_columns - 1) + 1, stride[1])
            columns[:, u, v] = padded[:, rows, cols]


def col2im(columns, stride, padding, image):
    """image[c, h, w] = the sum of the columns' cells that im2col fills from image[c, h, w].

    columns  (C, KH, KW, OH, OW)
    image    (C, H, W)
    """
    _, kernel_rows, kernel_columns, out_rows, out_columns = columns.shape
    padded = _pad(np.zeros_like(image), padding)
    for u in range(kernel_rows):
        for v in range(kernel_columns):
            rows = slice(u, u + stride[0] * (out_rows - 1) + 1, stride[0])
            cols = slice(v, v + stride[1] * (out_columns - 1) + 1, stride[1])
            padded[:, rows, cols] += columns[:, u, v]
    _, height, width = image.shape
    image[...] = padded[:, padding[0] : padding[0] + height, padding[1] : padding[1] + width]


def conv2d(x, weight, bias, stride, padding, groups, y):
    """y[n, o, i, j] = bias[o] + sum over c, u, v of weight[o, c, u, v] times the pixel under it.

    x       (N, C, H, W)
    weight  (O, C / G, KH, KW)
    bias    (O,) or None
    y       (N, O, OH, OW)
    """
    columns, columns_matrix = _columns(x, weight, y, groups)
    weight_matrix = weight.reshape(groups, weight.shape[0] // groups, -1)
    for image, y_image in zip(x, y, strict=True):
        im2col(image, stride, padding, columns)
        np.matmul(weight_matrix, columns_matrix, out=_per_group(y_image, groups))
    if bias is not None:
        y += bias[:, None, None]


def conv2d_backward_input(dy, weight, stride, padding, groups, dx):
    """dx[pixel] = the sum of weight times dy over all outputs that read the pixel.

    dy      (N, O, OH, OW)
    weight  (O, C / G, KH, KW)
    dx      (N, C, H, W)
    """
    columns, columns_matrix = _columns(dx, weight, dy, groups)
    weight_matrix = weight.reshape(groups, weight.shape[0] // groups, -1)
    for dy_image, dx_image in zip(dy, dx, strict=True):
        dy_matrix = _per_group(dy_image, groups)
        np.matmul(weight_matrix.transpose(0, 2, 1), dy_matrix, out=columns_matrix)
        col2im(columns, stride, padding, dx_image)


def conv2d_backward_weight(dy, x, stride, padding, groups, dweight):
    """dweight[o, c, u, v] = sum over n, i, j of dy[n, o, i, j] times the pixel under the weight.

    dy       (N, O, OH, OW)
    x        (N, C, H, W)
    dweight  (O, C / G, KH, KW)
    """
    columns, columns_matrix = _columns(x, dweight, dy, groups)
    dweight_matrix = dweight.reshape(groups, dweight.shape[0] // groups, -1)
    dweight_matrix[...] = 0
    for dy_image, image in zip(dy, x, strict=True):
        im2col(image, stride, padding, columns)
        dweight_matrix += _per_group(dy_image, groups) @ columns_matrix.transpose(0, 2, 1)


def conv2d_backward_bias(dy, dbias):
    """dbias[o] = sum over n, i, j of dy[n, o, i, j]. dy (N, O, OH, OW), dbias (O,)"""
    dbias[...] = dy.sum(axis=(0, 2, 3), dtype=np.float64)


def _pad(image, padding):
    return np.pad(image, ((0, 0), (padding[0], padding[0]), (padding[1], padding[1])))


def _per_group(image, groups):
    """(O, OH, OW) seen as (G, O / G, OH OW)."""
    return image.reshape(groups, image.shape[0] // groups, -1)


def _columns(x, weight, y, groups):
    """The column buffer of one image, as (C, KH, KW, OH, OW) and as (G, C / G KH KW, OH OW)."""
    columns = workspace("columns", (x.shape[1], *weight.shape[2:], *y.shape[2:]), x.dtype)
    return columns, columns.reshape(groups, -1, y.shape[2] * y.shape[3])
