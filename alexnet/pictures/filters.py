"""The kernels of a first convolution as colours: the paper's figure 3.

A kernel (3, rows, columns) is a small colour image. Its numbers lie around 0, so each kernel is
scaled by itself:

    pixel = round(127.5 + 127.5 * (w - mean) / max |w - mean|)

over all of its numbers, the three colours together: its mean is the middle grey, and its number
farthest from the mean is 0 or 255.

Source: the paper, section 6.1 and figure 3; the scale is ours.
"""

import math

import numpy as np
from PIL import Image

SQUARE = 66  # pixels of an enlarged kernel: 6 for each of 11
GAP, TOWER_GAP = 3, 15  # pixels between kernels, and between towers
WIDEST = 4096  # pixels; of more kernels than fit at SQUARE, each is smaller
_BACKGROUND = 255


def draw_filters(weight: np.ndarray, towers: int = 1) -> Image.Image:
    """A Pillow image (RGB) of all kernels, row by row: 96 in 8 rows of 12, 64 in 8 rows of 8.

    weight  (kernels, 3, rows, columns), finite
    towers  1 or more; each has as many kernels, and its own rows: the first tower is on top
    Kernels are enlarged by a whole factor, without smoothing. Raises ValueError for a weight of
    another shape, for numbers that are not finite, and for kernels that make no equal towers.
    """
    weight = np.asarray(weight)
    if weight.ndim != 4 or weight.shape[1] != 3 or not weight.size:
        raise ValueError(
            f"draw_filters: weight is {weight.shape}, should be (kernels, 3, rows, columns)"
        )
    count, _, height, width = weight.shape
    if towers < 1 or count % towers:
        raise ValueError(f"draw_filters: {count} kernels make no {towers} equal towers")
    if not np.isfinite(weight).all():
        raise ValueError("draw_filters: weight holds numbers that are not finite")
    columns = columns_for(count, towers)
    rows = math.ceil(count / towers / columns)
    factor = max(1, min(SQUARE // max(height, width), WIDEST // (columns * max(height, width))))
    tile_height, tile_width = height * factor + GAP, width * factor + GAP
    tower_height = rows * tile_height - GAP + TOWER_GAP
    page = np.full(
        (2 * GAP + towers * tower_height - TOWER_GAP, GAP + columns * tile_width, 3),
        _BACKGROUND, np.uint8,
    )  # fmt: skip
    for number, kernel in enumerate(weight):
        tower, place = divmod(number, count // towers)
        row, column = divmod(place, columns)
        top = GAP + tower * tower_height + row * tile_height
        left = GAP + column * tile_width
        tile = _colours(kernel).repeat(factor, axis=0).repeat(factor, axis=1)
        page[top : top + len(tile), left : left + tile.shape[1]] = tile
    return Image.fromarray(page)


def columns_for(count: int, towers: int = 1) -> int:
    """Kernels in a row: the smallest divisor of a tower's kernels that makes the picture no higher
    than wide, if there is one below twice the square's side; else the square's side, if a tower has
    as many."""
    side = math.ceil(math.sqrt(count))
    each = count // towers
    return next((n for n in range(side, min(2 * side, each + 1)) if each % n == 0), min(side, each))


def _colours(kernel):
    """uint8 (rows, columns, 3): a kernel (3, rows, columns) in its own scale."""
    kernel = kernel.astype(np.float64)
    kernel /= np.abs(kernel).max() or 1  # so that no sum or difference overflows
    deviation = kernel - kernel.mean()
    scaled = deviation / (np.abs(deviation).max() or 1)
    return np.rint(127.5 + 127.5 * scaled).astype(np.uint8).transpose(1, 2, 0)
