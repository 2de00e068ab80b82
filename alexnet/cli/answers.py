"""What alexnet.predict prints: for people, as JSON, or as CSV. An answer is printed as soon as it
is there."""

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from alexnet.data.names import printable
from alexnet.data.words import shown
from alexnet.evaluation.neighbours import Neighbour


@dataclass(frozen=True)
class Answer:
    """What the network makes of one image.

    path        of its file
    pixels      uint8 (3, S, S), as the network sees it
    classes     pairs (class, probability), most probable first
    neighbours  the nearest images of a dataset, nearest first; None: not asked for
    """

    path: str
    pixels: np.ndarray
    classes: Sequence[tuple[str, float]]
    neighbours: Sequence[Neighbour] | None = None


def write_json(answers: Iterable[Answer], words: dict, count: int, neighbours: int) -> None:
    """One list; ends as valid JSON, whichever images could not be read.

    words       {class: its name in a words file}
    count       classes of each image
    neighbours  at most, of each image; 0: not asked for
    """

    def named(label):
        return {"name": words[label]} if label in words else {}

    before = "["
    for answer in answers:
        record = {"image": answer.path, "classes": []}
        for name, p in answer.classes[:count]:
            record["classes"].append({"class": name, "probability": p} | named(name))
        if neighbours:
            record["neighbours"] = [
                {"image": image, "class": label, "distance": distance} | named(label)
                for _, image, label, distance in answer.neighbours
            ]
        print(f"{before}\n{json.dumps(record, indent=1)}", end="", flush=True)
        before = ","
    print("[]" if before == "[" else "\n]")


def write_csv(answers: Iterable[Answer], words: dict, count: int, neighbours: int) -> None:
    """A line for each image; for each of its classes the columns class, probability and, with a
    words file, name; for each neighbour neighbour, neighbour_class, distance and neighbour_name.
    Arguments: as in write_json."""
    columns = ["class", "probability"] + ["name"] * bool(words)
    near = ["neighbour", "neighbour_class", "distance"] + ["neighbour_name"] * bool(words)
    rows = csv.writer(sys.stdout, lineterminator="\n")
    rows.writerow(["image", *_numbered(columns, count), *_numbered(near, neighbours)])
    for answer in answers:
        cells = [printable(answer.path)]
        for name, p in answer.classes[:count]:
            cells += [printable(name), f"{p:.6g}"]
            cells += [printable(words.get(name, ""))] * bool(words)
        for _, image, label, distance in answer.neighbours or ():
            cells += [printable(image), printable(label), f"{distance:.6g}"]
            cells += [printable(words.get(label, ""))] * bool(words)
        width = 1 + len(columns) * count + len(near) * neighbours
        rows.writerow(cells + [""] * (width - len(cells)))  # of a dataset of few images
        sys.stdout.flush()


def _numbered(columns, count):
    """The columns as they are, then with _2, _3, ..., count times in all."""
    later = [f"{column}_{rank}" for rank in range(2, count + 1) for column in columns]
    return [*columns, *later] if count else []


def write_text(answers: Iterable[Answer], words: dict, count: int, neighbours: int) -> None:
    """With one class and no neighbours: a line for each image, path, class and probability, with
    tabs between. Arguments: as in write_json."""
    for answer in answers:
        if count == 1 and not neighbours:
            name, p = answer.classes[0]
            print(f"{printable(answer.path)}\t{shown(name, words)}\t{p:.2%}", flush=True)
            continue
        print(printable(answer.path))
        for name, p in answer.classes[:count]:
            print(f"  {p:7.2%}  {shown(name, words)}", flush=True)
        if neighbours:
            print("  nearest (distance, class, image):")
        for _, image, label, distance in answer.neighbours or ():
            print(f"  {distance:9.4g}  {shown(label, words)}  {printable(image)}", flush=True)
