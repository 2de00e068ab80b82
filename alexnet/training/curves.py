"""The curves of a run as a picture: loss and top-1 over the steps, in training and validation."""

import numpy as np

from alexnet.errors import writing
from alexnet.training.run_folder import RunFolder


def draw(folder: RunFolder) -> bool:
    """Write curves.png from log.jsonl. Returns False and writes nothing if matplotlib is not
    installed or no step was logged yet. Raises DiskError."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    lines = folder.lines()
    steps = [line for line in lines if "images_per_second" in line]
    if not steps:
        return False
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
    figure.suptitle(folder.path.name)
    with writing(folder.curves):
        figure.savefig(folder.curves, dpi=120)
    return True


def _smooth(y):
    """Running means over a window of a fiftieth of the steps."""
    window = max(1, len(y) // 50)
    sums = np.concatenate(([0.0], np.cumsum(y)))
    ends = np.arange(1, len(y) + 1)
    starts = np.maximum(ends - window, 0)
    return (sums[ends] - sums[starts]) / (ends - starts)
