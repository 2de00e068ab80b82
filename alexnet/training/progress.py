"""The progress of a training: a live line on a terminal, plain lines in a pipe.

Loss, accuracy and speed are means over the last 50 steps. "waiting" is the share of the time that
the training waited for images.
"""

import sys
import time
from collections import deque

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from alexnet.evaluation.metrics import Metrics, top_k
from alexnet.training.pace import Pace

WINDOW = 50  # steps
SECONDS_BETWEEN_LINES = 5  # in a pipe


def clock(seconds: float) -> str:
    """The seconds as 3:07 or 1:03:07."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


class Progress:
    """Shows each step and validation of a run: `with Progress(run) as progress:`

    console             a rich Console; a terminal gets a live line, anything else plain lines.
                        None: stdout
    validation_seconds  that the last validation took; None before the first
    pace                compares the ranks (pace.py); None where there is one process
    """

    def __init__(self, run, console: Console | None = None):
        self._run = run
        self._k = top_k(len(run.classes))
        # Of each of the last steps: images, sum of their losses, correct, correct within k,
        # seconds, seconds waited.
        self._steps = deque(maxlen=WINDOW)
        self._count = 0
        self._lr = 0.0
        self.validation_seconds = None
        self._validating = False
        self.pace = Pace(run.ranks, run.batches) if run.ranks.size > 1 else None
        if console is None:
            # mpiexec gives every rank a terminal, also where its own output is a file.
            plain = False if run.ranks.size > 1 else None
            console = Console(file=sys.stdout, force_terminal=plain)
        self._console = console
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
        """Print a line, which stays above the live line."""
        if self._live:
            self._live.console.print(Text(text))
        else:
            print(text, flush=True)

    def show(self, table: Table) -> None:
        """Print a table, as say() prints a line."""
        (self._live.console if self._live else self._console).print(table)

    def restart_clock(self) -> None:
        """Restart the step timer, so that validation time is not charged to the next step."""
        self._clock, self._waited = time.monotonic(), self._run.batches.waited
        if self.pace:
            self.pace.restart()

    def step(self, loss: float, ranks, lr: float) -> float:
        """Show a step that the run has counted. Returns its images/s.

        ranks  of the batch's labels (evaluation/metrics.py)
        """
        now, run, images = time.monotonic(), self._run, len(ranks)
        seconds, waited = now - self._clock, run.batches.waited - self._waited
        top1, within_k = int((ranks < 1).sum()), int((ranks < self._k).sum())
        if self._count == 1:  # leave out the first step, which may have compiled kernels
            self._steps.clear()
        self._steps.append((images, loss * images, top1, within_k, seconds, waited))
        self._count += 1
        self._lr = lr
        if not self._live and now - self._plain_line_at >= SECONDS_BETWEEN_LINES:
            self._plain_line_at = now
            self.say(self.line())
        self.restart_clock()
        return images / seconds

    def mean_loss(self) -> float:
        """The mean loss over the last steps."""
        return sum(step[1] for step in self._steps) / sum(step[0] for step in self._steps)

    def validating(self) -> None:
        """Show that a validation has begun."""
        self._validating = True

    def validated(self, metrics: Metrics) -> None:
        """Show the result of a validation. Call it before the run counts the epoch."""
        self._validating = False
        self.validation_seconds = time.monotonic() - self._clock
        run = self._run
        loss, top1 = run.means()
        self.say(
            f"epoch {run.epoch + 1}/{run.options.epochs} step {run.step}: training loss {loss:.3f} "
            f"top-1 {top1:.1%}; validation loss {metrics.loss:.3f} top-1 {metrics.top1:.1%} "
            f"top-{self._k} {metrics.top5:.1%}"
        )
        self.restart_clock()

    def _renderable(self):
        return Text(self.line())

    def line(self) -> str:
        """The progress line: position, loss and accuracy, speed, time left."""
        run, steps = self._run, list(self._steps)
        # After the last epoch has been counted there is no next one.
        epoch = f"epoch {min(run.epoch + 1, run.options.epochs)}/{run.options.epochs}"
        if not steps:
            return "the first step; with an empty cache the kernels are compiled now ..."
        if self._validating:
            return f"{epoch} step {run.step}: validating ..."
        images, loss, top1, within_k, seconds, waited = (sum(c) for c in zip(*steps, strict=True))
        if self._count == 1:
            return f"the first step took {seconds:.0f} s, its loss is {loss / images:.3f}"
        return (
            f"{epoch} step {run.step}/{run.total_steps} "
            f"loss {loss / images:.3f} top-1 {top1 / images:.1%} "
            f"top-{self._k} {within_k / images:.1%} {images / seconds:.0f} images/s "
            f"waiting {waited / seconds:.0%} lr {self._lr:.3g} "
            f"left {clock(self._seconds_left(seconds / len(steps), images / seconds))}"
        )

    def _seconds_left(self, seconds_per_step, images_per_second):
        """Seconds that the remaining steps and validations take."""
        run = self._run
        validation = self.validation_seconds
        if validation is None:  # a forward pass is about a third of a step's arithmetic
            validation = len(run.val_set) / (3 * images_per_second)
        validations = -(-run.steps_left() // len(run.batches))
        return run.steps_left() * seconds_per_step + validations * validation
