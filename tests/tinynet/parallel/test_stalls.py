"""A rank that does not come is named by the others, and is not waited for without end."""

import io
import sys
import time

import numpy as np

from tests.ranks import needs_mpi, on_ranks
from tinynet.parallel import ParallelError, stalls

pytestmark = needs_mpi()


def wait_for_a_late_rank(ranks, late, seconds, limit):
    """What this rank said on stderr, and its error, while the late one sleeps."""
    ranks.barrier()
    before = sys.__stderr__, stalls.MINUTE, stalls.HEARD, stalls.LIMIT
    sys.__stderr__, stalls.MINUTE, stalls.HEARD, stalls.LIMIT = io.StringIO(), 1.0, 0.9, limit
    error, total = "", np.ones(3)
    try:
        if ranks.rank == late:
            time.sleep(seconds)
        request = ranks.all_reduce(total, "fc6.weight")
        try:
            request.wait()
        except ParallelError as caught:
            error = str(caught)
        said = sys.__stderr__.getvalue()
    finally:
        sys.__stderr__, stalls.MINUTE, stalls.HEARD, stalls.LIMIT = before
    request.wait()
    ranks.barrier()
    assert (total == ranks.size).all()
    return said, error


def test_rank_0_names_the_rank_that_is_late():
    said = on_ranks(3, wait_for_a_late_rank, 2, 4.5, 60.0)
    first, *others = said[0][0].splitlines()
    assert first.startswith("waiting for rank 2 on") and "not yet at fc6.weight for" in first
    assert others  # once a minute
    assert said[2] == ("", "")


def test_rank_1_names_rank_0():
    said = on_ranks(3, wait_for_a_late_rank, 0, 3.0, 60.0)
    assert "waiting for rank 0 on" in said[1][0]
    assert said[0] == ("", "")


def test_a_wait_ends_with_an_error_that_names_the_rank():
    said = on_ranks(3, wait_for_a_late_rank, 1, 8.0, 0.5)
    assert "rank 1 on" in said[0][1] and "has not come to fc6.weight for" in said[0][1]
    assert said[2][1] and not said[1][1]
