"""Dropout: each element is dropped with probability drop, by a mask that Philox computes from
the seed, the draw and the element's number. So every backend drops the same elements, and the
backward pass computes the mask again instead of keeping it.

Source: the paper, section 4.2; the counter's layout: tinynet/random.py.
"""

import numpy as np

from tinynet import random


def dropout(x, drop, kept_scale, seed, draw, first, row, stride, y):
    """y = x times kept_scale where the element's 32 bits >= floor(drop 2^32), else x times 0.

    x, y         any shape, the same: rows of `row` elements in C order
    drop         the probability to drop, 0 to 1
    kept_scale   1 / (1 - drop) for inverted dropout, 1 for the paper's
    first, row, stride  element j of row n has the number first + n stride + j
    The mask is a factor, so a dropped NaN stays NaN.
    """
    mask = np.empty((x.size // row, row), x.dtype)
    for n in range(len(mask)):
        start = first + n * stride
        bits = random.bits(row, seed=seed, stream=random.DROPOUT, draw=draw, first=start)
        kept = bits >= np.uint64(drop * 2.0**32)
        mask[n] = np.where(kept, x.dtype.type(kept_scale), x.dtype.type(0))
    np.multiply(x, mask.reshape(x.shape), out=y)
