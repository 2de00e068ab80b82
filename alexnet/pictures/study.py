"""The pictures of alexnet.study: the errors of each arm over the epochs, as in the paper's figure
1, or the losses over the steps.

A line is the mean over the seeds, the band around it reaches from the least to the greatest.
"""

from typing import BinaryIO

import numpy as np

# Okabe and Ito's colours, told apart by eyes of every kind; line styles tell them apart in grey.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
STYLES = ("-", "--", "-.", ":")


def draw_errors(
    title: str, arms: list[tuple[str, list, list]], target: float | None, file: BinaryIO
) -> None:
    """Draw into an open file, as PNG.

    arms    at most four: (name, training errors, validation errors), each a list of seeds, a seed's
            errors a list over the epochs, in %
    target  a training error that is marked by a dotted line; None: no line
    Raises ImportError without matplotlib.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for (name, *errors), colour, style in zip(arms, COLOURS, STYLES, strict=False):
        for axes, seeds, shift in zip((left, right), errors, (0.5, 0.0), strict=True):
            seeds = np.array(seeds)
            # The training error of an epoch's batches is the network's in the middle of the epoch.
            epochs = np.arange(1, seeds.shape[1] + 1) - shift
            axes.plot(
                epochs, seeds.mean(axis=0), style, marker="o", markersize=3, color=colour,
                label=_with_seeds(name, seeds),
            )  # fmt: skip
            _band(axes, epochs, seeds, colour)
    if target is not None:
        left.axhline(target, color="black", linewidth=1, linestyle=":")
    for axes, what in ((left, "training"), (right, "validation")):
        axes.set_xlabel("epochs")
        axes.set_title(f"{what} error, %", fontsize=10)
        axes.set_xlim(left=0)
        axes.grid(alpha=0.3)
    right.legend(fontsize=9)
    figure.suptitle(title, fontsize=11)
    figure.savefig(file, dpi=110, format="png")


def draw_losses(
    title: str, arms: list[tuple[str, list, int]], chance: float, file: BinaryIO
) -> None:
    """Draw into an open file, as PNG.

    arms    at most four: (name, losses, steps): a list of seeds, a seed's losses as means over
            equally many of its steps
    chance  the loss of guessing, which is marked by a dotted line
    Raises ImportError without matplotlib.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    axes = figure.subplots()
    for (name, losses, steps), colour, style in zip(arms, COLOURS, STYLES, strict=False):
        losses = np.array(losses)
        count = losses.shape[1]
        at = (np.arange(count) + 0.5) * -(-steps // count)
        axes.plot(at, losses.mean(axis=0), style, color=colour, label=_with_seeds(name, losses))
        _band(axes, at, losses, colour)
    axes.axhline(chance, color="black", linewidth=1, linestyle=":")
    axes.set_xlabel("steps")
    axes.set_ylabel("training loss")
    axes.set_xlim(left=0)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=9)
    axes.set_title(title, fontsize=11)
    figure.savefig(file, dpi=110, format="png")


def _with_seeds(name, seeds):
    return f"{name} ({len(seeds)} {'seed' if len(seeds) == 1 else 'seeds'})"


def _band(axes, x, seeds, colour):
    axes.fill_between(x, seeds.min(axis=0), seeds.max(axis=0), color=colour, alpha=0.2, linewidth=0)
