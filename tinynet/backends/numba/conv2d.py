"""Convolution as a matrix product: im2col.

Every output pixel is a dot product of the weights with the patch of the image under the kernel.
im2col copies the patches of one image side by side, each as a column; the layer is then one matrix
product for each image and group:

    columns  (C/G KH KW, OH OW)  one column an output pixel
    y        = weight (O/G, C/G KH KW)  @  columns
    dweight += dy (O/G, OH OW)          @  columns^T
    dcolumns = weight^T                 @  dy,      added back to where the patches came from: col2im

Each thread takes its share of the images, with buffers of its own and BLAS on that one thread.
Where maps are so small that a product would do little more than read the weights, B images lie
side by side in the buffers, up to AT_ONCE columns:

    padded   (C/G, H + 2 padding, W + 2 padding)    one image of one group, zeros around it
    columns  (C/G, KH, KW, B, OH, OW)
    rows     (O/G, B OH OW)                         y or dy; where B is 1 they are used in place

N images, C channels in, O out, G groups, H x W the map, (KH, KW) the kernel, (OH, OW) the output.
Source: Chellapilla, Puri, Simard, High performance convolutional neural networks for document
processing (2006); groups as in the paper's two towers, section 3.5.
"""  # noqa: E501

import numpy as np
from numba import prange

from tinynet.backends.host_memory import workspace
from tinynet.backends.numba.blas import product
from tinynet.backends.numba.compilation import loops, parallel_loops
from tinynet.backends.numba.threads import one_blas_thread, parallel, threads

AT_ONCE = 256  # columns: enough for a product to run at full speed, few enough for a core's cache


@parallel
def conv2d(x, weight, bias, stride, padding, groups, y):
    """y[n, o, i, j] = bias[o] + sum over c, u, v of weight[o, c, u, v] times the pixel it meets.

    x       (N, C, H, W)
    weight  (O, C / G, KH, KW)
    bias    (O,) or None
    y       (N, O, OH, OW)
    One turn of the parallel loop: one thread's share of the images.
    """
    if bias is None:
        bias = np.zeros(len(weight), weight.dtype)
    buffers = _buffers(x, weight, padding, groups, y)
    weight, y = _per_group(weight, groups), y.reshape(*y.shape[:2], -1)
    if len(buffers[0]) == 1:
        _forward(x, weight, bias, stride, padding, y, *(buffer[0] for buffer in buffers))
    else:
        with one_blas_thread:
            _forward_shares(x, weight, bias, stride, padding, y, *buffers)


@parallel
def conv2d_backward_input(dy, weight, stride, padding, groups, dx):
    """dx = the sum over all outputs that read the pixel of weight times dy.

    dy      (N, O, OH, OW)
    weight  (O, C / G, KH, KW)
    dx      (N, C, H, W)
    One turn of the parallel loop: one thread's share of the images.
    """
    buffers = _buffers(dx, weight, padding, groups, dy)
    weight, dy = _per_group(weight, groups), dy.reshape(*dy.shape[:2], -1)
    if len(buffers[0]) == 1:
        _backward_input(dy, weight, stride, padding, dx, *(buffer[0] for buffer in buffers))
    else:
        with one_blas_thread:
            _backward_input_shares(dy, weight, stride, padding, dx, *buffers)


@parallel
def conv2d_backward_weight(dy, x, stride, padding, groups, dweight):
    """dweight[o, c, u, v] = sum over n, i, j of dy[n, o, i, j] times the pixel that met it.

    dy       (N, O, OH, OW)
    x        (N, C, H, W)
    dweight  (O, C / G, KH, KW)
    One turn of the parallel loop: one thread's share of the images, into a sum of its own. The
    sums are then added in the order of the shares: the same bits on every run.
    """
    buffers = _buffers(x, dweight, padding, groups, dy)
    dweight, dy = _per_group(dweight, groups), dy.reshape(*dy.shape[:2], -1)
    if len(buffers[0]) == 1:
        _backward_weight(dy, x, stride, padding, dweight, *(buffer[0] for buffer in buffers))
    else:
        sums = workspace("conv2d sums", (len(buffers[0]), *dweight.shape), dweight.dtype)
        with one_blas_thread:
            _backward_weight_shares(dy, x, stride, padding, dweight, sums, *buffers)


@parallel
def conv2d_backward_bias(dy, dbias):
    """dbias[o] = sum over n, i, j of dy[n, o, i, j]. dy (N, O, OH, OW), dbias (O,)

    One turn of the parallel loop: one channel of all images.
    """
    _backward_bias(dy.reshape(*dy.shape[:2], -1), dbias)


def _per_group(weight, groups):
    """(O, C/G, KH, KW) seen as (G, O/G, C/G KH KW)."""
    return weight.reshape(groups, weight.shape[0] // groups, -1)


def _buffers(x, weight, padding, groups, y):
    """padded, columns and rows, each with an axis of shares in front.

    One share a thread; only one where there are fewer images than threads: BLAS uses them all then.
    """
    images, outputs, out_rows, out_columns = y.shape
    _, channels, *kernel = weight.shape
    shares = threads() if images >= threads() else 1
    at_once = max(1, min(-(-images // shares), AT_ONCE // (out_rows * out_columns)))
    height, width = x.shape[2] + 2 * padding[0], x.shape[3] + 2 * padding[1]
    columns = (shares, channels, *kernel, at_once, out_rows, out_columns)
    row_length = at_once * out_rows * out_columns if at_once > 1 else 0
    return (
        workspace("conv2d padded", (shares, channels, height, width), x.dtype),
        workspace("conv2d columns", columns, x.dtype),
        workspace("conv2d rows", (shares, outputs // groups, row_length), x.dtype),
    )


@parallel_loops
def _forward_shares(x, weight, bias, stride, padding, y, padded, columns, rows):
    shares = len(columns)
    for s in prange(shares):
        i, j = len(x) * s // shares, len(x) * (s + 1) // shares
        _forward(x[i:j], weight, bias, stride, padding, y[i:j], padded[s], columns[s], rows[s])


@loops
def _forward(x, weight, bias, stride, padding, y, padded, columns, rows):
    """conv2d of x (N, C, H, W); weight (G, O/G, C/G KH KW), y (N, O, OH OW)."""
    groups, outputs, patch = weight.shape
    channels, at_once, pixels = len(padded), columns.shape[3], y.shape[2]
    column_matrix = columns.reshape((patch, at_once * pixels))
    for n in range(0, len(x), at_once):
        images = min(at_once, len(x) - n)
        filled = images * pixels
        for g in range(groups):
            for b in range(images):
                _pad(x[n + b, g * channels : (g + 1) * channels], padding, padded)
                _im2col(padded, stride, b, columns)
            y_matrix = y[n, g * outputs : (g + 1) * outputs] if at_once == 1 else rows
            product(weight[g], column_matrix[:, :filled], 0, y_matrix[:, :filled])
            if at_once > 1:
                _from_rows(rows, y[n : n + images], g * outputs)
        for b in range(images):
            _add_bias(bias, y[n + b])


@parallel_loops
def _backward_input_shares(dy, weight, stride, padding, dx, padded, columns, rows):
    shares = len(columns)
    for s in prange(shares):
        i, j = len(dx) * s // shares, len(dx) * (s + 1) // shares
        _backward_input(dy[i:j], weight, stride, padding, dx[i:j], padded[s], columns[s], rows[s])


@loops
def _backward_input(dy, weight, stride, padding, dx, padded, columns, rows):
    """conv2d_backward_input; dy (N, O, OH OW), weight (G, O/G, C/G KH KW), dx (N, C, H, W)."""
    groups, outputs, patch = weight.shape
    channels, at_once, pixels = len(padded), columns.shape[3], dy.shape[2]
    column_matrix = columns.reshape((patch, at_once * pixels))
    for n in range(0, len(dx), at_once):
        images = min(at_once, len(dx) - n)
        filled = images * pixels
        for g in range(groups):
            if at_once > 1:
                _to_rows(dy[n : n + images], g * outputs, rows)
            dy_matrix = dy[n, g * outputs : (g + 1) * outputs] if at_once == 1 else rows
            product(weight[g].T, dy_matrix[:, :filled], 0, column_matrix[:, :filled])
            for b in range(images):
                _col2im(columns, stride, b, padded)
                _crop(padded, padding, dx[n + b, g * channels : (g + 1) * channels])


@parallel_loops
def _backward_weight_shares(dy, x, stride, padding, dweight, sums, padded, columns, rows):
    shares = len(columns)
    for s in prange(shares):
        i, j = len(x) * s // shares, len(x) * (s + 1) // shares
        _backward_weight(dy[i:j], x[i:j], stride, padding, sums[s], padded[s], columns[s], rows[s])
    groups, outputs, _ = dweight.shape
    for o in prange(groups * outputs):
        g = o // outputs
        _add_shares(sums[:, g, o - g * outputs], dweight[g, o - g * outputs])


@loops
def _backward_weight(dy, x, stride, padding, dweight, padded, columns, rows):
    """conv2d_backward_weight; dy (N, O, OH OW), x (N, C, H, W), dweight (G, O/G, C/G KH KW)."""
    groups, outputs, patch = dweight.shape
    channels, at_once, pixels = len(padded), columns.shape[3], dy.shape[2]
    column_matrix = columns.reshape((patch, at_once * pixels))
    dweight[...] = 0
    for n in range(0, len(x), at_once):
        images = min(at_once, len(x) - n)
        filled = images * pixels
        for g in range(groups):
            for b in range(images):
                _pad(x[n + b, g * channels : (g + 1) * channels], padding, padded)
                _im2col(padded, stride, b, columns)
            if at_once > 1:
                _to_rows(dy[n : n + images], g * outputs, rows)
            dy_matrix = dy[n, g * outputs : (g + 1) * outputs] if at_once == 1 else rows
            product(dy_matrix[:, :filled], column_matrix[:, :filled].T, 1, dweight[g])


@loops
def _add_shares(sums, total):
    for i in range(len(total)):
        total[i] = sums[0, i]
    for share in range(1, len(sums)):
        for i in range(len(total)):
            total[i] += sums[share, i]


@loops
def _add_bias(bias, y):
    for o in range(len(bias)):
        y_map, bias_o = y[o], bias[o]
        for p in range(len(y_map)):
            y_map[p] += bias_o


@parallel_loops
def _backward_bias(dy, dbias):
    images, outputs, pixels = dy.shape
    for o in prange(outputs):
        total = 0.0  # float64, map by map
        for n in range(images):
            total += _sum(dy[n, o])
        dbias[o] = total


@loops
def _sum(x):
    total = x.dtype.type(0)
    for p in range(len(x)):
        total += x[p]
    return total


@loops
def _im2col(padded, stride, b, columns):
    """columns[c, u, v, b, i, j] = padded[c, u + i stride, v + j stride]"""
    channels, kernel_rows, kernel_columns, _, out_rows, out_columns = columns.shape
    # Unsigned: signed indices are tested for being negative, cell by cell, and nothing vectorises.
    b, down, right = np.uintp(b), np.uintp(stride[0]), np.uintp(stride[1])
    for c in range(np.uintp(channels)):
        for u in range(np.uintp(kernel_rows)):
            for v in range(np.uintp(kernel_columns)):
                for i in range(np.uintp(out_rows)):
                    if right == 1:  # a loop over neighbours, so vectors can be moved
                        for j in range(np.uintp(out_columns)):
                            columns[c, u, v, b, i, j] = padded[c, u + i * down, v + j]
                    else:
                        for j in range(np.uintp(out_columns)):
                            columns[c, u, v, b, i, j] = padded[c, u + i * down, v + j * right]


@loops
def _col2im(columns, stride, b, padded):
    """padded[c, h, w] = the sum of the cells that _im2col fills from it."""
    channels, kernel_rows, kernel_columns, _, out_rows, out_columns = columns.shape
    b, down, right = np.uintp(b), np.uintp(stride[0]), np.uintp(stride[1])
    padded[...] = 0
    for c in range(np.uintp(channels)):
        for u in range(np.uintp(kernel_rows)):
            for v in range(np.uintp(kernel_columns)):
                for i in range(np.uintp(out_rows)):
                    if right == 1:
                        for j in range(np.uintp(out_columns)):
                            padded[c, u + i * down, v + j] += columns[c, u, v, b, i, j]
                    else:
                        for j in range(np.uintp(out_columns)):
                            padded[c, u + i * down, v + j * right] += columns[c, u, v, b, i, j]


@loops
def _pad(x, padding, padded):
    """padded = x (C, H, W) with rows and columns of zeros around it."""
    channels, height, width = x.shape
    padded[...] = 0
    for c in range(channels):
        for h in range(height):
            inside = padded[c, padding[0] + h, padding[1] : padding[1] + width]
            for w in range(width):
                inside[w] = x[c, h, w]


@loops
def _crop(padded, padding, x):
    """x = padded without its border; the inverse of _pad."""
    channels, height, width = x.shape
    for c in range(channels):
        for h in range(height):
            inside = padded[c, padding[0] + h, padding[1] : padding[1] + width]
            for w in range(width):
                x[c, h, w] = inside[w]


@loops
def _to_rows(y, first, rows):
    """rows[o, b OH OW + p] = y[b, first + o, p]: images side by side. y (B, O, OH OW)"""
    pixels = y.shape[2]
    for b in range(len(y)):
        for o in range(len(rows)):
            y_map, row = y[b, first + o], rows[o, b * pixels : (b + 1) * pixels]
            for p in range(pixels):
                row[p] = y_map[p]


@loops
def _from_rows(rows, y, first):
    """The inverse of _to_rows."""
    pixels = y.shape[2]
    for b in range(len(y)):
        for o in range(len(rows)):
            y_map, row = y[b, first + o], rows[o, b * pixels : (b + 1) * pixels]
            for p in range(pixels):
                y_map[p] = row[p]
