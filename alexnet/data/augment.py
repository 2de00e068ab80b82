"""Augmentation: draw a crop, a mirror and a change of colour for each sample of an epoch.

    none     the middle crop
    crop     a random crop, mirrored with probability 1/2
    alexnet  the same, and three normal numbers: the change of colour (principal_colours.py)

A sample's draws depend on the seed, the epoch and the sample's index alone (with --balance, where
an image may come twice: its number in the epoch), not on the order of the samples or the number of
workers. In the draw of the epoch its words are

    4 index ... 4 index + 3 of stream AUGMENTATION: row, column, mirror, unused
    4 index ... 4 index + 3 of stream COLOURS: three normal numbers, the fourth unused

Source: Krizhevsky, Sutskever, Hinton (2012), section 4.1.
"""

from dataclasses import dataclass

import numpy as np

from tinynet.random import AUGMENTATION, COLOURS, bits, normal

AUGMENTATIONS = ("none", "crop", "alexnet")


@dataclass(frozen=True)
class Draws:
    """The draws of N samples; draws[indices] selects some of the samples.

    offsets   int64 (N, 2)    first row and first column of each crop
    mirrored  bool (N,)       whether the crop is mirrored left to right
    normals   float32 (N, 3)  numbers for the change of colour, of deviation 1; None: no change
    """

    offsets: np.ndarray
    mirrored: np.ndarray
    normals: np.ndarray | None = None

    def __len__(self):
        return len(self.offsets)

    def __getitem__(self, indices) -> "Draws":
        normals = None if self.normals is None else self.normals[indices]
        return Draws(self.offsets[indices], self.mirrored[indices], normals)


def draws_of(augment: str, count: int, spare: int, *, seed: int, epoch: int) -> Draws:
    """The draws of an augmentation, one of AUGMENTATIONS, for samples 0 ... count - 1.

    spare    the image's size minus the crop's, in pixels: offsets are from 0 to spare
    """
    if augment == "none":
        return no_draws(count, spare)
    draws = random_draws(count, spare, seed=seed, epoch=epoch)
    if augment == "crop":
        return draws
    normals = normal((count, 4), seed=seed, stream=COLOURS, draw=epoch)[:, :3]
    return Draws(draws.offsets, draws.mirrored, normals)


def no_draws(count: int, spare: int) -> Draws:
    """The middle crop, not mirrored, for each of count samples. spare: as in draws_of."""
    return Draws(np.full((count, 2), spare // 2), np.zeros(count, bool))


def random_draws(count: int, spare: int, *, seed: int, epoch: int) -> Draws:
    """A random crop for each of the samples 0 ... count - 1 of an epoch, mirrored with probability
    1/2. spare: as in draws_of."""
    words = bits(4 * count, seed=seed, stream=AUGMENTATION, draw=epoch).reshape(count, 4)
    # floor(word / 2^32 * (spare + 1)) in integers
    scaled = words[:, :2].astype(np.uint64) * np.uint64(spare + 1) >> np.uint64(32)
    return Draws(scaled.astype(np.int64), words[:, 2] >= 1 << 31)
