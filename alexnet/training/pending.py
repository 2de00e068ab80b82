"""Steps whose results have not been read yet.

On a processor a step is finished when its function returns. On a GPU it is only queued then: if the
program waited for its loss, the GPU would run out of work. So on a GPU the result of a step is read
after the next step is queued, and one step stays unread.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

import tinynet as tn


@dataclass(frozen=True)
class Result:
    """The result of a step.

    loss, logits  functions that return the NumPy arrays (), (N, classes); on a GPU they wait for
                  the step
    x, labels     the batch: a Tensor and tn.Labels. On a GPU x may hold the next batch already
    lr            the learning rate
    random_state  the state of tinynet.random after the step
    """

    loss: Callable[[], np.ndarray]
    logits: Callable[[], np.ndarray]
    x: tn.Tensor
    labels: tn.Labels
    lr: float
    random_state: dict


class Pending:
    """A queue of Results; len() counts the unread ones."""

    def __init__(self):
        self._unread = deque()
        self._depth = 1 if tn.get_backend().asynchronous else 0

    def __len__(self):
        return len(self._unread)

    def add(self, loss: tn.Tensor, logits: tn.Tensor, x, labels, lr) -> None:
        """Add the step that was just taken, or queued on a GPU."""
        copies = tn.gpu.download(loss), tn.gpu.download(logits)
        self._unread.append(Result(*copies, x, labels, lr, tn.random.get_state()))

    def take(self, everything: bool = False) -> Iterator[Result]:
        """Remove and yield the results that can be read now, oldest first. On a GPU the newest one
        stays, unless `everything` is set."""
        kept = 0 if everything else self._depth
        while len(self._unread) > kept:
            yield self._unread.popleft()
