"""Exchanges of activations between ranks, as ops: each has a backward, which exchanges gradients.

    forward                                        backward
    all_gather       every rank's x, joined        each part's gradients, summed at its rank
    broadcast        root's x                      the gradients, summed at root
    with_neighbours  x and the maps next to it     a map's gradients, summed at its own rank

The loss of the whole is the sum of the ranks' losses. So where a rank's activation is read by every
rank, its gradient is the sum of what they return.
"""

from tinynet.op import op
from tinynet.ops.checks import integer
from tinynet.parallel.split import share_of


@op
def all_gather(ctx, x, ranks, axis=1, name="", length=None):
    """Every rank's x, joined along an axis in the order of ranks.

    x       any shape, the same on every rank but for the length of this axis
    ranks   an engine (tinynet/parallel)
    axis    0: images of every rank. 1: channels or units of every rank
    name    what is counted as sent (traffic.py)
    length  of the axis in the whole, of which share_of gives each rank its part; None: all parts
            are as long as x. Where they differ, zeros fill up the shorter ones on the way
    Returns a tensor like x, with the axis of the whole. Its gradient is summed over the ranks, each
    of which gets its own part: backward is a reduce-scatter.
    Raises ValueError for an axis that x does not have, and for an x that is not its rank's part.
    """
    axis = integer("all_gather", "axis", axis, least=0)
    if axis >= x.ndim:
        raise ValueError(f"all_gather: x {x.shape} has no axis {axis}; 0 to {x.ndim - 1} fit")
    count = x.shape[axis]
    length = count * ranks.size if length is None else length
    length = integer("all_gather", "length", length, least=0)
    shares = [share_of(length, rank, ranks.size) for rank in range(ranks.size)]
    counts = [share.stop - share.start for share in shares]
    if count != counts[ranks.rank]:
        raise ValueError(
            f"all_gather: x {x.shape} has {count} of {length} along axis {axis}; rank {ranks.rank} "
            f"of {ranks.size} has {counts[ranks.rank]}"
        )
    longest = max(counts)

    def at(part):
        return (slice(None),) * axis + (part,)

    def filled_up(array):
        if count == longest:
            return array
        longer = ctx.xp.zeros((*x.shape[:axis], longest, *x.shape[axis + 1 :]), x.dtype)
        longer[at(slice(count))] = array
        return longer

    y = ctx.empty((*x.shape[:axis], length, *x.shape[axis + 1 :]), x.dtype)
    parts = ranks.all_gather(filled_up(x), name)  # (size, *the longest part's shape)
    for part, share, its_count in zip(parts, shares, counts, strict=True):
        y[at(share)] = part[at(slice(its_count))]

    def backward(dy):
        shape = ranks.size, *x.shape[:axis], longest, *x.shape[axis + 1 :]
        parts = ctx.xp.zeros(shape, dy.dtype)
        for part, share, its_count in zip(parts, shares, counts, strict=True):
            part[at(slice(its_count))] = dy[at(share)]
        return ranks.reduce_scatter(parts, name)[at(slice(count))]

    return y, backward


@op
def broadcast(ctx, x, ranks, root=0, name=""):
    """Root's x, on every rank.

    x     any shape, the same on every rank; the numbers of ranks other than root are not read
    root  a rank
    name  what is counted as sent (traffic.py)
    Returns a tensor like x. Root's gradient is the sum over the ranks, the others' is zero.
    Raises ValueError for a root that is no rank.
    """
    root = integer("broadcast", "root", root, least=0)
    if root >= ranks.size:
        raise ValueError(f"broadcast: there is no rank {root}; 0 to {ranks.size - 1} fit")
    y = x if ranks.rank == root else ctx.empty_like(x)
    ranks.broadcast(y, root, name)

    def backward(dy):
        total = dy.copy()
        ranks.reduce(total, root, name)  # into root's
        return total if ranks.rank == root else ctx.xp.zeros_like(dy)

    return y, backward


# --- neighbours ---


@op
def with_neighbours(ctx, x, ranks, channels, name=""):
    """x between the maps next to it: the last maps of the rank before, x, and the first maps of the
    rank after. The first rank has none before it, the last rank none after it.

        rank 0              rank 1              rank 2
        x0 [x1|             |x0] x1 [x2|        |x1] x2

    x         (N, C, H, W), the same on every rank
    channels  how many maps of each neighbour, 0 to C
    name      what is counted as sent (traffic.py)
    Returns (N, C + channels or 2 channels, H, W). A map's gradient is the sum of its own rank's and
    the neighbour's that read it, which is sent back.
    Raises ValueError for more channels than a neighbour has.
    """
    channels = integer("with_neighbours", "channels", channels, least=0)
    if x.ndim != 4 or channels > x.shape[1]:
        raise ValueError(
            f"with_neighbours: x {x.shape} has no {channels} channels to send; (N, C, H, W) with C "
            f"from {channels} fits"
        )
    n, c, h, w = x.shape
    own, last = _own(ranks, channels, c), slice(c - channels, c)
    y = ctx.empty((n, c + len(_neighbours(ranks)) * channels, h, w), x.dtype)
    y[:, own] = x
    before, after = _swap(ctx, ranks, x[:, :channels], x[:, last], name)
    if before is not None:
        y[:, : own.start] = before
    if after is not None:
        y[:, own.stop :] = after

    def backward(dy):
        dx = dy[:, own].copy()
        before, after = _swap(ctx, ranks, dy[:, : own.start], dy[:, own.stop :], name)
        if before is not None:
            dx[:, :channels] += before
        if after is not None:
            dx[:, last] += after
        return dx

    return y, backward


@op
def without_neighbours(ctx, y, ranks, channels):
    """The maps in the middle of with_neighbours(x, ranks, channels), where x was: (N, C, H, W)."""
    shape = y.shape
    own = _own(ranks, channels, shape[1] - len(_neighbours(ranks)) * channels)

    def backward(dx):
        dy = ctx.xp.zeros(shape, dx.dtype)
        dy[:, own] = dx
        return dy

    return ctx.xp.array(y[:, own], order="C"), backward


def _neighbours(ranks):
    """The ranks before and after this one, where they are."""
    return [rank for rank in (ranks.rank - 1, ranks.rank + 1) if 0 <= rank < ranks.size]


def _own(ranks, channels, count):
    """Where the rank's own maps are among those with neighbours."""
    first = channels if ranks.rank > 0 else 0
    return slice(first, first + count)


def _swap(ctx, ranks, to_before, to_after, name):
    """Send arrays to the ranks before and after, and return what they sent, None where there is no
    rank. What two ranks send each other is alike in shape.

    A send may wait until it is received. So ranks talk in pairs, (0, 1), then (1, 2), ..., and the
    lower one of a pair sends first.
    """
    received = {}
    sent = {ranks.rank - 1: to_before, ranks.rank + 1: to_after}
    for other in _neighbours(ranks):
        array = ctx.xp.array(sent[other], order="C")
        received[other] = ctx.empty_like(array)
        if ranks.rank < other:
            ranks.send(array, other, name)
            ranks.receive(received[other], other, name)
        else:
            ranks.receive(received[other], other, name)
            ranks.send(array, other, name)
    return received.get(ranks.rank - 1), received.get(ranks.rank + 1)
