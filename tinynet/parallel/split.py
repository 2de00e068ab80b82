"""How a batch, or the units of a layer, are divided among ranks."""


def share_of(count: int, rank: int, size: int) -> slice:
    """The part of `count` things that this rank of `size` has: neighbours, in the order of ranks,
    and no rank has more than one thing more than another.

    share_of(10, 0, 4), ... are 0:2, 2:5, 5:7, 7:10.
    """
    return slice(count * rank // size, count * (rank + 1) // size)
