"""Augmentation: draw a crop and a mirror for each sample of an epoch.

A sample's draws depend on the seed, the epoch and the sample's index alone, not on the order of the
samples or the number of workers:

    words 4 index ... 4 index + 3 of stream AUGMENTATION, draw = epoch: row, column, mirror, unused

Source: Krizhevsky, Sutskever, Hinton (2012), section 4.1.
"""

from dataclasses import dataclass

import numpy as np

from tinynet.random import AUGMENTATION, bits


@dataclass(frozen=True)
class Draws:
    """The crops and mirrors of N samples; draws[indices] selects some of the samples.

    offsets   int64 (N, 2)  first row and first column of each crop
    mirrored  bool (N,)     whether the crop is mirrored left to right
    """

    offsets: np.ndarray
    mirrored: np.ndarray

    def __len__(self):
        return len(self.offsets)

    def __getitem__(self, indices) -> "Draws":
        return Draws(self.offsets[indices], self.mirrored[indices])


def no_draws(count: int, spare: int) -> Draws:
    """The middle crop, not mirrored, for each of count samples. spare: as in random_draws."""
    return Draws(np.full((count, 2), spare // 2), np.zeros(count, bool))


def random_draws(count: int, spare: int, *, seed: int, epoch: int) -> Draws:
    """A random crop for each of the samples 0 ... count - 1 of an epoch, mirrored with probability
    1/2.

    spare    the image's size minus the crop's, in pixels: offsets are from 0 to spare
    """
    words = bits(4 * count, seed=seed, stream=AUGMENTATION, draw=epoch).reshape(count, 4)
    # floor(word / 2^32 * (spare + 1)) in integers
    scaled = words[:, :2].astype(np.uint64) * np.uint64(spare + 1) >> np.uint64(32)
    return Draws(scaled.astype(np.int64), words[:, 2] >= 1 << 31)
