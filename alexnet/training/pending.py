"""Steps whose results have not been read yet.

A processor has finished a step when the function that takes it returns. A GPU has only been given
its work then, and reading the loss would wait for it, while the GPU runs out of work. So on a GPU
the result of a step is read when the next step has been queued: one step stays unread.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

import tinynet as tn


@dataclass(frozen=True)
class Result:
    """What came of a step.

    loss, logits  functions that return the NumPy arrays (), (N, classes); on a GPU they wait for
                  the step
    x, labels     the batch: a Tensor and tn.Labels. On a GPU x may hold the next batch already
    lr            the rate
    random_state  tinynet.random's after the step
    """

    loss: Callable[[], np.ndarray]
    logits: Callable[[], np.ndarray]
    x: tn.Tensor
    labels: tn.Labels
    lr: float
    random_state: dict


class Pending:
    """A queue of Results; len() is how many have not been read."""

    def __init__(self):
        self._unread = deque()
        self._depth = 1 if tn.get_backend().asynchronous else 0

    def __len__(self):
        return len(self._unread)

    def add(self, loss: tn.Tensor, logits: tn.Tensor, x, labels, lr) -> None:
        """Add a step that was just taken or queued."""
        copies = tn.gpu.download(loss), tn.gpu.download(logits)
        self._unread.append(Result(*copies, x, labels, lr, tn.random.get_state()))

    def take(self, everything: bool = False) -> Iterator[Result]:
        """Remove and yield, oldest first, the results that are to be read now: on a GPU all but the
        last one, else all."""
        kept = 0 if everything else self._depth
        while len(self._unread) > kept:
            yield self._unread.popleft()
