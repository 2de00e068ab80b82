"""Tells how a training goes: a live line on a terminal, plain lines in a pipe, lines of log.jsonl.

Loss, accuracy and speed on the screen are means over the last steps. The share of waiting is that
of the time in which the computation waited for images.
"""

import sys
import time
from collections import deque

from rich.console import Console
from rich.live import Live
from rich.text import Text

from alexnet.scores import Scores, top_k

WINDOW = 50  # steps
SECONDS_BETWEEN_LINES = 5  # in a pipe


def clock(seconds: float) -> str:
    """3:07, or 1:03:07."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


class Progress:
    """Inside `with Progress(run) as progress:` tell it of each step and validation of the run.

    console   a rich Console, whose being a terminal decides between live line and plain lines;
              None: that of stdout
    """

    def __init__(self, run, console: Console | None = None):
        self._run = run
        self._k = top_k(len(run.classes))
        # (images, loss, top-1 hits, top-k hits, seconds, seconds waited) of the last steps
        self._steps = deque(maxlen=WINDOW)
        self._count = 0
        self._lr = 0.0
        self._validation_seconds = None
        self._validating = False
        console = Console(file=sys.stdout) if console is None else console
        self._live = None
        if console.is_terminal:
            self._live = Live(console=console, transient=True, get_renderable=self._renderable)

    def __enter__(self):
        if self._live:
            self._live.start()
        else:
            print(self.line(), flush=True)
        self._plain_line_at = time.monotonic()
        self.restart_clock()
        return self

    def __exit__(self, *error):
        if self._live:
            self._live.stop()

    def say(self, text: str) -> None:
        """A line that stays."""
        if self._live:
            self._live.console.print(Text(text))
        else:
            print(text, flush=True)

    def restart_clock(self) -> None:
        """The time since the last step is not that of the next."""
        self._clock, self._waited = time.monotonic(), self._run.batches.waited

    def step(self, loss: float, rank, lr: float) -> None:
        """A step is done and the run has counted it. rank: of its labels (alexnet.scores)."""
        now, run, images = time.monotonic(), self._run, len(rank)
        seconds, waited = now - self._clock, run.batches.waited - self._waited
        top1, within_k = int((rank < 1).sum()), int((rank < self._k).sum())
        if self._count == 1:  # the first step compiled kernels: its time says nothing
            self._steps.clear()
        self._steps.append((images, loss * images, top1, within_k, seconds, waited))
        self._count += 1
        self._lr = lr
        run.folder.add_line(
            epoch=run.epoch + 1, step=run.step, train_loss=loss, train_top1=top1 / images,
            images_per_second=images / seconds, lr=lr,
        )  # fmt: skip
        if not self._live and now - self._plain_line_at >= SECONDS_BETWEEN_LINES:
            self._plain_line_at = now
            self.say(self.line())
        self.restart_clock()

    def mean_loss(self) -> float:
        """Over the last steps."""
        return sum(step[1] for step in self._steps) / sum(step[0] for step in self._steps)

    def validating(self) -> None:
        """The steps are done for now."""
        self._validating = True

    def validated(self, scores: Scores) -> None:
        """A validation is done; the run has not yet counted the epoch. The time since the last step
        is that of the validation."""
        self._validating = False
        self._validation_seconds = time.monotonic() - self._clock
        run, sums = self._run, self._run.sums
        loss, top1 = (sums[name] / sums["images"] for name in ("loss", "top1"))
        run.folder.add_line(
            epoch=run.epoch + 1, step=run.step, train_loss=loss, train_top1=top1,
            val_loss=scores.loss, val_top1=scores.top1, val_top5=scores.top5,
        )  # fmt: skip
        self.say(
            f"epoch {run.epoch + 1}/{run.options.epochs} step {run.step}: training loss {loss:.3f} "
            f"top-1 {top1:.1%}; validation loss {scores.loss:.3f} top-1 {scores.top1:.1%} "
            f"top-{self._k} {scores.top5:.1%}"
        )
        self.restart_clock()

    def _renderable(self):
        return Text(self.line())

    def line(self) -> str:
        """Where training is, how good and how fast."""
        run, steps = self._run, list(self._steps)
        if not steps:
            return "the first step; with an empty cache the kernels are compiled now ..."
        if self._validating:
            return f"epoch {run.epoch + 1}/{run.options.epochs} step {run.step}: validating ..."
        images, loss, top1, within_k, seconds, waited = (sum(c) for c in zip(*steps, strict=True))
        if self._count == 1:
            return f"the first step took {seconds:.0f} s, its loss is {loss / images:.3f}"
        return (
            f"epoch {run.epoch + 1}/{run.options.epochs} step {run.step}/{run.total_steps} "
            f"loss {loss / images:.3f} top-1 {top1 / images:.1%} "
            f"top-{self._k} {within_k / images:.1%} {images / seconds:.0f} images/s "
            f"waiting {waited / seconds:.0%} lr {self._lr:.3g} "
            f"left {clock(self._seconds_left(seconds / len(steps), images / seconds))}"
        )

    def _seconds_left(self, seconds_per_step, images_per_second):
        """Of the steps and the validations to come."""
        run = self._run
        validation = self._validation_seconds
        if validation is None:  # forward only: about a third of a training step's arithmetic
            validation = len(run.val_set) / (3 * images_per_second)
        validations = -(-run.steps_left() // len(run.batches))
        return run.steps_left() * seconds_per_step + validations * validation
