"""The picture of alexnet.study: the errors of each arm over the epochs, as in the paper's figure 1.

A line is the mean over the seeds, the band around it reaches from the least to the greatest.
"""

from typing import BinaryIO

import numpy as np

# Okabe and Ito's colours, told apart by eyes of every kind; line styles tell them apart in grey.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
STYLES = ("-", "--", "-.", ":")


def draw_study(
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
                label=f"{name} ({len(seeds)} {'seed' if len(seeds) == 1 else 'seeds'})",
            )  # fmt: skip
            axes.fill_between(
                epochs, seeds.min(axis=0), seeds.max(axis=0), color=colour, alpha=0.2, linewidth=0
            )
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
