"""The loop: a GPU gets the next step before a result is read; saving and Ctrl-C skip no result."""

from types import SimpleNamespace

import numpy as np
import pytest

import tinynet as tn
from alexnet import train
from alexnet.cli.interrupts import Interrupted
from alexnet.errors import DataError


class Run:
    """The parts of a run that the loop uses. events: what happened, in order."""

    def __init__(self, events, save_after=()):
        self.events, self.step = events, 0
        self.head = self.optimizer = None
        self.ranks = tn.parallel.Single()
        self.schedule = SimpleNamespace(rate=lambda step: 0.5**step)
        self.saving = SimpleNamespace(is_due=lambda step: step in save_after)

    def save(self):
        self.events.append("saved")


@pytest.fixture
def loop(monkeypatch):
    """Runs the loop over batches 1, 2, ...; returns its events.

    interrupt  Ctrl-C in this step
    broken     an image of this batch cannot be read
    """

    def record(run, progress, result):
        loss = float(result.loss())
        run.events.append(f"read {loss:.0f}")
        assert result.lr == 0.5**run.step and result.labels == loss
        run.step += 1

    monkeypatch.setattr(train, "record", record)

    def loop(count, save_after=(), interrupt=None, broken=None):
        events, interrupts = [], SimpleNamespace(asked=False)

        def step(model, optimizer, x, labels, lr):
            events.append(f"queued {labels}")
            interrupts.asked = interrupts.asked or labels == interrupt
            return tn.Tensor(np.float32(labels)), tn.Tensor(np.float32([[labels]]))

        def batches():
            for number in range(1, count + 1):
                if number == broken:
                    raise DataError
                yield None, number

        try:
            train.train_epoch(Run(events, save_after), step, batches(), None, interrupts)
        except Interrupted:
            events.append("interrupted")
        except DataError:
            events.append("data error")
        return events

    return loop


def test_a_processor_reads_each_loss_at_once(loop):
    with tn.use_backend("numpy"):
        assert loop(2) == ["queued 1", "read 1", "queued 2", "read 2"]


def test_a_gpu_has_the_next_step_before_a_loss_is_read(loop, on_gpu):
    assert loop(3) == ["queued 1", "queued 2", "read 1", "queued 3", "read 2", "read 3"]


def test_before_a_checkpoint_everything_is_read(loop, on_gpu):
    assert loop(3, save_after={2}) == [
        "queued 1", "queued 2", "read 1", "read 2", "saved", "queued 3", "read 3",
    ]  # fmt: skip


def test_ctrl_c_counts_the_steps_that_were_taken_and_takes_no_other(loop, on_gpu):
    assert loop(3, interrupt=2) == ["queued 1", "queued 2", "read 1", "read 2", "interrupted"]


def test_a_batch_that_cannot_be_read_counts_the_steps_before_it(loop, on_gpu):
    assert loop(4, broken=3) == ["queued 1", "queued 2", "read 1", "read 2", "data error"]


def test_ctrl_c_in_a_step_after_which_a_checkpoint_is_due_leaves_the_saving_to_the_end(loop):
    """The command saves when the loop has ended: once is enough."""
    with tn.use_backend("numpy"):
        assert loop(3, save_after={1}, interrupt=1) == ["queued 1", "read 1", "interrupted"]


def test_ctrl_c_in_the_last_step_is_not_lost(loop):
    with tn.use_backend("numpy"):
        assert loop(1, interrupt=1)[-1] == "interrupted"
