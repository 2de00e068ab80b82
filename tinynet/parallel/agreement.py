"""Decisions that all ranks take together: a loop that one rank left would let the others wait."""

import numpy as np


def any_rank(ranks, flag: bool) -> bool:
    """Whether the flag is true on any rank. Every rank must ask."""
    if ranks.size == 1:
        return bool(flag)
    count = np.array(float(flag))
    ranks.all_reduce(count, "agreement").wait()
    return bool(count > 0)
