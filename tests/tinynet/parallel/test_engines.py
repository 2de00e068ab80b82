"""Every method of the engines, on one rank and on several, against NumPy."""

import numpy as np
import pytest

import tinynet as tn
from tests.ranks import needs_mpi, on_ranks

mpi = needs_mpi()


def own(rank, shape=(3, 4), dtype=np.float32):
    """The array of a rank."""
    return np.random.default_rng(rank).standard_normal(shape).astype(dtype)


def all_methods(ranks, dtype):
    """{method: its result} on this rank."""
    x = own(ranks.rank, dtype=dtype)
    results = {"gathered": ranks.all_gather(x)}
    parts = own(ranks.rank, (ranks.size, 3, 4), dtype)
    results["part"] = ranks.reduce_scatter(parts)
    total = x.copy()
    request = ranks.all_reduce(total)
    request.advance()
    request.wait()
    results["total"] = total
    last = ranks.size - 1
    results["broadcast"] = x.copy()
    ranks.broadcast(results["broadcast"], last)
    results["reduced"] = x.copy()
    ranks.reduce(results["reduced"], last)
    if ranks.size > 1:
        if ranks.rank == 0:
            ranks.send(x, 1)
        if ranks.rank == 1:
            results["received"] = np.empty_like(x)
            ranks.receive(results["received"], 0)
    results["shared"] = ranks.share({"rank": ranks.rank})
    results["spread"] = ranks.spread(f"of rank {ranks.rank}")
    results["any"] = [tn.parallel.any_rank(ranks, rank == ranks.rank) for rank in (last, 99)]
    ranks.barrier()
    return results


def check(results, dtype):
    size = len(results)
    arrays = [own(rank, dtype=dtype) for rank in range(size)]
    parts = [own(rank, (size, 3, 4), dtype) for rank in range(size)]
    tolerance = 1e-6 if dtype == np.float32 else 1e-14
    for rank, each in enumerate(results):
        assert each["total"].dtype == each["part"].dtype == each["gathered"].dtype == dtype
        assert np.array_equal(each["gathered"], np.stack(arrays))
        assert np.allclose(each["total"], sum(arrays), rtol=0, atol=tolerance)
        assert np.allclose(each["part"], sum(p[rank] for p in parts), rtol=0, atol=tolerance)
        assert np.array_equal(each["broadcast"], arrays[-1])
        assert each["shared"] == [{"rank": rank} for rank in range(size)]
        assert each["spread"] == "of rank 0"
        assert each["any"] == [True, False]
        if rank == 1:
            assert np.array_equal(each["received"], arrays[0])
    assert all(np.array_equal(each["total"], results[0]["total"]) for each in results)
    assert np.allclose(results[-1]["reduced"], sum(arrays), rtol=0, atol=tolerance)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_process(dtype):
    check([all_methods(tn.parallel.Single(), dtype)], dtype)


@mpi
@pytest.mark.parametrize("size", [2, 3, 4])
def test_mpi(size):
    for dtype in (np.float32, np.float64):
        check(on_ranks(size, all_methods, dtype), dtype)


def bits_of_a_sum(ranks, seconds):
    """The bits of a sum, where each rank comes late by its own number of seconds."""
    import time

    time.sleep(seconds[ranks.rank])
    x = own(ranks.rank, (40_000,))
    ranks.all_reduce(x).wait()
    return x.tobytes()


@mpi
def test_a_sum_has_the_same_bits_whoever_comes_last():
    delays = [(0, 0, 0, 0.3), (0.3, 0, 0.1, 0), (0, 0.2, 0, 0)]
    results = {bits for each in delays for bits in on_ranks(4, bits_of_a_sum, each)}
    assert len(results) == 1
