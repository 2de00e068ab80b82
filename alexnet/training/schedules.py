"""The learning rate over a training.

    constant  lr
    step      lr / 10^k, k = the number of finished thirds of the epochs
    plateau   lr / 10 after 5 epochs without a smaller validation error, at most three times; the
              epochs of a dead start do not count
    cosine    lr (1 + cos(pi step / steps)) / 2, from lr at step 0 to almost 0 at the last step

In a dead start (diagnosis.py) the network only guesses, and a smaller rate would keep it so.

Source: plateau: the paper, section 5, divided the rate by 10 three times, when the validation error
stopped improving. It does not say after how many epochs; 5 is our choice. step: torchvision's
reference, every 30 of 90 epochs. cosine: Loshchilov, Hutter, SGDR (2017), without restarts.
"""

import math

PATIENCE = 5
REDUCTIONS = 3


class Constant:
    """The same rate throughout, and the base of the other schedules.

    lr               the initial rate
    epochs           epochs of the whole training
    steps_per_epoch  steps of one epoch
    """

    def __init__(self, lr: float, epochs: int, steps_per_epoch: int):
        self.lr, self.epochs, self.steps_per_epoch = lr, epochs, steps_per_epoch

    def rate(self, step: int) -> float:
        """The learning rate of this step, counted from 0."""
        return self.lr

    def epoch_ended(self, error: float, dead_start: bool = False) -> None:
        """Tell the schedule a finished epoch's validation error, 1 - top-1 accuracy, 0 to 1, and
        whether the network still only guesses."""

    def state(self) -> dict:
        """The state that a checkpoint keeps, as plain values."""
        return {}

    def set_state(self, state: dict) -> None:
        """Restore the state() of an earlier schedule."""


class Step(Constant):
    def rate(self, step):
        epoch = step // self.steps_per_epoch
        return self.lr / 10 ** (3 * epoch // self.epochs)


class Cosine(Constant):
    def rate(self, step):
        return self.lr * (1 + math.cos(math.pi * step / (self.epochs * self.steps_per_epoch))) / 2


class Plateau(Constant):
    def __init__(self, lr, epochs, steps_per_epoch):
        super().__init__(lr, epochs, steps_per_epoch)
        self.smallest_error, self.epochs_without, self.reductions = 1.0, 0, 0

    def rate(self, step):
        return self.lr / 10**self.reductions

    def epoch_ended(self, error, dead_start=False):
        if dead_start:
            return
        if error < self.smallest_error:
            self.smallest_error, self.epochs_without = error, 0
            return
        self.epochs_without += 1
        if self.epochs_without == PATIENCE and self.reductions < REDUCTIONS:
            self.reductions += 1
            self.epochs_without = 0

    def state(self):
        names = ("smallest_error", "epochs_without", "reductions")
        return {name: getattr(self, name) for name in names}

    def set_state(self, state):
        vars(self).update(state)


SCHEDULES = {"step": Step, "plateau": Plateau, "cosine": Cosine, "constant": Constant}
