"""The curves of a run as a picture: loss and top-1 over the steps, in training and validation."""

import contextlib
import os
import time
import warnings

import numpy as np

from alexnet.data.names import printable
from alexnet.training.run_folder import RunFolder

# A picture takes about a second: after an epoch it is drawn if this many times as long has passed.
DRAWINGS_BETWEEN = 20


class Curves:
    """curves.png of a run, drawn from log.jsonl."""

    def __init__(self, folder: RunFolder):
        self._folder = folder
        self._due = 0.0  # on time.monotonic()'s clock

    def draw_if_due(self) -> None:
        """Draw, unless pictures would take more than a twentieth of the time. The first call
        draws."""
        if time.monotonic() >= self._due:
            began = time.monotonic()
            self.draw()
            now = time.monotonic()
            self._due = now + DRAWINGS_BETWEEN * (now - began)

    def draw(self) -> str:
        """Draw, and return "" or why there is no picture. A run never fails for its picture. Rank 0
        draws."""
        if not self._folder.is_written:
            return ""
        try:
            with warnings.catch_warnings(action="ignore"):  # of letters that the font lacks
                return _draw(self._folder)
        except Exception as error:  # matplotlib's fonts, backends and settings can raise anything
            with contextlib.suppress(OSError):
                self._folder.new_curves.unlink()
            return f"the curves could not be drawn ({printable(error)})"


def _draw(folder):
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return "pip install matplotlib, and a run also draws its curves"
    lines = folder.lines()
    steps = [line for line in lines if "images_per_second" in line]
    if not steps:
        return "no step was logged, so there are no curves"
    epochs = [line for line in lines if "val_top1" in line]
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    for axes, name, factor in ((loss, "loss", 1), (accuracy, "top1", 100)):
        x = [line["step"] for line in steps]
        y = [factor * line[f"train_{name}"] for line in steps]
        axes.plot(x, _smooth(y), color="tab:blue", linewidth=1, label="training, smoothed")
        x = [line["step"] for line in epochs]
        y = [factor * line[f"val_{name}"] for line in epochs]
        axes.plot(x, y, "o-", color="tab:orange", markersize=3, label="validation")
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
    loss.set_ylabel("loss")
    accuracy.set_ylabel("top-1, %")
    accuracy.legend()
    figure.suptitle(printable(folder.path.name), parse_math=False)  # a $ is a $
    figure.savefig(folder.new_curves, dpi=120, format="png")
    os.replace(folder.new_curves, folder.curves)
    return ""


def _smooth(y):
    """Running means over a window of a fiftieth of the steps."""
    window = max(1, len(y) // 50)
    sums = np.concatenate(([0.0], np.cumsum(y)))
    ends = np.arange(1, len(y) + 1)
    starts = np.maximum(ends - window, 0)
    return (sums[ends] - sums[starts]) / (ends - starts)
