"""Results are read at once on a processor, one step later on a GPU, all before a checkpoint."""

import numpy as np
import pytest

import tinynet as tn
from alexnet.training.pending import Pending


def queue(pending, number):
    """Add a step whose loss is its number."""
    loss, logits = tn.Tensor(np.float32(number)), tn.Tensor(np.float32([[number, -number]]))
    pending.add(loss, logits, f"x{number}", f"labels{number}", 0.5**number)


def losses(results):
    return [float(result.loss()) for result in results]


def test_a_processor_reads_each_result_at_once():
    with tn.use_backend("numpy"):
        pending = Pending()
        for number in (1, 2, 3):
            queue(pending, number)
            assert losses(pending.take()) == [number]
            assert len(pending) == 0


def test_a_gpu_has_the_next_step_before_a_result_is_read(on_gpu):
    pending = Pending()
    losses_by_step = []
    for number in (1, 2, 3):
        queue(pending, number)
        losses_by_step.append(losses(pending.take()))
        assert len(pending) == 1
    assert losses_by_step == [[], [1], [2]]
    assert losses(pending.take(everything=True)) == [3]
    assert len(pending) == 0


def test_everything_is_read_oldest_first(on_gpu):
    pending = Pending()
    for number in (1, 2, 3):
        queue(pending, number)
    assert losses(pending.take(everything=True)) == [1, 2, 3]


def test_a_result_belongs_to_its_own_step(backend):
    pending = Pending()
    for number in (1, 2):
        queue(pending, number)
    for number, result in enumerate(pending.take(everything=True), start=1):
        assert result.logits().tolist() == [[number, -number]]
        assert (result.x, result.labels, result.lr) == (
            f"x{number}",
            f"labels{number}",
            0.5**number,
        )


def test_results_not_taken_stay_in_the_queue():
    """For example after an error at the first result."""
    with tn.use_backend("numpy"):
        pending = Pending()
        for number in (1, 2):
            queue(pending, number)
        with pytest.raises(ZeroDivisionError):
            for _ in pending.take():
                1 / 0  # noqa: B018
        assert len(pending) == 1


def test_a_result_has_the_random_state_after_its_own_step(backend):
    tn.seed(3)
    pending = Pending()
    for number in (1, 2):
        tn.random.next_dropout_draw()
        queue(pending, number)
    states = [result.random_state for result in pending.take(everything=True)]
    assert [state["dropout_draws"] for state in states] == [1, 2]
