"""Dropout, in both published conventions."""

from tinynet import random
from tinynet.op import op
from tinynet.ops.checks import check_floating, integer, number


@op
def dropout(ctx, x, drop=0.5, training=True, scale="train", draw=None):
    """Set each element to zero with probability drop, in training.

    x         any shape, float32 or float64
    drop      the probability to drop, 0 to 1
    scale     "train": in training kept elements are divided by 1 - drop (inverted dropout); in
              test nothing happens. "test": in training kept elements stay as they are; in test
              all are multiplied by 1 - drop (the paper)
    draw      which mask of the current seed (tn.seed); None: the next one
    Returns a tensor like x. An element's mask depends only on seed, draw and its number.
    Raises ValueError for other values of drop, scale or draw.
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
    if drop == 0 or (not training and scale == "train"):
        return x, lambda dy: dy
    if not training:
        kept_share = 1 - drop
        return x * kept_share, lambda dy: dy * kept_share

    seed = random.current_seed()
    draw = random.next_dropout_draw() if draw is None else draw
    kept_scale = 1.0 if scale == "test" or drop == 1 else 1 / (1 - drop)
    y = ctx.empty_like(x)
    ctx.kernels.dropout(x, drop, kept_scale, seed, draw, y)

    def backward(dy):
        dx = ctx.empty_like(dy)
        ctx.kernels.dropout(dy, drop, kept_scale, seed, draw, dx)
        return dx

    return y, backward
