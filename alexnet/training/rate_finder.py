"""Find a learning rate (--lr-find): train a few hundred steps while the rate rises, watch the loss.

    rate of step k = FIRST (LAST / FIRST)^(k / (steps - 1))      from 1e-6 to 10

With tiny rates the loss stays where it is; then it falls; where the rate is too large it explodes,
and the sweep stops. The rate to take is a tenth of the rate at which the smoothed loss is smallest:
at the smallest loss itself the rate already does as much harm as good. The smoothed loss is a mean
over neighbouring steps, those before and those after alike, so that it lags behind neither side:

    smoothed[k] = sum of w[j] loss[k + j] / sum of w[j],   w[j] = 1 - |j| / (WINDOW + 1)

Where it is flat, noise alone would choose: of all rates whose smoothed loss is the smallest within
its noise, the largest is taken. The noise is measured where rates are tiny.

A few images may be learned by heart before any rate is too large. Then no gradient is left, and no
larger rate would show its harm: the sweep stops there too.

Source: Smith, Cyclical learning rates for training neural networks (2017), section 3.3, for the
sweep. A tenth of the rate at the smallest loss is a rule of fastai's lr_find ("minimum / 10"). The
other numbers are our choice.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from alexnet.errors import NotFinite

FIRST, LAST = 1e-6, 10.0
STEPS, LEAST_STEPS = 200, 30
WINDOW = 8  # steps before and after that the smoothed loss is a mean over
RECENT = 5  # steps whose mean loss tells how it goes
EXPLOSION = 2  # times the loss at the start, or the loss of guessing if that is larger
LEARNED = 0.02  # of the loss at the start: the images are learned by heart
LEAST_FALL = 0.02  # of the loss at the start: if it falls by less, the sweep tells nothing
CERTAIN = 4  # times the noise of the smoothed loss: the same
ROWS, BAR = 24, 40  # of the curve as text


@dataclass(frozen=True)
class Sweep:
    """The losses of a sweep.

    rates, losses  float64 (n,) of its steps; all losses are finite
    smoothed       float64 (n,)
    end            why it ended: "exploded", "learned", or "last" after the last rate
    """

    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    end: str

    def start(self) -> float:
        """The loss at the start: the mean of the first quarter, where rates are tiny."""
        return float(self._first_quarter().mean())

    def best(self) -> int:
        """The step of the largest rate at which the smoothed loss is smallest, within its noise."""
        return int(np.flatnonzero(self.smoothed <= self.smoothed.min() + self._noise())[-1])

    def suggestion(self) -> float | None:
        """The rate to take, of two digits. None if the loss did not fall, or by noise alone."""
        least = max(LEAST_FALL * self.start(), CERTAIN * self._noise())
        if self.start() - self.smoothed.min() < least:
            return None
        return float(f"{self.rates[self.best()] / 10:.1e}")

    def _noise(self):
        """The deviation of the smoothed loss, about: it is a mean over some WINDOW steps."""
        return self._first_quarter().std() / math.sqrt(WINDOW)

    def _first_quarter(self):
        return self.losses[: max(len(self.losses) // 4, 1)]


def sweep(run, step: Callable, training, steps: int = STEPS) -> Iterator[tuple[float, float]]:
    """Take up to this many steps at rising rates; yields (rate, loss) after each, and ends after a
    loss that exploded. The weights of the run are of no use afterwards.

    step      take_step of train.py, or a tn.gpu.CudaGraph of it
    training  the run's batches, as of batches_for (features.py); epoch after epoch is taken
    """
    batches = itertools.chain.from_iterable(map(training.epoch, itertools.count()))
    losses = []
    for number, (x, labels) in zip(range(steps), batches, strict=False):
        rate = FIRST * (LAST / FIRST) ** (number / max(steps - 1, 1))
        with np.errstate(all="ignore"):  # rates that are too large overflow
            loss, _ = step(run.head, run.optimizer, x, labels, rate)
            losses.append(loss.item())
        yield rate, losses[-1]
        largest = EXPLOSION * max(losses[0], run.guessing_loss)
        if not _recent(losses) <= largest or _is_learned(losses):  # NaN is not smaller
            return


def _recent(losses):
    return np.mean(losses[-RECENT:])


def _is_learned(losses):
    return _recent(losses) < LEARNED * losses[0]


def smooth(pairs: list[tuple[float, float]], steps: int = STEPS) -> Sweep:
    """The Sweep of the pairs that sweep() yielded, without a loss that is not finite. Raises
    NotFinite if no loss is finite."""
    finite = [pair for pair in pairs if math.isfinite(pair[1])]
    if not finite:
        raise NotFinite(
            f"the loss of the first step, before any rate has a part in it, is {pairs[0][1]}; "
            "smaller first weights may do, such as --init he"
        )
    rates, losses = np.array(finite).T
    end = "last" if len(pairs) == steps else "learned" if _is_learned(losses) else "exploded"
    weights = 1 - np.abs(np.arange(-WINDOW, WINDOW + 1)) / (WINDOW + 1)
    sums, shares = (
        np.convolve(values, weights)[WINDOW:][: len(losses)]
        for values in (losses, np.ones(len(losses)))
    )
    return Sweep(rates, losses, sums / shares, end)


def lines(found: Sweep) -> list[str]:
    """The curve as text: at most ROWS rates with the smoothed loss, and its height as a bar. Losses
    above the one at the start are cut off there."""
    low, high = found.smoothed.min(), found.start()
    rows = []
    for step in np.unique(np.linspace(0, len(found.rates) - 1, ROWS).round().astype(int)):
        loss = found.smoothed[step]
        height = min((loss - low) / max(high - low, 1e-9), 1)
        bar = "#" * round(BAR * height) + (" ..." if loss > high else "")
        rows.append(f"{found.rates[step]:8.1e} {loss:9.3f}  {bar}")
    return rows


def draw(found: Sweep, file: BinaryIO) -> None:
    """The curve as a PNG: loss over rate, its smoothed form, and the suggestion. Needs
    matplotlib."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4), layout="constrained")
    axes = figure.subplots()
    axes.semilogx(
        found.rates, found.losses, color="tab:blue", alpha=0.35, linewidth=1, label="loss"
    )
    axes.semilogx(found.rates, found.smoothed, color="tab:blue", label="smoothed")
    axes.axvline(found.rates[found.best()], color="tab:orange", ls=":", label="smallest loss")
    if (rate := found.suggestion()) is not None:
        axes.axvline(rate, color="tab:green", label=f"suggested rate {rate:g}")
    low, high = found.smoothed.min(), found.start()
    axes.set_ylim(low - 0.3 * abs(high - low) - 0.01, high + 0.3 * abs(high - low) + 0.01)
    axes.set_xlabel("learning rate")
    axes.set_ylabel("loss")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(file, dpi=120, format="png")
