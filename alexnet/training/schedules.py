"""The learning rate over a training.

    constant   lr
    step       lr / 10^k, k = the number of finished thirds of the epochs
    multistep  lr / 10^k, k = the number of milestones, epochs, that are finished
    plateau    lr / 10 after 5 epochs without a smaller validation error, at most three times; the
               epochs of a dead start do not count
    cosine     lr (1 + cos(pi step / steps)) / 2, from lr at step 0 to almost 0 at the last step

Warmup multiplies any of them: by (step + 1) / w in the first w steps, by 1 after them.

In a dead start (diagnosis.py) the network only guesses, and a smaller rate would keep it so.

Source: plateau: the paper, section 5, divided the rate by 10 three times, when the validation error
stopped improving. It does not say after how many epochs; 5 is our choice. step: torchvision's
reference, every 30 of 90 epochs. multistep: the authors' program, whose rate was changed by hand
(docs/facts.md, section 4). cosine: Loshchilov, Hutter, SGDR (2017), without restarts. Warmup: Goyal
and others, Accurate, large minibatch SGD (2017), section 2.2.
"""

import math

from alexnet.training.options import Options

PATIENCE = 5
REDUCTIONS = 3


class Constant:
    """The same rate throughout, and the base of the other schedules.

    lr               the initial rate
    epochs           epochs of the whole training
    steps_per_epoch  steps of one epoch
    warmup           epochs, also a fraction of one
    milestones       of multistep: numbers of epochs
    """

    def __init__(
        self,
        lr: float,
        epochs: int,
        steps_per_epoch: int,
        warmup: float = 0.0,
        milestones: tuple[int, ...] = (),
    ):
        self.lr, self.epochs, self.steps_per_epoch = lr, epochs, steps_per_epoch
        self.warmup_steps, self.milestones = round(warmup * steps_per_epoch), milestones

    def rate(self, step: int) -> float:
        """The learning rate of this step, counted from 0."""
        if step < self.warmup_steps:
            return self._rate(step) * (step + 1) / self.warmup_steps
        return self._rate(step)

    def _rate(self, step):
        """The rate without warmup."""
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
    def _rate(self, step):
        epoch = step // self.steps_per_epoch
        return self.lr / 10 ** (3 * epoch // self.epochs)


class Multistep(Constant):
    def _rate(self, step):
        epoch = step // self.steps_per_epoch
        return self.lr / 10 ** sum(milestone <= epoch for milestone in self.milestones)


class Cosine(Constant):
    def _rate(self, step):
        return self.lr * (1 + math.cos(math.pi * step / (self.epochs * self.steps_per_epoch))) / 2


class Plateau(Constant):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.smallest_error, self.epochs_without, self.reductions = 1.0, 0, 0

    def _rate(self, step):
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


SCHEDULES = {
    "step": Step, "multistep": Multistep, "plateau": Plateau, "cosine": Cosine,
    "constant": Constant,
}  # fmt: skip


def schedule_of(options: Options, steps_per_epoch: int) -> Constant:
    """The schedule that these options name."""
    milestones = milestone_epochs(options.milestones) if options.milestones else ()
    return SCHEDULES[options.schedule](
        options.lr, options.epochs, steps_per_epoch, options.warmup, milestones
    )


def milestone_epochs(text: str) -> tuple[int, ...]:
    """The numbers of epochs in "25,51,79". Raises ValueError unless they are whole, from 1 and
    rising."""
    words = text.split(",")
    epochs = tuple(int(word) for word in words if word.isascii() and word.isdigit())
    if len(epochs) < len(words) or epochs[0] < 1 or sorted(set(epochs)) != list(epochs):
        raise ValueError(f"milestones are rising numbers of epochs, such as 25,51,79, got {text!r}")
    return epochs
