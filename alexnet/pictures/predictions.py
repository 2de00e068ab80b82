"""What a network sees in images: the paper's figure 4.

    left half    each photo over its five most probable classes: a class's bar is as long as it is
                 probable, and the right class's bar is red
    right half   each image, and beside it the images whose activations are nearest to its own

Places are in inches from the upper left corner, so that text and pictures keep their sizes with any
number of images. matplotlib's Figure is used without pyplot, which would look for a screen.

Source: the paper, section 6.1 and figure 4.
"""

import contextlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from alexnet.data.names import printable
from alexnet.errors import UsageError

MOST = 32  # images in a picture
COLUMNS, BARS, NEIGHBOURS = 4, 5, 6  # of the paper's figure
RED, BLUE_GREY, PALE = "#e8776f", "#a9bdd1", "#f1f4f7"  # of bars; a bar's whole length is pale
DARK_RED = "#c0261c"  # of text
DPI = 150
_END = 100  # characters of a very long name that are measured at each of its ends

# Inches.
MARGIN = 0.15
PHOTO, PHOTO_GAP = 1.75, 0.3
TITLE, NAME, BAR, BAR_GAP = 0.22, 0.24, 0.15, 0.035
CELL = TITLE + PHOTO + NAME + BARS * (BAR + BAR_GAP)
SMALL, SMALL_GAP, FIRST_GAP, HEADING, CAPTION, LINE = 1.25, 0.12, 0.35, 0.28, 0.44, 0.14


@dataclass(frozen=True)
class Seen:
    """An image, and the text beside it.

    pixels  uint8 (S, S, 3), as the network sees it
    label   the name of its class, or None
    remark  a line under it
    red     whether the label is red
    """

    pixels: np.ndarray
    label: str | None
    remark: str
    red: bool = False


@dataclass(frozen=True)
class Example:
    """An image with what the network makes of it.

    image       with the name of its file under it, and its class where that is known
    classes     triples (name, probability, whether it is the right one), most probable first
    neighbours  the nearest images, nearest first, with their distances under them; red: of the
                image's own class
    """

    image: Seen
    classes: Sequence[tuple[str, float, bool]]
    neighbours: Sequence[Seen] = ()


def need_matplotlib() -> None:
    """Raise UsageError if matplotlib cannot be imported."""
    try:
        import matplotlib.style  # noqa: F401
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: F401
    except ImportError as error:
        raise UsageError(f"a picture needs matplotlib: pip install matplotlib ({error})") from error


@contextlib.contextmanager
def default_settings():
    """In the block matplotlib's own settings are used, not the reader's, and its remarks about
    letters that its font lacks are left out."""
    import matplotlib.style

    with warnings.catch_warnings(action="ignore"), matplotlib.style.context("default"):
        yield


def write_predictions(examples: Sequence[Example], file: BinaryIO, format: str) -> None:
    """The left half of figure 4, four images in a row.

    examples  one or more
    format    "png", "pdf" or "svg"
    """
    columns = min(COLUMNS, len(examples))
    rows = -(-len(examples) // columns)
    width = 2 * MARGIN + columns * (PHOTO + PHOTO_GAP) - PHOTO_GAP
    height = 2 * MARGIN + rows * (CELL + PHOTO_GAP) - PHOTO_GAP
    with _page(width, height, file, format) as page:
        for number, example in enumerate(examples):
            row, column = divmod(number, columns)
            left = MARGIN + column * (PHOTO + PHOTO_GAP)
            _draw_prediction(page, example, left, MARGIN + row * (CELL + PHOTO_GAP))


def write_neighbours(examples: Sequence[Example], file: BinaryIO, format: str) -> None:
    """The right half of figure 4, an image and its neighbours in a row. Arguments: as in
    write_predictions."""
    first = MARGIN + SMALL + FIRST_GAP
    width = first + NEIGHBOURS * (SMALL + SMALL_GAP) - SMALL_GAP + MARGIN
    height = 2 * MARGIN + HEADING + len(examples) * (SMALL + CAPTION)
    with _page(width, height, file, format) as page:
        page.text(MARGIN, MARGIN + HEADING / 2, SMALL, "image", weight="bold")
        heading = "nearest training images, with their distances"
        page.text(first, MARGIN + HEADING / 2, width - first, heading, weight="bold")
        for row, example in enumerate(examples):
            top = MARGIN + HEADING + row * (SMALL + CAPTION)
            _draw_seen(page, example.image, MARGIN, top)
            for column, seen in enumerate(example.neighbours):
                _draw_seen(page, seen, first + column * (SMALL + SMALL_GAP), top)


def _draw_prediction(page, example, left, top):
    image = example.image
    if image.label is not None:
        page.text(left, top + TITLE / 2, PHOTO, image.label, centred=True, weight="bold")
    page.image(left, top + TITLE, PHOTO, image.pixels)
    below = top + TITLE + PHOTO
    page.text(left, below + NAME / 2, PHOTO, image.remark, centred=True)
    for rank, (name, probability, right) in enumerate(example.classes[:BARS]):
        y = below + NAME + rank * (BAR + BAR_GAP)
        page.rectangle(left, y, PHOTO, BAR, PALE)
        page.rectangle(left, y, PHOTO * probability, BAR, RED if right else BLUE_GREY)
        page.text(left + 0.05, y + BAR / 2, PHOTO - 0.1, name)


def _draw_seen(page, seen, left, top):
    page.image(left, top, SMALL, seen.pixels)
    middle = top + SMALL + LINE
    if seen.label is not None:
        colour = DARK_RED if seen.red else "black"
        page.text(left, middle - LINE / 4, SMALL, seen.label, centred=True, color=colour)
        middle += LINE
    page.text(left, middle - LINE / 4, SMALL, seen.remark, centred=True)


@contextlib.contextmanager
def _page(width, height, file, format):
    """A page of this size, which is written at the end of the block."""
    with default_settings():
        page = _Page(width, height)
        yield page
        page.figure.savefig(file, format=format, dpi=DPI)


class _Page:
    """A matplotlib Figure that is measured in inches from its upper left corner."""

    def __init__(self, width, height):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.figure = Figure(figsize=(width, height), dpi=DPI)
        self._renderer = FigureCanvasAgg(self.figure).get_renderer()
        self._width, self._height = width, height

    def _box(self, left, top, width, height):
        """(left, bottom, width, height) in shares of the figure."""
        bottom = self._height - top - height
        return (
            left / self._width,
            bottom / self._height,
            width / self._width,
            height / self._height,
        )

    def image(self, left, top, side, pixels):
        axes = self.figure.add_axes(self._box(left, top, side, side))
        axes.imshow(pixels, interpolation="bicubic", aspect="auto")
        axes.set_axis_off()

    def rectangle(self, left, top, width, height, colour):
        from matplotlib.patches import Rectangle

        x, y, width, height = self._box(left, top, width, height)
        transform = self.figure.transFigure
        self.figure.add_artist(
            Rectangle((x, y), width, height, transform=transform, facecolor=colour, linewidth=0)
        )

    def text(self, left, middle, width, text, centred=False, **style):
        """One line of text, shortened in its middle to this width."""
        if len(text) > 2 * _END:
            text = f"{text[:_END]}…{text[-_END:]}"
        text = printable(text)
        x, y, *_ = self._box(left + width / 2 if centred else left, middle, 0, 0)
        artist = self.figure.text(
            x, y, text, fontsize=7, parse_math=False, va="center_baseline",
            ha="center" if centred else "left", **style,
        )  # fmt: skip
        kept = len(text)
        while (wide := artist.get_window_extent(self._renderer).width) > width * DPI and kept > 1:
            kept = max(min(kept - 1, int(kept * width * DPI / wide)), 1)
            artist.set_text(f"{text[: (kept + 1) // 2]}…{text[len(text) - kept // 2 :]}")
