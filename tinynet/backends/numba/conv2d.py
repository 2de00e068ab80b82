"""Convolution as matrix products: im2col for the kernel's columns only.

The reference copies every pixel KH KW times, once for each place under the kernel. Here it is
copied KW times, for the kernel's columns only, row by row:

    columns[c, v, h, j] = padded[c, h, v + j]

For the kernel's row u, output row i needs the image's row i + u. Rows of `columns` are
consecutive in memory, so the matrix for kernel row u begins u rows later (KH = 3, OH = 4):

    h       0   1   2   3   4   5
          | OW| OW| OW| OW| OW| OW|      one c, v
    u = 0  [-------------]
    u = 1      [-------------]           a pointer moves on, nothing is copied
    u = 2          [-------------]

The layer is the sum of one product for each kernel row:

    y        = bias + sum over u of weight_u (O/G, C/G KW)  @  columns_u (C/G KW, OH OW)
    dweight_u      += dy (O/G, OH OW)                       @  columns_u^T
    dcolumns_u     += weight_u^T                            @  dy,      then folded back into dx

`columns` is KH times smaller than in im2col: it stays in a core's cache, and filling it takes KH
times less work. With stride S, kernel row u reads the image rows u, u + S, u + 2 S, ... These rows
are one phase: the rows with the same number modulo S. `padded` and `columns` are stored phase by
phase, and the image's columns likewise, so that everything is contiguous again.

Each thread takes its share of the images, with its own buffers and single-threaded BLAS.
Where maps are so small that a product would do little more than read the weights, the rows of B
images lie side by side, at most COLUMNS columns in all:

    padded   (C/G, S, H', S, W')                    one image of one group by phases; zeros around
    columns  (C/G, KW, S, H', B, OW)
    rows     (O/G, OH, B, OW)                       y or dy; where B is 1 they are used in place
    weights  (G, KH, O/G, C/G KW)                   by kernel row

N images, C channels in, O out, G groups, H x W the map, (KH, KW) the kernel, (OH, OW) the output,
H' and W' the rows and columns of a phase.
Source: Cho, Brand, MEC: memory-efficient convolution for deep neural network (ICML 2017); groups as
in the paper's two towers, section 3.5.
"""

import numpy as np
from numba import prange

from tinynet.backends.host_memory import workspace

from .blas import SMALL, product
from .compilation import loops, parallel_loops
from .threads import parallel, run_on_threads, shares, threads

COLUMNS = 256  # of a product: enough for full speed, few enough for a core's cache
PIECE = 4096  # pixels whose gradients are added in dy's dtype


def conv2d(x, weight, bias, stride, padding, groups, y):
    """y[n, o, i, j] = bias[o] + sum over c, u, v of weight[o, c, u, v] times the pixel under it.

    x       (N, C, H, W)
    weight  (O, C / G, KH, KW)
    bias    (O,) or None
    y       (N, O, OH, OW)
    Each thread takes its share of the images. With fewer images than threads, each takes its share
    of the outputs, one image after the other.
    """
    if bias is None:
        bias = np.zeros(len(weight), weight.dtype)
    if len(x) < threads():
        _conv2d_of_few(x, weight, bias, stride, padding, groups, y)
        return
    weights = _by_kernel_row(weight, groups)
    shared = _shared(x, weight, stride, padding, groups, y)
    run_on_threads(
        _forward, [(x[n], weights, bias, padding, y[n], *buffers) for n, *buffers in shared]
    )


def _conv2d_of_few(x, weight, bias, stride, padding, groups, y):
    """Fewer images than threads: split each group's output channels into p equal parts, p from
    ceil(threads / groups) to below twice that; if none divides evenly, p = 1. Each part repeats
    im2col, hence the upper limit. Parts of a group read the same input channels."""
    outputs, channels = len(weight) // groups, weight.shape[1]
    enough = -(-threads() // groups)
    parts = next((p for p in range(enough, 2 * enough) if outputs % p == 0), 1)
    weights = _by_kernel_row(weight, groups * parts)
    buffers = _buffers(groups * parts, 1, x, weight, stride, padding, groups * parts, y)
    outputs //= parts
    for n in range(len(x)):
        calls = []
        for part in range(groups * parts):
            c, o = part // parts * channels, part * outputs
            image, maps = x[n : n + 1, c : c + channels], y[n : n + 1, o : o + outputs]
            of_part = weights[part : part + 1], bias[o : o + outputs]
            calls.append((image, *of_part, padding, maps, *buffers[part]))
        run_on_threads(_forward, calls)


def conv2d_backward_input(dy, weight, stride, padding, groups, dx):
    """dx[pixel] = the sum of weight times dy over all outputs that read the pixel.

    dy      (N, O, OH, OW)
    weight  (O, C / G, KH, KW)
    dx      (N, C, H, W)
    Each thread takes its share of the images.
    """
    weights = _by_kernel_row(weight, groups)
    shared = _shared(dx, weight, stride, padding, groups, dy)
    run_on_threads(
        _backward_input, [(dy[n], weights, padding, dx[n], *buffers) for n, *buffers in shared]
    )


def conv2d_backward_weight(dy, x, stride, padding, groups, dweight):
    """dweight[o, c, u, v] = sum over n, i, j of dy[n, o, i, j] times the pixel under the weight.

    dy       (N, O, OH, OW)
    x        (N, C, H, W)
    dweight  (O, C / G, KH, KW)
    Each thread adds its share of the images to a sum of its own. The sums are then added in the
    order of the shares: the same bits on every run.
    """
    shared = _shared(x, dweight, stride, padding, groups, dy)
    sums = (len(shared), *_shape_by_row(dweight, groups))
    sums = workspace("conv2d sums", sums, dweight.dtype)
    shared = [(n, sums[share], *buffers) for share, (n, *buffers) in enumerate(shared)]
    run_on_threads(_backward_weight, [(dy[n], x[n], padding, *buffers) for n, *buffers in shared])
    for share in range(1, len(sums)):
        sums[0] += sums[share]
    _from_kernel_rows(sums[0], dweight)


@parallel
def conv2d_backward_bias(dy, dbias):
    """dbias[o] = sum over n, i, j of dy[n, o, i, j]. dy (N, O, OH, OW), dbias (O,)

    One iteration of the parallel loop: one channel of all images.
    """
    _backward_bias(dy.reshape(*dy.shape[:2], -1), dbias)


def _by_kernel_row(weight, groups):
    """A copy of (O, C/G, KH, KW) as (G, KH, O/G, C/G KW)."""
    weights = workspace("conv2d weights", _shape_by_row(weight, groups), weight.dtype)
    run_on_threads(
        _to_kernel_rows, [(weight, *outputs, weights) for outputs in shares(len(weight))]
    )
    return weights


def _shape_by_row(weight, groups):
    outputs, channels, rows, columns = weight.shape
    return groups, rows, outputs // groups, channels * columns


def _shared(x, weight, stride, padding, groups, y):
    """(slice of the images, *buffers) for each thread, or for each image if there are fewer images
    than threads."""
    images = [slice(*share) for share in shares(len(x))]
    most = -(-len(x) // len(images))
    buffers = _buffers(len(images), most, x, weight, stride, padding, groups, y)
    return [(n, *own) for n, own in zip(images, buffers, strict=True)]


def _buffers(count, images, x, weight, stride, padding, groups, y):
    """`count` tuples (padded, columns, rows), each for a share of `images` images."""
    _, outputs, out_rows, out_columns = y.shape
    _, channels, _, kernel_columns = weight.shape
    most = max(1, COLUMNS // (out_rows * out_columns))
    beside = -(-images // -(-images // most))  # B: the share in equal parts
    height = -(-(x.shape[2] + 2 * padding[0]) // stride[0])
    width = -(-(x.shape[3] + 2 * padding[1]) // stride[1])
    padded = (channels, stride[0], height, stride[1], width)
    columns = (channels, kernel_columns, stride[0], height, beside, out_columns)
    rows = (outputs // groups, out_rows, beside if beside > 1 else 0, out_columns)
    named = {"conv2d padded": padded, "conv2d columns": columns, "conv2d rows": rows}
    buffers = [workspace(name, (count, *shape), x.dtype) for name, shape in named.items()]
    return list(zip(*buffers, strict=True))


# --- the products ---------------------------------------------------------------------------------


@loops
def _forward(x, weights, bias, padding, y, padded, columns, rows):
    """conv2d of a share of the images, by weights (G, KH, O/G, C/G KW)."""
    groups, kernel_rows, outputs, _ = weights.shape
    channels, beside = len(padded), columns.shape[4]
    for n in range(0, len(x), beside):
        images = min(beside, len(x) - n)
        for g in range(groups):
            for b in range(images):
                _pad(x[n + b, g * channels : (g + 1) * channels], padding, padded)
                _unfold(padded, b, columns)
            first = g * outputs
            y_maps = y[n, first : first + outputs]
            y_matrix = _matrix(y_maps) if beside == 1 else _matrix(rows)
            for o in range(outputs):
                y_matrix[o] = bias[first + o]
            # Cut a large map into products of SMALL multiplications, if each has COLUMNS columns or
            # more: conv1.
            pixels = y_matrix.shape[1]
            part = SMALL // weights[g, 0].size
            part = part if part >= COLUMNS else pixels
            for i in range(0, pixels, part):
                j = min(i + part, pixels)
                for u in range(kernel_rows):
                    product(weights[g, u], _columns_of_row(columns, u, i, j), 1, y_matrix[:, i:j])
            if beside > 1:
                _from_rows(rows, y[n : n + images], first)


@loops
def _backward_input(dy, weights, padding, dx, padded, columns, rows):
    """conv2d_backward_input; shapes as in _forward."""
    groups, kernel_rows, outputs, _ = weights.shape
    channels, beside = len(padded), columns.shape[4]
    for n in range(0, len(dx), beside):
        images = min(beside, len(dx) - n)
        for g in range(groups):
            first = g * outputs
            if beside > 1:
                _to_rows(dy[n : n + images], first, rows)
            dy_maps = dy[n, first : first + outputs]
            dy_matrix = _matrix(dy_maps) if beside == 1 else _matrix(rows)
            columns[...] = 0
            for u in range(kernel_rows):
                columns_u = _columns_of_row(columns, u, 0, dy_matrix.shape[1])
                product(weights[g, u].T, dy_matrix, 1, columns_u)
            for b in range(images):
                _fold(columns, b, padded)
                _crop(padded, padding, dx[n + b, g * channels : (g + 1) * channels])


@loops
def _backward_weight(dy, x, padding, dweights, padded, columns, rows):
    """conv2d_backward_weight, to dweights (G, KH, O/G, C/G KW); shapes as in _forward."""
    groups, kernel_rows, outputs, _ = dweights.shape
    channels, beside = len(padded), columns.shape[4]
    dweights[...] = 0
    for n in range(0, len(x), beside):
        images = min(beside, len(x) - n)
        if images < beside:  # the places of the missing images add zeros
            columns[...] = 0
            rows[...] = 0
        for g in range(groups):
            for b in range(images):
                _pad(x[n + b, g * channels : (g + 1) * channels], padding, padded)
                _unfold(padded, b, columns)
            first = g * outputs
            if beside > 1:
                _to_rows(dy[n : n + images], first, rows)
            dy_maps = dy[n, first : first + outputs]
            dy_matrix = _matrix(dy_maps) if beside == 1 else _matrix(rows)
            for u in range(kernel_rows):
                columns_u = _columns_of_row(columns, u, 0, dy_matrix.shape[1])
                product(dy_matrix, columns_u.T, 1, dweights[g, u])


@loops
def _matrix(maps):
    """(O/G, OH, ..., OW) seen as (O/G, the rest)."""
    return maps.reshape((len(maps), maps.size // len(maps)))


@loops
def _columns_of_row(columns, u, first, last):
    """Columns first to last - 1 of columns_u (C/G KW, OH B OW), the matrix for the kernel's row
    u."""
    channels, kernel_columns, phases, height, beside, out_columns = columns.shape
    row = beside * out_columns
    matrix = columns.reshape((channels * kernel_columns, phases * height * row))
    start = (u % phases * height + u // phases) * row
    return matrix[:, start + first : start + last]


@parallel_loops
def _backward_bias(dy, dbias):
    images, outputs, pixels = dy.shape
    for o in prange(outputs):
        total = 0.0  # float64, piece by piece
        for n in range(images):
            if pixels <= PIECE:  # a map that is one piece is read whole: a slice has other bits
                total += _sum(dy[n, o])
            else:
                for p in range(0, pixels, PIECE):
                    total += _sum(dy[n, o, p : p + PIECE])
        dbias[o] = total


@loops
def _sum(x):
    total = x.dtype.type(0)
    for p in range(len(x)):
        total += x[p]
    return total


# --- between images, columns and rows -------------------------------------------------------------


@loops
def _to_kernel_rows(weight, first, last, weights):
    """weights[g, u, o, c KW + v] = weight[g O/G + o, c, u, v] for the outputs first to last - 1."""
    _, kernel_rows, outputs, _ = weights.shape
    channels, kernel_columns = weight.shape[1], weight.shape[3]
    for o in range(first, last):
        for u in range(kernel_rows):
            row = weights[o // outputs, u, o % outputs]
            for c in range(channels):
                for v in range(kernel_columns):
                    row[c * kernel_columns + v] = weight[o, c, u, v]


@loops
def _from_kernel_rows(weights, weight):
    """The inverse of _to_kernel_rows."""
    _, kernel_rows, outputs, _ = weights.shape
    channels, kernel_columns = weight.shape[1], weight.shape[3]
    for o in range(len(weight)):
        for u in range(kernel_rows):
            row = weights[o // outputs, u, o % outputs]
            for c in range(channels):
                for v in range(kernel_columns):
                    weight[o, c, u, v] = row[c * kernel_columns + v]


@loops
def _unfold(padded, b, columns):
    """columns[c, v, phase, h, b, j] = padded[c, phase, h, v % S, v // S + j]"""
    channels, kernel_columns, phases, height, _, out_columns = columns.shape
    # Unsigned: signed indices are tested for being negative, and the loop does not vectorise.
    b, step = np.uintp(b), np.uintp(padded.shape[3])
    for c in range(np.uintp(channels)):
        for v in range(np.uintp(kernel_columns)):
            q, start = v % step, v // step
            for phase in range(np.uintp(phases)):
                for h in range(np.uintp(height)):
                    for j in range(np.uintp(out_columns)):
                        columns[c, v, phase, h, b, j] = padded[c, phase, h, q, start + j]


@loops
def _fold(columns, b, padded):
    """padded[c, phase, h, q, w] = the sum of the cells that _unfold fills from it."""
    channels, kernel_columns, phases, height, _, out_columns = columns.shape
    b, step = np.uintp(b), np.uintp(padded.shape[3])
    padded[...] = 0
    for c in range(np.uintp(channels)):
        for v in range(np.uintp(kernel_columns)):
            q, start = v % step, v // step
            for phase in range(np.uintp(phases)):
                for h in range(np.uintp(height)):
                    for j in range(np.uintp(out_columns)):
                        padded[c, phase, h, q, start + j] += columns[c, v, phase, h, b, j]


@loops
def _pad(x, padding, padded):
    """padded = x (C, H, W) by phases, with rows and columns of zeros around it."""
    _, down, _, right, _ = padded.shape
    step = np.uintp(right)
    channels, height, width = x.shape
    padded[...] = 0
    for h in range(height):
        phase, row = (h + padding[0]) % down, (h + padding[0]) // down
        for q in range(right):
            first, start, count = _of_phase(q, right, padding[1], width)
            for c in range(channels):
                pixels, place = x[c, h], padded[c, phase, row, q]
                for j in range(count):
                    place[start + j] = pixels[first + j * step]


@loops
def _crop(padded, padding, x):
    """x = padded without its border; the inverse of _pad."""
    _, down, _, right, _ = padded.shape
    step = np.uintp(right)
    channels, height, width = x.shape
    for h in range(height):
        phase, row = (h + padding[0]) % down, (h + padding[0]) // down
        for q in range(right):
            first, start, count = _of_phase(q, right, padding[1], width)
            for c in range(channels):
                pixels, place = x[c, h], padded[c, phase, row, q]
                for j in range(count):
                    pixels[first + j * step] = place[start + j]


@loops
def _of_phase(q, step, padding, width):
    """The first of a row's pixels in phase q, its place in the phase, and how many there are."""
    first = (q - padding) % step
    start = (first + padding) // step
    count = (width - first + step - 1) // step
    return np.uintp(first), np.uintp(start), np.uintp(max(count, 0))


@loops
def _to_rows(y, first, rows):
    """rows[o, i, b] = y[b, first + o, i]: the rows of the images side by side. y (B, O, OH, OW)"""
    for o in range(len(rows)):
        for i in range(rows.shape[1]):
            for b in range(len(y)):
                y_row, row = y[b, first + o, i], rows[o, i, b]
                for j in range(len(y_row)):
                    row[j] = y_row[j]


@loops
def _from_rows(rows, y, first):
    """The inverse of _to_rows."""
    for o in range(len(rows)):
        for i in range(rows.shape[1]):
            for b in range(len(y)):
                y_row, row = y[b, first + o, i], rows[o, i, b]
                for j in range(len(y_row)):
                    y_row[j] = row[j]
