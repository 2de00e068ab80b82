"""The files of alexnet.evaluate: a line for each image; the confusions, a table or a picture."""

import csv
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager

from alexnet.cli import ending
from alexnet.cli.evaluation_output import Evaluation
from alexnet.cli.output_file import drawn_whole, written_whole
from alexnet.data.names import printable
from alexnet.pictures.confusion import write_confusion


def write_images(path: str, done: Evaluation) -> None:
    """--csv: a line for each image, in the data's order. Raises DiskError if it cannot be
    written."""
    classes, each = [printable(name) for name in done.data.classes], done.metrics.each
    more = range(2, each.classes.shape[1] + 1)
    names = ["image", "class", "predicted", "probability", "rank"]
    names += [name for rank in more for name in (f"predicted_{rank}", f"probability_{rank}")]
    with _csv(path) as rows:
        rows.writerow(names)
        for index, label in enumerate(done.data.labels.tolist()):
            best = [
                (classes[j], f"{p:.6g}")
                for j, p in zip(each.classes[index], each.probabilities[index], strict=True)
            ]
            cells = [printable(done.image(index)), classes[label], *best[0]]
            cells.append(int(each.ranks[index]) + 1)
            rows.writerow(cells + [cell for pair in best[1:] for cell in pair])
    ending.say(f"{path}: {len(done.data):,} images, {len(names)} columns")


def write_confusions(path: str, done: Evaluation) -> None:
    """--confusion: a table if the path ends in .csv, else a picture. Raises DiskError if it cannot
    be written, and UsageError if matplotlib fails."""
    classes, matrix = done.data.classes, done.matrix()
    kind = os.path.splitext(path)[1][1:].lower()
    if kind == "csv":
        with _csv(path) as rows:
            names = [printable(name) for name in classes]
            rows.writerow(["class", *names])
            rows.writerows([name, *row] for name, row in zip(names, matrix.tolist(), strict=True))
    else:
        names = [done.words.get(name, "").partition(",")[0].strip() or name for name in classes]
        title = (
            f"{done.described(done.results[-1])}\n"
            f"top-1 {done.metrics.top1:.1%} of {len(done.data):,} images ({done.split})"
        )
        with drawn_whole(path) as file:
            write_confusion(matrix, names, title, file, kind)
    ending.say(f"{path}: {len(classes):,} x {len(classes):,} classes")


@contextmanager
def _csv(path) -> Iterator:
    """A csv.writer on a new file, in UTF-8."""
    with written_whole(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", newline="")
        yield csv.writer(text, lineterminator="\n")
        text.flush()
        text.detach()
