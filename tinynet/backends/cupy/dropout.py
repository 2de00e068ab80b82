"""Dropout by a mask that Philox computes from the seed, the draw and the element's number. So every
backend drops the same elements, and the backward pass computes the mask again. The kernel is in
dropout.cu.

Source: the paper, section 4.2; the counter's layout: tinynet/random.py.
"""

from pathlib import Path

from tinynet import random

from .device.launch import threads_of_rows

CU = Path(__file__).with_suffix(".cu")


def dropout(gpu, x, drop, kept_scale, seed, draw, first, row, stride, y):
    """y = x times kept_scale where the element's 32 bits >= floor(drop 2^32), else x times 0.

    x, y         any shape, the same: rows of `row` elements in C order
    drop         the probability to drop, 0 to 1
    kept_scale   1 / (1 - drop) for inverted dropout, 1 for the paper's
    first, row, stride  element j of row n has the number first + n stride + j
    The mask is a factor, so a dropped NaN stays NaN. gpu.draws_before is added to draw.
    """
    seed, rows = int(seed), x.size // row
    blocks = (row + 6) // 4  # of four numbers: a row of any first number lies in so many
    gpu.launch(
        CU, "dropout", threads_of_rows(rows, blocks),
        x, y, rows, row, first, stride, int(drop * 2.0**32), float(kept_scale),
        seed & 0xFFFFFFFF, seed >> 32, int(draw), random.DROPOUT, gpu.draws_before,
    )  # fmt: skip
