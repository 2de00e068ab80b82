"""The ten crops of the paper's test: four corners and the centre of an image, and their mirrors.

    0  1        5  6
     4    and     9     mirrored left to right
    2  3        7  8

Source: Krizhevsky, Sutskever, Hinton (2012), section 4.1.
"""

from collections.abc import Iterator

import numpy as np

from alexnet.data.augment import Draws
from alexnet.data.crops import crop

CENTRE = 4  # the place of the centre crop among the ten


def ten_draws(spare: int) -> Draws:
    """The Draws of the ten crops.

    spare    the image's size minus the crop's, in pixels
    Raises ValueError below 1: all ten would be the whole image and its mirror.
    """
    if spare < 1:
        raise ValueError(f"ten_draws: an image with {spare} spare pixels has no corners")
    middle = spare // 2
    places = [(0, 0), (0, spare), (spare, 0), (spare, spare), (middle, middle)]
    return Draws(np.array(places * 2), np.repeat([False, True], 5))


def crops_at(images: np.ndarray, places: Draws, size: int) -> Iterator[np.ndarray]:
    """Of each place a uint8 (N, 3, size, size): the crops of all images there.

    images   uint8 (N, H, W, 3)
    places   of K crops, each of which is cut out of every image
    """
    for place in range(len(places)):
        yield crop(images, places[np.full(len(images), place)], size)
