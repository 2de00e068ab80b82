"""Exchanges of activations between ranks, as ops: each has a backward, which exchanges gradients.

The loss of the whole is the sum of the ranks' losses. So where a rank's activation is read by every
rank, its gradient is the sum of what they return.
"""

from tinynet.op import op
from tinynet.ops.checks import integer


@op
def all_gather(ctx, x, ranks, axis=1, name=""):
    """Every rank's x, joined along an axis in the order of ranks.

    x      any shape, the same on every rank
    ranks  an engine (tinynet/parallel)
    axis   0: images of every rank. 1: channels or units of every rank
    name   what is counted as sent (traffic.py)
    Returns a tensor like x, `ranks.size` times as long in that axis. Its gradient is summed over
    the ranks, each of which gets its own part: backward is a reduce-scatter.
    Raises ValueError for an axis that x does not have.
    """
    axis = integer("all_gather", "axis", axis, least=0)
    if axis >= x.ndim:
        raise ValueError(f"all_gather: x {x.shape} has no axis {axis}; 0 to {x.ndim - 1} fit")
    parts = ranks.all_gather(x, name)  # (size, *x.shape)
    y = ctx.xp.concatenate(list(parts), axis=axis)

    def backward(dy):
        parts = ctx.xp.stack(ctx.xp.split(dy, ranks.size, axis=axis))
        return ranks.reduce_scatter(parts, name)

    return y, backward
