"""Convolution with fewer multiplications: Winograd's tiles, kernels 3 x 3 and 5 x 5 at stride 1.

numpy/winograd.py derives the algorithm and its matrices. A tile is 6 x 6 pixels and gives m x m
outputs, m = 7 - kernel; its neighbours are m pixels away:

    U = G g G^T     V = B^T d B     M = sum over channels of U * V     y = A^T M A     forward
    dM = A dy A^T                   dU = dM V^T                        dg = G^T dU G   for weights

The input's gradient is a convolution too, of dy with the kernels turned by 180 degrees and their
inputs and outputs exchanged, so it uses the forward loops.

IMAGES images lie side by side: the last axis of `frames` is the image, so that the same element of
IMAGES tiles fills a vector register, however narrow the map. A strip is a row of tiles of all these
images. Each thread takes its share of the images, IMAGES at a time (a multiple of IMAGES where maps
are small). Of these it takes a block of strips at a time, about COLUMNS tiles, so that V and M stay
in the cache:

    frames  (C/G, sets, rows, columns, IMAGES)        the images with their padding
    V       (C/G, 36 COLUMNS + GAP)                   tiles of a block: strip, column, image
    M       (O/G, 36 COLUMNS + GAP)
    lines   (40, ...)                                 one channel between the two transforms
    U       (G, 36, O/G, C/G)
    dU      (shares, G, 36, O/G, C/G)

At each of the 36 points the sum over channels is a product: M[p] = U[p] @ V[p].

N images, C channels in, O out, G groups, H x W the map, K = 3 or 5 the kernel, (OH, OW) the output.
Source: Lavin, Gray, Fast algorithms for convolutional neural networks (CVPR 2016).
"""

import numpy as np

from tinynet.backends.host_memory import workspace

from .blas import SMALL, product
from .compilation import loops
from .threads import run_on_threads, threads
from .winograd_weights import backward_weight_tiles, weight_tiles

IMAGES = 8  # side by side: one vector of float32 with AVX
COLUMNS = {3: 256, 5: 128}  # tiles in a product: enough for full speed, few enough for a cache
GAP = 16  # numbers between channels, so that their points do not compete for few cache sets


def winograd(x, weight, bias, padding, groups, y):
    """y[n, o, i, j] = bias[o] + sum over c, u, v of weight[o, c, u, v] times the pixel under it.

    x       (N, C, H, W)
    weight  (O, C / G, K, K)
    bias    (O,) or None
    y       (N, O, OH, OW)
    Each thread takes its share of the images.
    """
    if bias is None:
        bias = np.zeros(len(weight), weight.dtype)
    _convolve(x, _per_group(weight, groups), bias, padding, y)


def winograd_backward_input(dy, weight, padding, groups, dx):
    """dx[pixel] = the sum of weight times dy over all outputs that read the pixel.

    dy      (N, O, OH, OW)
    weight  (O, C / G, K, K)
    dx      (N, C, H, W)
    Each thread takes its share of the images.
    """
    turned = _per_group(weight, groups).swapaxes(1, 2)[..., ::-1, ::-1]
    copy = workspace("winograd turned", turned.shape, turned.dtype)
    copy[...] = turned
    reach = weight.shape[2] - 1
    no_bias = np.zeros(dx.shape[1], dx.dtype)
    _convolve(dy, copy, no_bias, (reach - padding[0], reach - padding[1]), dx)


def winograd_backward_weight(dy, x, padding, groups, dweight):
    """dweight[o, c, u, v] = sum over n, i, j of dy[n, o, i, j] times the pixel under the weight.

    dy       (N, O, OH, OW)
    x        (N, C, H, W)
    dweight  (O, C / G, K, K)
    Each thread adds its share of the images to a sum of its own. The sums are then added in the
    order of the shares: the same bits on every run.
    """
    kernels = _per_group(dweight, groups)
    shares, strips, frames, V, lines = _shares(kernels, dy)
    outputs, channels, sets = kernels.shape[1], kernels.shape[2], frames.shape[2]
    m, down, across = _grid(dweight.shape[3], dy)
    dy_frames = (len(V), outputs, sets, m * down, m * across, IMAGES)
    dy_frames = workspace("winograd dy", dy_frames, dy.dtype)
    dM = workspace("winograd M", (len(V), outputs, V.shape[2]), dy.dtype)
    dU = workspace("winograd dU", (len(V), groups, 36, outputs, channels), dy.dtype)
    buffers = zip(shares, frames, dy_frames, V, dM, lines, dU, strict=True)
    run_on_threads(_add_to_dU, [(dy[n], x[n], padding, m, strips, *own) for n, *own in buffers])
    backward_weight_tiles(dU, kernels)


def winograd_pays(x_shape, weight_shape, stride, padding, groups):
    """Whether a training step of this layer is quicker by winograd. By measurements it is if tiles
    save a factor of 1.5 in multiplications, after the waste at the map's edge; if every thread gets
    a whole set of IMAGES images; and if there are enough channels and tiles to pay for the
    transforms."""
    images, _, height, width = x_shape
    outputs, channels, *kernel = weight_shape
    if kernel not in ([3, 3], [5, 5]) or tuple(stride) != (1, 1):
        return False
    r, m = kernel[0], 7 - kernel[0]
    rows, columns = height + 2 * padding[0] - r + 1, width + 2 * padding[1] - r + 1
    tiles = -(-rows // m) * -(-columns // m)
    saved = rows * columns * r * r / (36 * tiles)
    enough = min(channels, outputs // groups) >= 16 and tiles >= 4
    return saved > 1.5 and enough and images >= IMAGES * threads()


def _convolve(x, kernels, bias, padding, y):
    """y = the convolution of x with kernels (G, O/G, C/G, K, K)."""
    shares, strips, frames, V, lines = _shares(kernels, y)
    groups, outputs, channels, _, kernel = kernels.shape
    U = workspace("winograd U", (groups, 36, outputs, channels), x.dtype)
    M = workspace("winograd M", (len(V), outputs, V.shape[2]), x.dtype)
    weight_tiles(kernels, U)
    m, _, _ = _grid(kernel, y)
    buffers = zip(shares, frames, V, M, lines, strict=True)
    run_on_threads(
        _multiply, [(x[n], U, bias, padding, m, strips, y[n], *own) for n, *own in buffers]
    )


def _per_group(weight, groups):
    """(O, C/G, K, K) seen as (G, O/G, C/G, K, K)."""
    return weight.reshape(groups, -1, *weight.shape[1:])


def _grid(kernel, y):
    """(m, rows of tiles, columns of tiles) that cover the output map y (N, O, OH, OW)."""
    m = 7 - kernel
    return m, -(-y.shape[2] // m), -(-y.shape[3] // m)


def _shares(kernels, y):
    """(the slice of the images of each thread, the number of strips in a block, frames, V, lines).
    The first axis of frames, V and lines is the thread."""
    _, _, channels, _, kernel = kernels.shape
    columns = COLUMNS[kernel]
    m, down, across = _grid(kernel, y)
    shares = threads()
    sets_a_share = -(-len(y) // (IMAGES * shares))
    sets = min(sets_a_share, max(1, columns // (down * across * IMAGES)))
    strips = min(sets * down, max(1, columns // (across * IMAGES)))
    rows, width = m * down + kernel - 1, m * across + kernel - 1
    # The lines hold one strip of an input, 6 lines; or a block of outputs, 6 m lines after the
    # transform of the columns and m m lines after the transform of the rows.
    length = max(width * IMAGES, strips * across * IMAGES)
    chunk = sets * IMAGES
    ends = [-(-len(y) // chunk) * share // shares * chunk for share in range(shares + 1)]
    return (
        [slice(ends[share], ends[share + 1]) for share in range(shares)],
        strips,
        workspace("winograd frames", (shares, channels, sets, rows, width, IMAGES), y.dtype),
        workspace("winograd V", (shares, channels, 36 * strips * across * IMAGES + GAP), y.dtype),
        workspace("winograd lines", (shares, 40, length + GAP), y.dtype),
    )


@loops
def _multiply(x, U, bias, padding, m, strips, y, frames, V, M, lines):
    """The convolution of a share of the images: in chunks that fill the frames, and block by block
    in each chunk."""
    groups, _, outputs, channels = U.shape
    down, across = (y.shape[2] + m - 1) // m, (y.shape[3] + m - 1) // m
    chunk = frames.shape[1] * IMAGES
    for n in range(0, len(x), chunk):
        x_chunk, y_chunk = x[n : n + chunk], y[n : n + chunk]
        all_strips = (len(x_chunk) + IMAGES - 1) // IMAGES * down
        for g in range(groups):
            _side_by_side(x_chunk, g * channels, padding[0], padding[1], frames)
            for first in range(0, all_strips, strips):
                last = min(first + strips, all_strips)
                tiles = (last - first) * across * IMAGES
                for c in range(channels):
                    _V(frames[c], first, last, down, m, lines, V[c], tiles)
                part = max(1, SMALL // (channels * tiles))
                for p in range(U.shape[1]):
                    i, j = p * tiles, (p + 1) * tiles
                    for o in range(0, outputs, part):
                        product(U[g, p, o : o + part], V[:, i:j], 0, M[o : o + part, i:j])
                for o in range(outputs):
                    number = g * outputs + o
                    _y(M[o], tiles, m, lines[:24], lines[24:])
                    _write(lines[24:], first, last, down, across, m, bias[number], y_chunk, number)


@loops
def _add_to_dU(dy, x, padding, m, strips, frames, dy_frames, V, dM, lines, dU):
    """dU = the sum of dM V^T over a share of the images, chunk by chunk and block by block."""
    groups, _, outputs, channels = dU.shape
    down, across = (dy.shape[2] + m - 1) // m, (dy.shape[3] + m - 1) // m
    chunk = frames.shape[1] * IMAGES
    dU[...] = 0
    for n in range(0, len(x), chunk):
        x_chunk, dy_chunk = x[n : n + chunk], dy[n : n + chunk]
        all_strips = (len(x_chunk) + IMAGES - 1) // IMAGES * down
        for g in range(groups):
            _side_by_side(x_chunk, g * channels, padding[0], padding[1], frames)
            _side_by_side(dy_chunk, g * outputs, 0, 0, dy_frames)
            for first in range(0, all_strips, strips):
                last = min(first + strips, all_strips)
                tiles = (last - first) * across * IMAGES
                for c in range(channels):
                    _V(frames[c], first, last, down, m, lines, V[c], tiles)
                for o in range(outputs):
                    _dM(dy_frames[o], first, last, down, m, lines, dM[o], tiles)
                for p in range(dU.shape[1]):
                    i, j = p * tiles, (p + 1) * tiles
                    product(dM[:, i:j], V[:, i:j].T, 1, dU[g, p])


# --- between images and tiles ---------------------------------------------------------------------


@loops
def _side_by_side(x, first, top, left, frames):
    """frames[c, set, top + h, left + w, b] = x[IMAGES set + b, first + c, h, w], zeros around it.
    Negative top and left cut rows and columns off."""
    channels, sets, height, width, _ = frames.shape
    rows, columns = x.shape[2:]
    frames[...] = 0
    top_row, end_row = max(0, -top), min(rows, height - top)
    left_column, end_column = max(0, -left), min(columns, width - left)
    for c in range(channels):
        for n in range(len(x)):
            x_map, frame, b = x[n, first + c], frames[c, n // IMAGES], np.uintp(n % IMAGES)
            for h in range(top_row, end_row):
                x_row, frame_row = x_map[h], frame[h + top]
                for w in range(left_column, end_column):
                    frame_row[np.uintp(w + left), b] = x_row[np.uintp(w)]


@loops
def _write(lines, first, last, down, across, m, bias, y, o):
    """y[n, o] = bias + the outputs in lines (m m, tiles), for the strips first to last - 1."""
    height, width = y.shape[2:]
    for strip in range(first, last):
        start, top = (strip - first) * across * IMAGES, strip % down * m
        first_image = strip // down * IMAGES
        for n in range(first_image, min(first_image + IMAGES, len(y))):
            for i in range(min(m, height - top)):
                y_row = y[n, o, top + i]
                for j in range(m):
                    line = lines[m * i + j]
                    at = np.uintp(start + n - first_image)
                    for w in range(j, width, m):
                        y_row[np.uintp(w)] = line[at] + bias
                        at += np.uintp(IMAGES)


# --- the transforms, first along columns, then along rows -----------------------------------------
# Constants are converted to the arrays' dtype first: float32 times an integer is float64 in Numba.


@loops
def _V(frame, first, last, down, m, lines, V, tiles):
    """V (36 tiles,) = B^T d B of the tiles d of a channel, in the strips first to last - 1.

    frame (sets, rows, columns, IMAGES)
    """
    across, at = (frame.shape[2] - 6) // m + 1, 0
    for strip in range(first, last):
        d, top = frame[strip // down], strip % down * m
        _B_columns(d[top : top + 6], lines)
        for i in range(6):
            _B_rows(lines[i], m, across, V[6 * i * tiles + at :], tiles)
        at += across * IMAGES


@loops
def _B_columns(d, lines):
    """lines[:6] = B^T d along the columns of six rows d (6, columns, IMAGES)."""
    two, four, five = d.dtype.type(2), d.dtype.type(4), d.dtype.type(5)
    d0, d1, d2 = d[0].reshape(-1), d[1].reshape(-1), d[2].reshape(-1)
    d3, d4, d5 = d[3].reshape(-1), d[4].reshape(-1), d[5].reshape(-1)
    v0, v1, v2, v3, v4, v5 = lines[0], lines[1], lines[2], lines[3], lines[4], lines[5]
    for i in range(len(d0)):
        even, odd = d4[i] - four * d2[i], d3[i] - four * d1[i]
        even_2, odd_2 = d4[i] - d2[i], two * (d3[i] - d1[i])
        v0[i] = four * d0[i] - five * d2[i] + d4[i]
        v1[i] = even + odd
        v2[i] = even - odd
        v3[i] = even_2 + odd_2
        v4[i] = even_2 - odd_2
        v5[i] = four * d1[i] - five * d3[i] + d5[i]


@loops
def _B_rows(line, m, across, V, tiles):
    """V = B^T d for the d along a line: tile t begins at its pixel m t. The six numbers of a tile
    lie `tiles` apart."""
    two, four, five = line.dtype.type(2), line.dtype.type(4), line.dtype.type(5)
    v0, v1, v2 = V, V[tiles:], V[2 * tiles :]
    v3, v4, v5 = V[3 * tiles :], V[4 * tiles :], V[5 * tiles :]
    for t in range(across):
        d, v = np.uintp(t * m * IMAGES), np.uintp(t * IMAGES)
        for b in range(np.uintp(IMAGES)):
            d0, d1, d2 = line[d + b], line[d + b + _1], line[d + b + _2]
            d3, d4, d5 = line[d + b + _3], line[d + b + _4], line[d + b + _5]
            even, odd = d4 - four * d2, d3 - four * d1
            even_2, odd_2 = d4 - d2, two * (d3 - d1)
            v0[v + b] = four * d0 - five * d2 + d4
            v1[v + b] = even + odd
            v2[v + b] = even - odd
            v3[v + b] = even_2 + odd_2
            v4[v + b] = even_2 - odd_2
            v5[v + b] = four * d1 - five * d3 + d5


@loops
def _y(M, tiles, m, lines, y):
    """y (m m, tiles) = A^T M A of one channel's M (36 tiles,)."""
    M = M[: 36 * tiles].reshape((36, tiles))
    for j in range(6):
        _A_transposed(M, j, 6, m, lines, j, 6)
    for i in range(m):
        _A_transposed(lines, 6 * i, 1, m, y, m * i, 1)


@loops
def _A_transposed(M, j, step, m, y, i, step_y):
    """y = A^T M. The six rows of M are M[j], M[j + step], ..., the m rows of y are y[i],
    y[i + step_y], ...; each holds a number of every tile."""
    two, four, eight = M.dtype.type(2), M.dtype.type(4), M.dtype.type(8)
    m0, m1, m2 = M[j], M[j + step], M[j + 2 * step]
    m3, m4, m5 = M[j + 3 * step], M[j + 4 * step], M[j + 5 * step]
    y0, y1 = y[i], y[i + step_y]
    if m == 4:
        y2, y3 = y[i + 2 * step_y], y[i + 3 * step_y]
        for t in range(len(m0)):
            even, odd = m1[t] + m2[t], m1[t] - m2[t]
            even_2, odd_2 = m3[t] + m4[t], m3[t] - m4[t]
            y0[t] = m0[t] + even + even_2
            y1[t] = odd + two * odd_2
            y2[t] = even + four * even_2
            y3[t] = odd + eight * odd_2 + m5[t]
    else:
        for t in range(len(m0)):
            y0[t] = m0[t] + m1[t] + m2[t] + m3[t] + m4[t]
            y1[t] = m1[t] - m2[t] + two * (m3[t] - m4[t]) + m5[t]


@loops
def _dM(frame, first, last, down, m, lines, dM, tiles):
    """dM (36 tiles,) = A dy A^T of the tiles dy of a channel, in the strips first to last - 1.

    frame (sets, rows, columns, IMAGES)
    """
    across, at = frame.shape[2] // m, 0
    for strip in range(first, last):
        dy, top = frame[strip // down], strip % down * m
        _A_columns(dy[top : top + m], m, lines)
        for i in range(6):
            _A_rows(lines[i], m, across, dM[6 * i * tiles + at :], tiles)
        at += across * IMAGES


@loops
def _A_columns(dy, m, lines):
    """lines[:6] = A dy along the columns of m rows dy (m, columns, IMAGES)."""
    two, four, eight = dy.dtype.type(2), dy.dtype.type(4), dy.dtype.type(8)
    v0, v1, v2, v3, v4, v5 = lines[0], lines[1], lines[2], lines[3], lines[4], lines[5]
    d0, d1 = dy[0].reshape(-1), dy[1].reshape(-1)
    if m == 4:
        d2, d3 = dy[2].reshape(-1), dy[3].reshape(-1)
        for i in range(len(d0)):
            even, odd = d0[i] + d2[i], d1[i] + d3[i]
            even_2, odd_2 = d0[i] + four * d2[i], two * d1[i] + eight * d3[i]
            v0[i] = d0[i]
            v1[i] = even + odd
            v2[i] = even - odd
            v3[i] = even_2 + odd_2
            v4[i] = even_2 - odd_2
            v5[i] = d3[i]
    else:
        for i in range(len(d0)):
            v0[i] = d0[i]
            v1[i] = d0[i] + d1[i]
            v2[i] = d0[i] - d1[i]
            v3[i] = d0[i] + two * d1[i]
            v4[i] = d0[i] - two * d1[i]
            v5[i] = d1[i]


@loops
def _A_rows(line, m, across, dM, tiles):
    """dM = A dy for the dy along a line: tile t begins at its pixel m t. The six numbers of a tile
    lie `tiles` apart."""
    two, four, eight = line.dtype.type(2), line.dtype.type(4), line.dtype.type(8)
    v0, v1, v2 = dM, dM[tiles:], dM[2 * tiles :]
    v3, v4, v5 = dM[3 * tiles :], dM[4 * tiles :], dM[5 * tiles :]
    for t in range(across):
        d, v = np.uintp(t * m * IMAGES), np.uintp(t * IMAGES)
        if m == 4:
            for b in range(np.uintp(IMAGES)):
                d0, d1 = line[d + b], line[d + b + _1]
                d2, d3 = line[d + b + _2], line[d + b + _3]
                even, odd = d0 + d2, d1 + d3
                even_2, odd_2 = d0 + four * d2, two * d1 + eight * d3
                v0[v + b] = d0
                v1[v + b] = even + odd
                v2[v + b] = even - odd
                v3[v + b] = even_2 + odd_2
                v4[v + b] = even_2 - odd_2
                v5[v + b] = d3
        else:
            for b in range(np.uintp(IMAGES)):
                d0, d1 = line[d + b], line[d + b + _1]
                v0[v + b] = d0
                v1[v + b] = d0 + d1
                v2[v + b] = d0 - d1
                v3[v + b] = d0 + two * d1
                v4[v + b] = d0 - two * d1
                v5[v + b] = d1


_1, _2, _3, _4, _5 = (np.uintp(pixels * IMAGES) for pixels in range(1, 6))
