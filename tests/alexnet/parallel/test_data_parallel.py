"""Data parallel training has one process's losses and weights, on any number of ranks."""

import numpy as np
import pytest

import tinynet as tn
from tests.alexnet.parallel.programs import losses_and_weights
from tests.ranks import needs_mpi, on_ranks

pytestmark = needs_mpi()
STEPS = 4


def one(spec, dtype, batch=8):
    with tn.use_backend("numpy"):
        return losses_and_weights(tn.parallel.Single(), spec, dtype, STEPS, batch=batch)


def largest_difference(arrays, others):
    return max(np.abs(arrays[name] - others[name]).max() for name in arrays)


@pytest.mark.parametrize("size", [2, 4])
def test_float64_has_one_process_losses_to_1e_12(size):
    losses, weights = one("paper", np.float64)
    for own, arrays in on_ranks(size, losses_and_weights, "paper", np.float64, STEPS):
        assert np.allclose(own, losses, rtol=1e-12, atol=0)
        assert largest_difference(arrays, weights) < 1e-12


def test_shares_of_several_sizes():
    losses, weights = one("paper", np.float64, batch=7)
    for own, arrays in on_ranks(3, losses_and_weights, "paper", np.float64, STEPS, False, 7):
        assert np.allclose(own, losses, rtol=1e-12, atol=0)
        assert largest_difference(arrays, weights) < 1e-12


def test_float32_has_them_to_rounding_and_the_same_bits_on_every_rank_and_run():
    losses, _ = one("paper", np.float32)
    runs = [on_ranks(4, losses_and_weights, "paper", np.float32, STEPS) for _ in range(2)]
    first_losses, first_weights = runs[0][0]
    assert np.allclose(first_losses, losses, rtol=1e-5, atol=0)
    for run in runs:
        for own, arrays in run:
            assert own == first_losses
            assert all(np.array_equal(arrays[name], first_weights[name]) for name in arrays)


def test_batch_normalisation_of_all_images_has_one_process_losses():
    losses, weights = one("batch-norm", np.float64)
    for own, arrays in on_ranks(2, losses_and_weights, "batch-norm", np.float64, STEPS, True):
        assert np.allclose(own, losses, rtol=1e-10, atol=0)
        assert largest_difference(arrays, weights) < 1e-10


def test_batch_normalisation_of_own_images_differs_and_is_the_same_on_every_rank():
    losses, _ = one("batch-norm", np.float64)
    ranks = on_ranks(2, losses_and_weights, "batch-norm", np.float64, STEPS)
    assert not np.allclose(ranks[0][0], losses, rtol=1e-6, atol=0)
    assert ranks[0][0] == ranks[1][0]
    assert largest_difference(ranks[0][1], ranks[1][1]) == 0  # running statistics too
