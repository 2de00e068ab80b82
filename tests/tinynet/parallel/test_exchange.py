"""The exchanges of activations: what every rank gets, and their gradients.

The loss of the whole is the sum of the ranks' losses. So a gradient is checked against the slope of
that sum, in which one rank moves one element and every rank computes its loss anew.
"""

import numpy as np
import pytest

import tinynet as tn
from tests.ranks import needs_mpi, on_ranks
from tinynet.parallel import (
    Single,
    all_gather,
    broadcast,
    share_of,
    with_neighbours,
    without_neighbours,
)

mpi = needs_mpi()


def images(ranks, x):
    return all_gather(x, ranks, axis=0)


def units(ranks, x):
    return all_gather(x, ranks)


def units_that_do_not_divide(ranks, x):
    whole = ranks.size + 1  # rank 0 has one, the last rank two
    count = len(range(whole)[share_of(whole, ranks.rank, ranks.size)])
    return all_gather(x[:, :count], ranks, length=whole)


def from_the_first(ranks, x):
    return broadcast(x, ranks)


def from_the_last(ranks, x):
    return broadcast(x, ranks, root=ranks.size - 1)


def neighbours(ranks, x):
    return with_neighbours(x, ranks, 2)


def neighbours_and_back(ranks, x):
    """The borders are read, or their gradient would be zero."""
    return without_neighbours(with_neighbours(x, ranks, 1) ** 2, ranks, 1)


def across_ranks(ranks, x):
    """Normalisation across the maps of all ranks."""
    y = tn.local_response_norm(with_neighbours(x, ranks, 2), 5, alpha=1.0)
    return without_neighbours(y, ranks, 2)


EXCHANGES = [
    images, units, units_that_do_not_divide, from_the_first, from_the_last, neighbours,
    neighbours_and_back, across_ranks,
]  # fmt: skip
SHAPE = (2, 3, 1, 2)


def own(rank, shape=SHAPE):
    return np.random.default_rng(rank).standard_normal(shape)


def gradient_and_slopes(ranks, exchange):
    """(analytic, numeric), of this rank's x."""
    tn.use_backend("numpy")
    x = own(ranks.rank)
    leaf = tn.Tensor(x, requires_grad=True)
    y = exchange(ranks, leaf)
    weights = own(100 + ranks.rank, y.shape)
    y.backward(weights)
    assert np.array_equal(weights, own(100 + ranks.rank, y.shape))  # no backward writes into dy

    def loss_of_the_whole(x):
        y = exchange(ranks, tn.Tensor(x))
        return sum(ranks.share(float((y.numpy() * weights).sum())))

    step, slopes = 1e-5, np.zeros_like(x)
    for rank in range(ranks.size):
        for at in np.ndindex(x.shape):
            losses = []
            for sign in (1, -1):
                moved = x.copy()
                moved[at] += sign * step * (rank == ranks.rank)
                losses.append(loss_of_the_whole(moved))
            if rank == ranks.rank:
                slopes[at] = (losses[0] - losses[1]) / (2 * step)
    return leaf.grad, slopes


def check(results):
    for gradient, slopes in results:
        assert np.allclose(gradient, slopes, rtol=0, atol=1e-8)


@mpi
@pytest.mark.parametrize("size", [2, 3, 4])
@pytest.mark.parametrize("exchange", EXCHANGES)
def test_a_gradient_is_the_slope_of_the_sum_of_losses(exchange, size):
    results = on_ranks(size, gradient_and_slopes, exchange)
    check(results)
    assert any(np.abs(slopes).max() > 0.1 for _, slopes in results)


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_one_process_has_the_same_ops(exchange):
    with tn.use_backend("numpy"):
        check([gradient_and_slopes(Single(), exchange)])


def outputs(ranks):
    tn.use_backend("numpy")
    x = tn.Tensor(own(ranks.rank))
    return {exchange: exchange(ranks, x).numpy() for exchange in EXCHANGES}


@mpi
@pytest.mark.parametrize("size", [2, 3])
def test_every_rank_gets_what_it_should(size):
    x = [own(rank) for rank in range(size)]
    whole = np.concatenate(x, axis=1)
    normalised = tn.local_response_norm(tn.Tensor(whole), 5, alpha=1.0).numpy()
    parts = [each[:, : 1 + (rank == size - 1)] for rank, each in enumerate(x)]
    for rank, each in enumerate(on_ranks(size, outputs)):
        mine, count = slice(3 * rank, 3 * rank + 3), 3 * size
        assert np.array_equal(each[images], np.concatenate(x))
        assert np.array_equal(each[units], whole)
        assert np.array_equal(each[units_that_do_not_divide], np.concatenate(parts, axis=1))
        assert np.array_equal(each[from_the_first], x[0])
        assert np.array_equal(each[from_the_last], x[-1])
        near = whole[:, max(0, mine.start - 2) : min(count, mine.stop + 2)]
        assert np.array_equal(each[neighbours], near)
        assert np.array_equal(each[neighbours_and_back], x[rank] ** 2)
        assert np.allclose(each[across_ranks], normalised[:, mine], rtol=0, atol=1e-14)


def large_neighbours(ranks):
    """More bytes than MPI sends before the other side has asked for them."""
    tn.use_backend("numpy")
    x = tn.Tensor(np.full((4, 8, 128, 128), float(ranks.rank)), requires_grad=True)
    with_neighbours(x, ranks, 8).sum().backward()
    return float(x.grad.min()), float(x.grad.max())


@mpi
def test_large_borders_cross_without_a_deadlock():
    assert on_ranks(4, large_neighbours) == [(2, 2), (3, 3), (3, 3), (2, 2)]


def test_errors_say_what_fits():
    ranks, x = Single(), tn.Tensor(np.zeros(SHAPE))
    with pytest.raises(ValueError, match=r"no axis 4; 0 to 3 fit"):
        all_gather(x, ranks, axis=4)
    with pytest.raises(ValueError, match=r"has 3 of 7 along axis 1; rank 0 of 1 has 7"):
        all_gather(x, ranks, length=7)
    with pytest.raises(ValueError, match=r"there is no rank 1; 0 to 0 fit"):
        broadcast(x, ranks, root=1)
    with pytest.raises(ValueError, match=r"no 4 channels to send; .* with C from 4 fits"):
        with_neighbours(x, ranks, 4)
