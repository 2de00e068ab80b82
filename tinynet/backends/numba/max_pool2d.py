"""Max-pooling: each output is the largest value in its window; windows may overlap.

The forward pass compares eight neighbouring windows of the published kind (3 x 3, stride 2) at a
time: a loop over eight contiguous cells compiles to vector instructions. But neighbouring windows
read cells that lie two apart. So a map, as one line of cells, is first split into two strips: cell
p goes to place p // 2 of strip p % 2. Here for width 7:

    line      0  1  2  3  4  5  6 | 7  8  9 10 11 12 13 | ...
    strip 0   0  2  4  6  8 10 12 ...      cell (0, 0) of windows 0, 1, 2:   0  2  4
    strip 1   1  3  5  7  9 11 13 ...      cell (1, 2) of windows 0, 1, 2:   9 11 13

The last group of a row may have fewer than eight windows. Eight outputs are written nevertheless:
the outputs beyond the row's end are wrong, but later windows overwrite them. Behind the map the
strips hold -inf, for windows that hang over its lower edge. Some windows are compared one by one:
windows over the other edges, a thread's last few, windows after a NaN on their map, and all windows
of another size or stride.

Source: the paper, section 3.4 (window 3, stride 2).
"""

import numpy as np
from numba import prange

from tinynet.backends.host_memory import workspace

from .compilation import loops, parallel_loops
from .threads import parallel, threads

WINDOWS = 8  # side by side, compared together: one vector of float32 with AVX
AHEAD = 256  # places filled beyond the needed ones: memory is read while windows are compared


@parallel
def max_pool2d(x, window, stride, padding, y, switches):
    """y[n, c, i, j] = the largest x in the window at (i, j); switches = where it was.

    x          (N, C, H, W)
    y          (N, C, OH, OW)
    switches   (N, C, OH, OW)  int32, index into the H x W map; ties go to the first
    window, stride, padding    pairs (rows, columns)
    Padding counts as -inf; NaN wins (the window's last NaN).
    One iteration of the parallel loop: one thread's share of the maps.
    """
    maps, size, out_size = x.shape[0] * x.shape[1], x.shape[2:], y.shape[2:]
    rows = columns = (0, 0)
    if window == (3, 3) and stride == (2, 2):
        # The windows that begin on the map and do not hang over its right edge.
        rows = (padding[0] + 1) // 2, out_size[0]
        columns = (padding[1] + 1) // 2, min((size[1] + padding[1] - 3) // 2 + 1, out_size[1])
    x, y, switches = x.reshape(maps, size[0] * size[1]), y.reshape(-1), switches.reshape(-1)
    pairs = x.shape[1] // 2
    strips = workspace("max_pool2d", (threads(), 2, pairs + size[1] + 2 + WINDOWS), x.dtype)
    strips[:, :, pairs:] = -np.inf
    _max_pool2d(x, size, out_size, window, stride, padding, rows, columns, strips, y, switches)


@parallel
def max_pool2d_backward(dy, switches, window, stride, padding, dx):
    """dx[n, c, p] = the sum of dy over the windows whose switch is p.

    dy        (N, C, OH, OW)
    switches  (N, C, OH, OW)  int32
    dx        (N, C, H, W)
    window, stride, padding    not read: the switches say where dy goes
    One iteration of the parallel loop: one map of one image, so no other iteration adds to it.
    """
    maps = dx.shape[0] * dx.shape[1]
    _max_pool2d_backward(dy.reshape(maps, -1), switches.reshape(maps, -1), dx.reshape(maps, -1))


@parallel_loops
def _max_pool2d(x, size, out_size, window, stride, padding, rows, columns, strips, y, switches):
    """The kernel, one nest of loops.

    x             (N C, H W)
    y, switches   (N C OH OW,)
    strips        (threads, 2, H W / 2 and the places that windows reach behind the map)
    rows, columns (first, end): the windows first to end - 1 go eight at a time

    It takes no views of arrays and keeps no booleans in variables. Either would stop Numba from
    telling the compiler that arrays do not overlap, and eight windows would not become one vector.
    """
    height, width = size
    out_rows, out_columns = out_size
    shares, pairs = len(strips), height * width // 2
    # Window (i, j) begins with cell 2 (i width + j) - before = 2 place + odd of the map's line.
    before = padding[0] * width + padding[1]
    odd = before % 2
    for s in prange(shares):
        end = len(x) * (s + 1) // shares * out_rows * out_columns
        for m in range(len(x) * s // shares, len(x) * (s + 1) // shares):
            dealt, nans = 0, 0  # places of the strips filled so far; the NaNs among them
            for i in range(out_rows):
                row = (m * out_rows + i) * out_columns  # the row's first output
                first, after = row + columns[0], row + columns[1]
                done = first  # the outputs first to done - 1 are written
                if rows[0] <= i < rows[1]:
                    needed = min(((2 * i - padding[0] + 3) * width + 1) // 2, pairs)
                    if dealt < needed:
                        start, dealt = dealt, min(needed + AHEAD, pairs)
                        # Unsigned: signed indices are tested for being negative, cell by cell.
                        for q in range(np.uintp(start), np.uintp(dealt)):
                            a, b = x[m, np.uintp(2) * q], x[m, np.uintp(2) * q + np.uintp(1)]
                            strips[s, 0, q], strips[s, 1, q] = a, b
                            nans += (a != a) | (b != b)
                        if dealt == pairs and height * width % 2:
                            strips[s, 0, pairs] = x[m, -1]
                            nans += x[m, -1] != x[m, -1]
                    while done < after and done + WINDOWS <= end and nans == 0:
                        place = i * width + (done - row) - (before + odd) // 2
                        switch = np.int32(2 * place + odd)
                        for lane in range(np.uintp(WINDOWS)):
                            q = np.uintp(place) + lane
                            largest, offset = strips[s, np.uintp(odd), q], np.int32(0)
                            for u in range(3):
                                for v in range(3):
                                    cell = np.uintp(odd + u * width + v)
                                    strip, ahead = cell % np.uintp(2), cell // np.uintp(2)
                                    candidate = strips[s, strip, q + ahead]
                                    wins = candidate > largest
                                    largest = candidate if wins else largest
                                    offset = np.int32(u * width + v) if wins else offset
                            y[np.uintp(done) + lane] = largest
                            switches[np.uintp(done) + lane] = (
                                switch + np.int32(2) * np.int32(lane) + offset
                            )
                        done = min(done + WINDOWS, after)
                to = row
                while to < row + out_columns:
                    if first <= to < done:
                        to = done
                    else:
                        y[to], switches[to] = _one_window(
                            x, m, size, i, to - row, window, stride, padding
                        )
                        to += 1


@loops
def _one_window(x, m, size, i, j, window, stride, padding):
    """The largest cell of map m in window (i, j), and its index. Only cells on the map are
    compared, since padding never wins."""
    top, left = i * stride[0] - padding[0], j * stride[1] - padding[1]
    bottom, right = min(top + window[0], size[0]), min(left + window[1], size[1])
    top, left = max(top, 0), max(left, 0)
    switch = top * size[1] + left
    largest = x[m, switch]
    for h in range(top, bottom):
        for w in range(left, right):
            candidate = x[m, h * size[1] + w]
            if (candidate > largest) | (candidate != candidate):
                largest, switch = candidate, h * size[1] + w
    return largest, switch


@parallel_loops
def _max_pool2d_backward(dy, switches, dx):
    for m in prange(len(dx)):
        _add_to_switches(dy[m], switches[m], dx[m])


@loops
def _add_to_switches(dy, switches, dx):
    for p in range(len(dx)):
        dx[p] = 0
    for q in range(len(dy)):
        dx[switches[q]] += dy[q]
