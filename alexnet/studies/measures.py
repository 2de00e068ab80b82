"""What a claim measures of a training: one number from the lines of its log.jsonl.

validation error                of the last epoch, in %
training error                  of the last epoch's batches as they came, in %
epochs to 25 % training error   on the line through the errors of the epochs before and after
steps at ln(classes)            until the mean loss of 50 steps is 0.1 below ln(classes): the
                                network does better than to guess
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

TARGET = 25.0  # %, the dotted line of the paper's figure 1
WINDOW, MARGIN = 50, 0.1  # steps, and the loss that is more than the noise of their mean


@dataclass(frozen=True)
class Value:
    """A measured number. reached: False where the training ended before it reached the target; the
    number is then the training's whole length, and the true one is larger."""

    number: float
    reached: bool = True


@dataclass(frozen=True)
class Measure:
    """unit: "%" or a plural noun. of: (lines of log.jsonl, number of classes) -> Value."""

    unit: str
    of: Callable[[list[dict], int], Value]


def epochs_of(lines: list[dict]) -> list[dict]:
    """The lines that end an epoch."""
    return [line for line in lines if "val_top1" in line]


def steps_of(lines: list[dict]) -> list[dict]:
    """The lines of the steps."""
    return [line for line in lines if "images_per_second" in line]


def error(line: dict, split: str) -> float:
    """The error in % that the line of an epoch has; split: "train" or "val"."""
    return 100 * (1 - line[f"{split}_top1"])


def thinned(numbers: list[float], most: int = 100) -> list[float]:
    """At most so many means over equally many neighbours; the last may be over fewer."""
    step = -(-len(numbers) // most)
    parts = [numbers[at : at + step] for at in range(0, len(numbers), step)]
    return [sum(part) / len(part) for part in parts]


def _validation_error(lines, classes):
    return Value(error(epochs_of(lines)[-1], "val"))


def _training_error(lines, classes):
    return Value(error(epochs_of(lines)[-1], "train"))


def _epochs_to_target(lines, classes):
    """The error of an epoch's batches is the network's in the middle of the epoch: epoch n is drawn
    and counted at n - 1/2, and before the first the error is chance."""
    errors = [error(line, "train") for line in epochs_of(lines)]
    before, at = 100 * (1 - 1 / classes), 0.0
    for number, now in enumerate(errors, start=1):
        if now <= TARGET:
            share = (before - TARGET) / (before - now)
            return Value(at + share * (number - 0.5 - at))
        before, at = now, number - 0.5
    return Value(float(len(errors)), reached=False)


def _steps_at_chance(lines, classes):
    losses = [line["train_loss"] for line in steps_of(lines)]
    for end in range(WINDOW, len(losses) + 1):
        if sum(losses[end - WINDOW : end]) / WINDOW < math.log(classes) - MARGIN:
            return Value(float(end - WINDOW))
    return Value(float(len(losses)), reached=False)


MEASURES = {
    "validation error": Measure("%", _validation_error),
    "training error": Measure("%", _training_error),
    "epochs to 25 % training error": Measure("epochs", _epochs_to_target),
    "steps at ln(classes)": Measure("steps", _steps_at_chance),
}
