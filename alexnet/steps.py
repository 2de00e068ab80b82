"""Training steps one after the other, and what came of them.

A processor has finished a step when the function that takes it returns. A GPU has only been given
its work then, and whoever asks for the loss waits for it, with nothing left to do for the GPU
meanwhile. So there the loss of a step is read when the next step has been queued. Before a
checkpoint all are read: what it holds is of one moment.

With --capture the step is recorded once and launched whole (tinynet/backends/cupy/capture.py).
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

import tinynet as tn
from alexnet.commands import Interrupted
from tinynet.backends.cupy.capture import Captured


@dataclass(frozen=True)
class Done:
    """A step that was taken.

    loss, logits  functions that return the loss, a number, and the logits, a NumPy array
    x, labels     the batch: a Tensor and tn.Labels. On a GPU the next batch lies in x already
    lr            the rate
    random_state  tinynet.random's after the step
    """

    loss: Callable
    logits: Callable
    x: tn.Tensor
    labels: tn.Labels
    lr: float
    random_state: dict


class Steps:
    """Takes the steps of a run.

    take_step  (model, optimizer, x, labels, lr) -> (loss, logits), as alexnet.train has it
    """

    def __init__(self, run, take_step):
        self._run = run
        self._take = partial(take_step, run.model, run.optimizer)
        kernels = tn.get_backend()
        self._gpu = kernels.gpu if kernels.name == "cupy" else None
        self._behind = 1 if self._gpu else 0  # how many steps are queued before the oldest is read
        if self._gpu and run.options.capture:
            self._take = CapturedStep(self._gpu, self._take)

    def through(self, batches: Iterable) -> Iterator[Done]:
        """Take a step with each batch, (x, labels). Yields each step when it can be read, in order;
        between two of them the run may have been saved."""
        run, waiting = self._run, deque()
        try:
            for x, labels in batches:
                if run.save_is_due():
                    yield from _emptied(waiting)
                    run.save()
                waiting.append(self._step(x, labels, run.schedule.rate(run.step + len(waiting))))
                if len(waiting) > self._behind:
                    yield waiting.popleft()
        except Interrupted:
            yield from _emptied(waiting)
            raise
        yield from _emptied(waiting)

    def _step(self, x, labels, lr):
        loss, logits = self._take(x, labels, lr)
        state = tn.random.get_state()
        if self._gpu is None:
            return Done(loss.item, logits.numpy, x, labels, lr, state)
        downloads = [self._gpu.download(array) for array in (loss.data, logits.data)]
        return Done(
            lambda: float(downloads[0].get()), downloads[1].get, x, labels, lr, state
        )  # fmt: skip


def _emptied(waiting):
    while waiting:
        yield waiting.popleft()


class CapturedStep:
    """A step recorded with the first two batches, which must lie in the same arrays as all others;
    one of another size is taken without the recording."""

    def __init__(self, gpu, take_step):
        self._gpu, self._take = gpu, take_step
        self._captured = None

    def __call__(self, x, labels, lr):
        if self._captured is None:
            self._x, self._labels = x, labels
            self._rate = tn.Tensor(np.asarray(lr, np.float32))
            self._captured = Captured(
                self._gpu, lambda: self._take(self._x, self._labels, self._rate)
            )
        if x.shape != self._x.shape:
            return self._take(x, labels, lr)
        self._rate.data.fill(lr)
        return self._captured()
