"""What alexnet.evaluate prints: for people, or as JSON."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from rich import box
from rich.table import Table

from alexnet.cli.console import plain_console
from alexnet.data.names import printable
from alexnet.data.words import shown
from alexnet.evaluation.averages import Result
from alexnet.evaluation.metrics import Metrics, top_k
from alexnet.evaluation.mistakes import confusion, most_confused, most_wrong

CONFUSIONS = 10  # pairs of classes that are listed
ROWS, LOWEST = 100, 20  # of more than ROWS classes the table shows the LOWEST
CROPS = {1: "centre crop", 10: "ten crops"}


@dataclass(frozen=True)
class Evaluation:
    """What was measured.

    checkpoints  the networks, as the user named them
    data, split  the dataset, and which split it is
    words        {class: its name in a words file}
    results      of measure(); the last one is shown in full, and has Metrics.each
    wrong        how many of the most wrong images are listed
    """

    checkpoints: Sequence[str]
    data: object
    split: str
    words: dict[str, str]
    results: Sequence[Result]
    wrong: int = 0

    @property
    def metrics(self) -> Metrics:
        """Of the result that is shown in full."""
        return self.results[-1].metrics

    def matrix(self) -> np.ndarray:
        """int64 (classes, classes): confusion()."""
        data = self.data
        return confusion(data.labels, self.metrics.each.predicted, len(data.classes))

    def network(self, result: Result) -> str:
        """Which network a result is of, in words."""
        if result.network is None:
            return f"average of {len(self.checkpoints)} networks"
        return printable(self.checkpoints[result.network])

    def described(self, result: Result) -> str:
        """The network and the crops of a result, in words."""
        return f"{self.network(result)}, {CROPS[result.crops]}"

    def image(self, index: int) -> str | int:
        """An image's path; its index where the data have no files."""
        return self.data.paths[index] if hasattr(self.data, "paths") else index

    def most_wrong(self) -> Iterator[tuple[str | int, str, str, float]]:
        """(path or index, class, predicted class, probability) of the most wrong images."""
        labels, classes, each = self.data.labels, self.data.classes, self.metrics.each
        for index in most_wrong(labels, each.predicted, each.confidence, self.wrong):
            predicted, p = classes[each.predicted[index]], float(each.confidence[index])
            yield self.image(index), classes[labels[index]], predicted, p


def print_json(done: Evaluation) -> None:
    """One object. loss, top1, top5 and all that follows are of the last of `results`."""
    classes, words, metrics = done.data.classes, done.words, done.metrics
    rows = zip(classes, metrics.images.tolist(), metrics.correct.tolist(), strict=True)
    record = {
        "checkpoint": done.checkpoints[0],
        "data": done.data.description,
        "split": done.split,
        "images": len(done.data),
        "loss": metrics.loss,
        "top1": metrics.top1,
        "top5": metrics.top5,
        "networks": list(done.checkpoints),
        "crops": done.results[-1].crops,
        "results": [
            {
                "checkpoint": None if r.network is None else done.checkpoints[r.network],
                "crops": r.crops,
                "loss": r.metrics.loss,
                "top1": r.metrics.top1,
                "top5": r.metrics.top5,
            }
            for r in done.results
        ],
        "classes": {
            name: {"images": images, "top1": correct / images if images else None}
            | ({"name": words[name]} if name in words else {})
            for name, images, correct in rows
        },
        "confusion": {
            name: {classes[j]: int(row[j]) for j in np.flatnonzero(row)}
            for name, row in zip(classes, done.matrix(), strict=True)
        },
        "wrong": [
            {"image": image, "class": true, "predicted": predicted, "probability": p}
            for image, true, predicted, p in done.most_wrong()
        ],
    }
    print(json.dumps(record, indent=1))


def print_text(done: Evaluation) -> None:
    """Classes, confusions, the most wrong images, and the results."""
    classes, words, metrics = done.data.classes, done.words, done.metrics
    print(printable(done.data.description))
    several = len(done.results) > 1
    if several:
        print(f"{done.described(done.results[-1])}:")
    _print_classes(classes, words, metrics)
    pairs = most_confused(done.matrix(), CONFUSIONS)
    if pairs:
        print("most often taken for another class (class -> predicted: images):")
    for i, j, count in pairs:
        true, predicted = shown(classes[i], words), shown(classes[j], words)
        print(f"  {true} -> {predicted}: {count:,} of {metrics.images[i]:,}")
    if done.wrong:
        print("most wrong (probability of the wrong class, class -> predicted, image):")
    for image, true, predicted, p in done.most_wrong():
        print(f"  {p:7.2%}  {shown(true, words)} -> {shown(predicted, words)}  {printable(image)}")
    if several:
        _print_results(done)
    print(
        f"loss {metrics.loss:.4f}  top-1 {metrics.top1:.2%}  "
        f"top-{top_k(len(classes))} {metrics.top5:.2%}  on {len(done.data):,} images "
        f"({done.split})" + (f", {done.described(done.results[-1])}" if several else "")
    )


def _print_classes(classes, words, metrics):
    """The table of classes; of more than ROWS classes, of the LOWEST by top-1."""
    rows = list(zip(classes, metrics.images.tolist(), metrics.correct.tolist(), strict=True))
    if len(rows) > ROWS:
        print(f"the {LOWEST} of {len(rows):,} classes with the lowest top-1 (--json lists all):")
        rows = sorted(rows, key=lambda row: row[2] / row[1] if row[1] else 1)[:LOWEST]
    table = _table("class", "images", "correct", "top-1")
    for name, images, correct in rows:
        share = f"{correct / images:.1%}" if images else ""
        table.add_row(shown(name, words), f"{images:,}", f"{correct:,}", share)
    plain_console().print(table)


def _print_results(done):
    """The table of the single results and the average."""
    table = _table("network", "crops", "loss", "top-1", f"top-{top_k(len(done.data.classes))}")
    for result in done.results:
        m = result.metrics
        numbers = f"{m.loss:.4f}", f"{m.top1:.2%}", f"{m.top5:.2%}"
        table.add_row(done.network(result), CROPS[result.crops], *numbers)
    plain_console().print(table)


def _table(first, *numbers):
    table = Table(first, box=box.SIMPLE, padding=(0, 1))
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)
    return table
