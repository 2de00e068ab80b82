"""Same-map normalisation: each activation is divided by the energy of its neighbours in the same
map.

    scale_p = k + alpha * sum of x_q^2 over the pixels q of p's window
    y_p     = x_p / scale_p^beta
    dx_p    = dy_p scale_p^-beta - 2 alpha beta x_p * sum of dy_q x_q scale_q^(-beta - 1) over p's window

A window's sum is the sum of its columns' sums, so it costs 2 size additions and not size^2. A map is
copied into the middle of a frame of zeros, `down` rows above and below it and `along` columns on
either side. Frames lie in one piece, so a step of `width` numbers leads to the pixel below: windows
need no case at the edges, and each loop runs over all pixels of a map at once, in vectors. (The
sums in the frame's own columns are not used.) Each window is summed anew: in a running sum, which
adds a pixel and subtracts one, a NaN would stay for all later pixels.

Source: cuda-convnet's layers of type rnorm; alpha here is theirs divided by size^2.
"""  # noqa: E501

import math

import numpy as np

from .compilation import loops
from .threads import run_on_threads, shares


def same_map_norm(x, size, alpha, beta, k, y):
    """y = x / scale^beta with scale as above.

    x, y    (N, C, H, W)
    size    odd
    Each thread takes its share of the maps.
    """
    x, y = (array.reshape(-1, *x.shape[2:]) for array in (x, y))
    alpha, beta, k = (x.dtype.type(number) for number in (alpha, beta, k))
    numbers = *_reach(x, size), alpha, beta, k
    run_on_threads(_normalise, [(x, *maps, *numbers, y) for maps in shares(len(x))])


def same_map_norm_backward(dy, x, size, alpha, beta, k, dx):
    """dx as above.

    dy, x, dx  (N, C, H, W)
    Each thread takes its share of the maps.
    """
    dy, x, dx = (array.reshape(-1, *x.shape[2:]) for array in (dy, x, dx))
    alpha, beta, k = (x.dtype.type(number) for number in (alpha, beta, k))
    numbers = *_reach(x, size), alpha, beta, k
    run_on_threads(_differentiate, [(dy, x, *maps, *numbers, dx) for maps in shares(len(x))])


def _reach(x, size):
    """How many rows and columns a window reaches from its middle; the map ends there."""
    return min(size // 2, x.shape[1] - 1), min(size // 2, x.shape[2] - 1)


@loops
def _normalise(x, first, last, down, along, alpha, beta, k, y):
    """Maps first to last - 1 of x (maps, H, W)."""
    height, width = x.shape[1], x.shape[2] + 2 * along
    frame = np.zeros((height + 2 * down) * width, x.dtype)
    columns = np.zeros(height * width + 2 * along, x.dtype)
    scale = np.empty(height * width, x.dtype)
    for m in range(first, last):
        _frame_squares(x[m], down, along, frame)
        _window_sums(frame, width, down, along, columns, scale)
        for p in range(len(scale)):
            scale[p] = _powers(k + alpha * scale[p], beta)[0]
        for i in range(height):
            for j in range(x.shape[2]):
                y[m, i, j] = x[m, i, j] * scale[i * width + along + j]


@loops
def _differentiate(dy, x, first, last, down, along, alpha, beta, k, dx):
    """Maps first to last - 1 of x (maps, H, W). ratio_q = dy_q x_q scale_q^(-beta - 1)."""
    height, width = x.shape[1], x.shape[2] + 2 * along
    frame = np.zeros((height + 2 * down) * width, x.dtype)
    columns = np.zeros(height * width + 2 * along, x.dtype)
    sums = np.empty(height * width, x.dtype)
    factor = x.dtype.type(2) * alpha * beta
    for m in range(first, last):
        _frame_squares(x[m], down, along, frame)
        _window_sums(frame, width, down, along, columns, sums)
        for i in range(height):
            for j in range(x.shape[2]):
                power, inverse = _powers(k + alpha * sums[i * width + along + j], beta)
                direct = dy[m, i, j] * power
                dx[m, i, j] = direct
                frame[(down + i) * width + along + j] = direct * x[m, i, j] * inverse  # ratio
        _window_sums(frame, width, down, along, columns, sums)
        for i in range(height):
            for j in range(x.shape[2]):
                dx[m, i, j] -= factor * x[m, i, j] * sums[i * width + along + j]


@loops
def _frame_squares(x, down, along, frame):
    """The squares of a map x (H, W) into the middle of its frame."""
    height, width = x.shape
    for i in range(height):
        start = (down + i) * (width + 2 * along) + along
        for j in range(width):
            frame[start + j] = x[i, j] * x[i, j]


@loops
def _window_sums(frame, width, down, along, columns, sums):
    """sums[p] = the sum of the frame over the window of the map's pixel p.

    frame    ((H + 2 down) width,)
    columns  (along + H width + along,)  sums down the columns; 0 at both ends
    sums     (H width,)
    """
    pixels = len(sums)
    _add_shifted(frame, 2 * down + 1, width, columns[along : along + pixels])
    _add_shifted(columns, 2 * along + 1, 1, sums)


@loops
def _add_shifted(a, count, step, sums):
    """sums[p] = a[p] + a[p + step] + ... , count terms."""
    if count == 3:
        for p in range(len(sums)):
            sums[p] = a[p] + a[p + step] + a[p + 2 * step]
    elif count == 5:
        for p in range(len(sums)):
            sums[p] = a[p] + a[p + step] + a[p + 2 * step] + a[p + 3 * step] + a[p + 4 * step]
    else:
        for p in range(len(sums)):
            sums[p] = a[p]
        for term in range(1, count):
            for p in range(len(sums)):
                sums[p] += a[p + term * step]


@loops
def _powers(scale, beta):
    """scale^-beta and scale^-1; for the published beta by two roots, far quicker than a power."""
    if beta == 0.75:
        root = np.float32(1) / math.sqrt(scale)
        return root * math.sqrt(root), root * root
    return scale**-beta, np.float32(1) / scale
