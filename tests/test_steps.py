"""The order of steps: a GPU is given the next one before the last one's loss is read, and nothing
is under way when a checkpoint is written."""

from types import SimpleNamespace

import numpy as np
import pytest

import tinynet as tn
from alexnet.commands import Interrupted
from alexnet.steps import Steps


class Run:
    """What Steps asks of a run; events are what happened, in order."""

    def __init__(self, events, save_before=(), capture=False):
        self.events, self.step, self._save_before = events, 0, save_before
        self.model = self.optimizer = None
        self.options = SimpleNamespace(capture=capture)
        self.schedule = SimpleNamespace(rate=lambda step: 0.5**step)
        self._asked = 0

    def save_is_due(self):
        self._asked += 1
        return self._asked in self._save_before

    def save(self):
        self.events.append("saved")


def go_through(run, batches):
    def take_step(model, optimizer, x, labels, lr):
        run.events.append(f"queued {labels}")
        return tn.Tensor(np.float32(labels)), tn.Tensor(np.float32([[labels, -labels]]))

    for done in Steps(run, take_step).through(batches):
        run.events.append(f"read {done.loss():.0f}")
        assert done.logits().tolist() == [[done.labels, -done.labels]]
        assert done.lr == 0.5 ** (done.labels - 1) and done.x == f"x{done.labels}"
        run.step += 1


def batches(count, end=None):
    for number in range(1, count + 1):
        yield f"x{number}", number
    if end:
        raise end


def test_a_processor_reads_each_loss_at_once():
    events = []
    with tn.use_backend("numpy"):
        go_through(Run(events), batches(3))
    assert events == ["queued 1", "read 1", "queued 2", "read 2", "queued 3", "read 3"]


def test_a_gpu_has_the_next_step_before_a_loss_is_read(on_gpu):
    events = []
    go_through(Run(events), batches(3))
    assert events == ["queued 1", "queued 2", "read 1", "queued 3", "read 2", "read 3"]


def test_before_a_checkpoint_everything_is_read(on_gpu):
    events = []
    go_through(Run(events, save_before={3}), batches(4))
    assert events == [
        "queued 1", "queued 2", "read 1", "read 2", "saved", "queued 3", "queued 4", "read 3",
        "read 4",
    ]  # fmt: skip


def test_an_interrupted_run_counts_the_steps_that_were_taken(on_gpu):
    events = []
    with pytest.raises(Interrupted):
        go_through(Run(events), batches(2, Interrupted()))
    assert events == ["queued 1", "queued 2", "read 1", "read 2"]


def test_another_error_reads_nothing_more(on_gpu):
    events = []
    with pytest.raises(OSError):
        go_through(Run(events), batches(2, OSError()))
    assert events == ["queued 1", "queued 2", "read 1"]


def test_the_random_state_is_that_after_the_step_itself():
    def take_step(model, optimizer, x, labels, lr):
        tn.random.next_dropout_draw()
        return tn.Tensor(np.float32(0)), tn.Tensor(np.float32([[0]]))

    tn.seed(3)
    with tn.use_backend("numpy"):
        steps = Steps(Run([]), take_step).through(batches(2))
        assert [done.random_state["dropout_draws"] for done in steps] == [1, 2]
