"""Dropout, in both published conventions, of a whole activation or of a block of one."""

import math

from tinynet import random
from tinynet.op import op
from tinynet.ops.checks import check_floating, integer, number

LARGEST = 1 << 62  # of the numbers of elements: kernels take them as signed 64-bit numbers


@op
def dropout(ctx, x, drop=0.5, training=True, scale="train", draw=None, part=None):
    """Set each element to zero with probability drop, in training.

    x         any shape, float32 or float64
    drop      the probability to drop, 0 to 1
    scale     "train": in training kept elements are divided by 1 - drop (inverted dropout); in
              test nothing happens. "test": in training kept elements stay as they are; in test
              all are multiplied by 1 - drop (the paper)
    draw      which mask of the current seed (tn.seed); None: the next one
    part      None: x is whole. Or (first_row, first_column, columns): x, its axes after the first
              flattened, is the block of an activation of `columns` columns that begins at this row
              and column. The mask is that block of the activation's mask, so the ranks that have
              the blocks of a batch drop together as one process with the whole batch. Of maps
              (N, C, H, W), channels from c on begin at column c H W
    Returns a tensor like x. An element's mask depends only on seed, draw and its number: in C order
    (n, j) of the activation has the number n columns + j.
    Raises ValueError for other values of drop, scale or draw, and for a part that x does not fit.
    Source: the paper, section 4.2.
    """
    check_floating("dropout", "x", x)
    drop = number("dropout", "drop", drop)
    if not 0 <= drop <= 1:
        raise ValueError(f"dropout: drop must be from 0 to 1, got {drop!r}")
    if draw is not None:
        draw = integer("dropout", "draw", draw, least=0)
        if draw >= 1 << 32:
            raise ValueError(f"dropout: draw must be from 0 to 2^32 - 1, or None, got {draw!r}")
    if scale not in ("train", "test"):
        raise ValueError(f'dropout: scale must be "train" or "test", got {scale!r}')
    numbers = _numbers(x, part)
    if drop == 0 or (not training and scale == "train"):
        return x, lambda dy: dy
    if not training:
        kept_share = 1 - drop
        return x * kept_share, lambda dy: dy * kept_share

    seed = random.current_seed()
    draw = random.next_dropout_draw() if draw is None else draw
    kept_scale = 1.0 if scale == "test" or drop == 1 else 1 / (1 - drop)
    y = ctx.empty_like(x)
    ctx.kernels.dropout(x, drop, kept_scale, seed, draw, *numbers, y)

    def backward(dy):
        dx = ctx.empty_like(dy)
        ctx.kernels.dropout(dy, drop, kept_scale, seed, draw, *numbers, dx)
        return dx

    return y, backward


def _numbers(x, part):
    """How the elements of x are numbered: the kernel's first, row and stride."""
    if part is None:
        return 0, max(x.size, 1), 0
    if not isinstance(part, (tuple, list)) or len(part) != 3:
        raise TypeError(
            f"dropout: part must be (first_row, first_column, columns) or None, got {part!r}"
        )
    if x.ndim == 0:
        raise ValueError(f"dropout: part {tuple(part)} does not fit x of shape (), which is whole")
    first_row, first_column, columns = (
        integer("dropout", f"{name} of part", value, least=0)
        for name, value in zip(("first_row", "first_column", "columns"), part, strict=True)
    )
    rows, row = len(x), math.prod(x.shape[1:])
    if first_column + row > columns:
        raise ValueError(
            f"dropout: part {tuple(part)} is of {columns} columns, and x {x.shape} has its {row} "
            f"from column {first_column} on; {first_column + row} columns or more fit"
        )
    if (first_row + rows) * columns > LARGEST:
        raise ValueError(
            f"dropout: part {tuple(part)} of x {x.shape} numbers more than 2^62 elements"
        )
    first = first_row * columns + first_column
    if row == columns:  # the rows follow one another, so they are one long row
        return first, max(x.size, 1), 0
    return first, max(row, 1), columns
