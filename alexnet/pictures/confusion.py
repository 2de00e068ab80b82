"""The confusions of a network as a picture: a row is a class, a column a predicted class.

    colour of [i, j] = images of class i that were taken for class j / images of class i

From white over blue to dark: one hue, whose lightness tells the share, so that colour-blind readers
and grey printers see the same. Equal steps of colour are steps of the share's square root: most
mistakes are a few per cent, which a linear scale would show as white. A class without an image is a
grey row. Of up to COUNTED classes the images are written into the squares.
"""

import math
from collections.abc import Sequence
from typing import BinaryIO

import numpy as np

from alexnet.data.names import printable
from alexnet.pictures.predictions import DPI, default_settings

COUNTED = 20  # classes whose squares hold numbers
LARGE, SMALL = 0.42, 0.16  # inches of a square, with a number and without
WIDEST = 24  # inches of all squares; those of more than 150 classes are smaller
LABEL = 0.11  # inches from one name to the next; where squares are smaller, some names are left out
LONGEST = 28  # characters of a name
COLOURS, NO_IMAGE = "Blues", "#d0d0d0"
TICKS = (0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1)


def write_confusion(
    matrix: np.ndarray, names: Sequence[str], title: str, file: BinaryIO, format: str
) -> None:
    """Draw into an open file.

    matrix  int64 (classes, classes): confusion() of evaluation/mistakes.py
    names   of the classes
    format  "png", "pdf" or "svg"
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import PowerNorm
    from matplotlib.figure import Figure

    count = len(matrix)
    cell = LARGE if count <= COUNTED else min(SMALL, WIDEST / count)
    totals = matrix.sum(axis=1, keepdims=True)
    shares = np.ma.masked_where(
        np.broadcast_to(totals == 0, matrix.shape), matrix / np.maximum(totals, 1)
    )
    side = max(cell * count, 4 * LARGE)
    with default_settings():
        figure = Figure(figsize=(side + 1, side + 1), dpi=DPI)
        FigureCanvasAgg(figure)
        # The axes are `side` wide; names, title and scale stand outside, and the page grows.
        share = side / (side + 1)
        axes = figure.add_axes((0, 0, share, share))
        picture = axes.imshow(
            shares, cmap=_colours(), norm=PowerNorm(0.5, 0, 1), interpolation="nearest"
        )
        _name(axes, names, math.ceil(LABEL / cell), totals.ravel() == 0)
        if count <= COUNTED:
            _write_counts(axes, matrix, shares)
        axes.set_xlabel("predicted class")
        axes.set_ylabel("class")
        axes.set_title("\n".join(map(_short_line, title.split("\n"))), parse_math=False, fontsize=9)
        scale = figure.add_axes((share + 0.15 / (side + 1), 0, 0.15 / (side + 1), share))
        bar = figure.colorbar(picture, cax=scale, ticks=TICKS, format=lambda p, _: f"{100 * p:g} %")
        bar.set_label("share of the class's images", fontsize=8)
        scale.tick_params(labelsize=7)
        figure.savefig(file, format=format, dpi=DPI, bbox_inches="tight", pad_inches=0.1)


def _colours():
    import matplotlib

    colours = matplotlib.colormaps[COLOURS].copy()
    colours.set_bad(NO_IMAGE)
    return colours


def _name(axes, names, step, empty):
    """Names beside each step-th row and under each step-th column.

    empty  bool (classes,): classes without an image
    """
    places = np.arange(0, len(names), step)
    short = [_short(printable(names[place])) for place in places]
    rows = [
        f"{name} (no image)" if empty[place] else name
        for place, name in zip(places, short, strict=True)
    ]
    axes.set_xticks(places, short, fontsize=7, rotation=90, parse_math=False)
    axes.set_yticks(places, rows, fontsize=7, parse_math=False)
    axes.tick_params(length=2, pad=1)
    if len(names) * LABEL <= WIDEST:  # lines that lead the eye from a name to a square
        between = np.arange(1, len(names)) - 0.5
        for lines in (axes.hlines, axes.vlines):
            lines(between, -0.5, len(names) - 0.5, color="#e4e4e4", linewidth=0.4)


def _write_counts(axes, matrix, shares):
    """The images in each square that has some."""
    for i, j in np.argwhere(matrix).tolist():
        text = f"{matrix[i, j]:,}"
        size = min(7, 0.9 * LARGE * 72 / (0.62 * len(text)))  # a digit is 0.62 of its height wide
        colour = "white" if shares[i, j] > 0.3 else "black"
        axes.text(j, i, text, ha="center", va="center", fontsize=size, color=colour)


def _short(text, most=LONGEST):
    """The text, shortened in its middle."""
    return text if len(text) <= most else f"{text[: most - most // 2 - 1]}…{text[-(most // 2) :]}"


def _short_line(line):
    return _short(printable(line), 2 * LONGEST)
