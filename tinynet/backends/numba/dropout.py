"""Dropout: each element is dropped with probability drop, by a mask that Philox computes from
the seed, the draw and the element's number. So every backend drops the same elements, and the
backward pass computes the mask again instead of keeping it.

Source: the paper, section 4.2; the counter's layout: tinynet/random.py.
"""

import numpy as np
from numba import prange

from tinynet import random

from .compilation import loops, parallel_loops
from .threads import parallel

# Philox's constants and the number 32 in the type of its arithmetic; see tinynet/random.py.
_MULTIPLIER_0, _MULTIPLIER_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL_0, _WEYL_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_LOW, _32 = np.uint64(0xFFFFFFFF), np.uint64(32)

PIECE = 1024  # elements


@parallel
def dropout(x, drop, kept_scale, seed, draw, first, row, stride, y):
    """y = x times kept_scale where the element's 32 bits >= floor(drop 2^32), else x times 0.

    x, y         any shape, the same: rows of `row` elements in C order
    drop         the probability to drop, 0 to 1
    kept_scale   1 / (1 - drop) for inverted dropout, 1 for the paper's
    first, row, stride  element j of row n has the number first + n stride + j
    The mask is a factor, so a dropped NaN stays NaN. One iteration of the parallel loop: a piece of
    a row, PIECE elements.
    """
    threshold = np.uint64(drop * 2.0**32)
    kept_scale = x.dtype.type(kept_scale)
    counter_and_key = [np.uint64(number) for number in (draw, random.DROPOUT, seed)]
    x, y, numbers = x.reshape(-1), y.reshape(-1), (first, row, stride)
    _dropout(x, threshold, kept_scale, *counter_and_key, *numbers, y)


@parallel_loops
def _dropout(x, threshold, kept_scale, draw, stream, seed, first, row, stride, y):
    pieces = (row + PIECE - 1) // PIECE
    for i in prange(x.size // row * pieces):
        n, piece = divmod(np.int64(i), pieces)
        begin, end = piece * PIECE, min((piece + 1) * PIECE, row)
        _drop_piece(
            x[n * row + begin : n * row + end], threshold, kept_scale, draw, stream, seed,
            first + n * stride + begin, y[n * row + begin : n * row + end],
        )  # fmt: skip


@loops
def _drop_piece(x, threshold, kept_scale, draw, stream, seed, first, y):
    """Elements with consecutive numbers from `first` on, four by each call of Philox; of the first
    and the last four some may lie outside."""
    dropped_scale = x.dtype.type(0)
    for block in range(first // 4, (first + x.size + 3) // 4):
        words = _philox(np.uint64(block), draw, stream, seed)
        for word in range(4):
            i = 4 * block + word - first
            if 0 <= i < x.size:
                y[i] = x[i] * (kept_scale if words[word] >= threshold else dropped_scale)


@loops
def _philox(block, draw, stream, seed):
    """The four words of counter (block low, block high, draw, stream); tinynet/random.py."""
    c0, c1, c2, c3 = block & _LOW, block >> _32, draw, stream
    k0, k1 = seed & _LOW, seed >> _32
    for _ in range(10):
        product_0 = c0 * _MULTIPLIER_0
        product_1 = c2 * _MULTIPLIER_1
        c0 = (product_1 >> _32) ^ c1 ^ k0
        c1 = product_1 & _LOW
        c2 = (product_0 >> _32) ^ c3 ^ k1
        c3 = product_0 & _LOW
        k0, k1 = (k0 + _WEYL_0) & _LOW, (k1 + _WEYL_1) & _LOW
    return c0, c1, c2, c3
