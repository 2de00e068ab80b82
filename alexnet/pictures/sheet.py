"""A sheet of squares of pixels: a row for each image, a heading over each column."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

GAP, HEADING = 6, 18  # pixels
SMALL = 96  # squares are enlarged by a whole factor to at least so many pixels
MOST_PIXELS = 1 << 26  # of a sheet, 200 MB


def draw_sheet(headings: Sequence[str], rows: Sequence[Sequence[np.ndarray]]) -> Image.Image:
    """A Pillow image (RGB).

    headings  one for each column
    rows      of squares, each uint8 (S, S, 3); S may differ. Smaller ones lie in the middle
    """
    factor = magnification(max(len(square) for row in rows for square in row))
    side = factor * max(len(square) for row in rows for square in row)
    width, height = (GAP + count * (side + GAP) for count in (len(headings), len(rows)))
    sheet = Image.new("RGB", (width, height + HEADING), "white")
    text = ImageDraw.Draw(sheet)
    for column, heading in enumerate(headings):
        text.text((GAP + column * (side + GAP), GAP // 2), heading, fill="black")
    for number, row in enumerate(rows):
        for column, square in enumerate(row):
            enlarged = square.repeat(factor, axis=0).repeat(factor, axis=1)
            margin = (side - len(enlarged)) // 2
            left = GAP + column * (side + GAP) + margin
            top = HEADING + GAP + number * (side + GAP) + margin
            sheet.paste(Image.fromarray(enlarged), (left, top))
    return sheet


def magnification(size: int) -> int:
    """How many times a square of this size is enlarged."""
    return max(1, -(-SMALL // size))
