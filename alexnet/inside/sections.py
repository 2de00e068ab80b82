"""An Explanation as tables of text, which the terminal and the page print alike."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from alexnet.inside.explanation import Explanation

LARGEST = 10  # terms that a table shows
WIDEST = 11  # columns of a patch that is printed as a square of numbers


@dataclass(frozen=True)
class Section:
    """A table with a title and a note below it; cells are text.

    marked  the rows that stand out, by number
    """

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    note: str = ""
    marked: frozenset[int] = field(default_factory=frozenset)


def sections(explained: Explanation, before: str) -> list[Section]:
    """All tables of an Explanation.

    before  the name of the layer whose output this one reads, or "the image"
    """
    return [
        *_terms(explained, before),
        *_patch(explained),
        _steps(explained),
        _computed(explained),
        *_gradients(explained, before),
    ]


def heading(explained: Explanation, before: str, image_size: int) -> list[str]:
    """The lines above the tables: the number, its formula, what it read and what it saw."""
    steps = explained.arithmetic
    rows, columns = explained.pixels
    arguments = ", ".join(f"{name} {_plain(value)}" for name, value in explained.arguments.items())
    return [
        f"{explained.layer}{list(explained.at)} = {number(explained.value)}",
        f"{steps.formula}      {explained.kind}" + (f": {arguments}" if arguments else ""),
        f"reads {' x '.join(map(str, steps.read.shape))} numbers of {before}, from "
        f"{list(steps.corner)} on",
        f"sees rows {rows.start} to {rows.stop - 1} and columns {columns.start} to "
        f"{columns.stop - 1} of the {image_size} x {image_size} pixels",
    ]


def number(value) -> str:
    """Nine digits, which tell any two float32 numbers apart."""
    return f"{float(value):.9g}"


def _plain(value):
    if isinstance(value, tuple):
        return " x ".join(map(str, value)) if len(set(value)) > 1 else str(value[0])
    return str(value)


# --- what was read --------------------------------------------------------------------------------


def _terms(explained, before) -> Iterator[Section]:
    """The largest terms of the sum, with their shares."""
    steps = explained.arithmetic
    if steps.terms is None or steps.terms.size == 1:
        return
    order = np.argsort(-np.abs(steps.terms), axis=None, kind="stable")[:LARGEST]
    total, rows = float(steps.terms.sum(dtype=np.float64)), []
    for place in order:
        inside = np.unravel_index(place, steps.terms.shape)
        x, term = steps.read[inside], steps.terms[inside]
        cells = [str(corner + int(i)) for corner, i in zip(steps.corner, inside, strict=True)]
        cells.append(number(x))
        if steps.weights is not None:
            cells.append(number(steps.weights[inside]))
        if steps.weights is not None or term != x:
            cells.append(number(term))
        cells.append(f"{term / total:.1%}" if total else "")
        rows.append(tuple(cells))
    name = _name_of_terms(steps)
    places = _places(steps)
    columns = (*places, "x", *(["w"] * (steps.weights is not None)), *([name] * (name != "x")))
    rest = float(steps.terms.sum(dtype=np.float64) - steps.terms.ravel()[order].sum())
    count = steps.terms.size
    shown = f"The {len(order)} largest of {count:,} terms" if count > len(order) else "All terms"
    note = f"the other {count - len(order):,} sum to {number(rest)}" if count > len(order) else ""
    yield Section(f"{shown}, of {before}", (*columns, "of the sum"), rows, note)


def _name_of_terms(steps):
    if steps.weights is not None:
        return "w x"
    return "x" if np.array_equal(steps.terms, steps.read) else "x squared"


def _places(steps):
    return ("channel", "row", "column") if steps.read.ndim == 3 else ("feature",)


def _patch(explained) -> Iterator[Section]:
    """The window as a square of numbers: the channel with the largest term, or the pool's."""
    steps = explained.arithmetic
    if steps.read.ndim != 3 or steps.read[0].size == 1 or steps.read.shape[2] > WIDEST:
        return
    weight = np.abs(steps.read if steps.terms is None else steps.terms)
    channel = int(np.argmax(weight.sum(axis=(1, 2))))
    name = f"channel {steps.corner[0] + channel}"
    squares = [("x", steps.read)]
    if steps.weights is not None:
        squares += [("w", steps.weights), ("w x", steps.terms)]
    for title, square in squares:
        rows = [
            (str(steps.corner[1] + i), *(f"{value:.4g}" for value in row))
            for i, row in enumerate(square[channel])
        ]
        columns = ("row", *(str(steps.corner[2] + i) for i in range(square.shape[2])))
        note, marked = "", frozenset()
        if steps.chosen is not None and title == "x":
            marked = frozenset([steps.chosen[1]])
            place = [a + b for a, b in zip(steps.corner, steps.chosen, strict=True)]
            word = "the largest" if explained.kind == "MaxPool2d" else "x itself"
            note = f"{word} is at {place}"
        yield Section(f"{title} under the window, {name}", columns, rows, note, marked)


def _steps(explained) -> Section:
    rows = [(name, number(value)) for name, value in explained.arithmetic.steps.items()]
    marked = frozenset([len(rows) - 1])
    return Section("Step by step, exact until it is printed", ("", "value"), rows, marked=marked)


# --- the backends ---------------------------------------------------------------------------------


def _computed(explained) -> Section:
    exact = explained.arithmetic.exact
    rows = [(each.by, number(each.value), f"{each.units:+.2f}") for each in explained.computed]
    rows.append(("exact", f"{float(exact):.17g}", "0"))
    least = min(abs(each.units) for each in explained.computed)
    nearest = [i for i, each in enumerate(explained.computed) if abs(each.units) == least]
    names = ", ".join(explained.computed[i].by for i in nearest)
    note = f"nearest: {names}. A unit is the step from this float32 number to the next"
    columns = ("computed by", "value", "off by units in the last place")
    return Section("The same number by every backend", columns, rows, note, frozenset(nearest))


# --- the gradient ---------------------------------------------------------------------------------


def _gradients(explained, before) -> Iterator[Section]:
    gradient = explained.gradient
    if gradient is None:
        return
    steps = explained.arithmetic
    names = [*_places(steps), "by x", *(["by w"] * (gradient.by_weights is not None))]
    size = np.abs(gradient.by_inputs)
    if gradient.by_weights is not None:
        size = np.maximum(size, np.abs(gradient.by_weights))
    rows = []
    for place in np.argsort(-size, axis=None, kind="stable")[:LARGEST]:
        inside = np.unravel_index(place, size.shape)
        if not size[inside]:
            break
        cells = [str(corner + int(i)) for corner, i in zip(steps.corner, inside, strict=True)]
        cells.append(number(gradient.by_inputs[inside]))
        if gradient.by_weights is not None:
            cells.append(number(gradient.by_weights[inside]))
        rows.append(tuple(cells))
    note = "" if rows else f"{explained.layer}{list(explained.at)} changes nothing: its slope is 0"
    title = (
        f"Where its gradient goes: the loss changes by {number(gradient.by_output)} for each unit "
        f"of it, and so by these for each unit of {before}"
    )
    yield Section(title, tuple(names), rows, note)
