"""Sums over the pixels of images of one size, and what follows from them: the mean image, the
channels' deviation and covariance.

All are sums of integers, so they are exact, in any order of the images and in any parts:

    covariance = (n P - s s^T) / n^2    s: each channel's sum, P: sums of products of two channels,
                                        n: pixels

They make the network's inputs: the mean is subtracted (normalization.py), and the paper's change of
colour follows the covariance (principal_colours.py).
"""

import numpy as np

from alexnet.data.checks import checked_labels
from alexnet.data.loader import Loader, read_batch

LIMIT = 10_000  # images; more would hardly move a mean, and take minutes to read


class PixelSums:
    """The sums of N images of size x size.

    count     N
    totals    int64 (3, size, size)  sum over the images, of each pixel
    squares   int64 (3, size, size)  sum of its squares
    products  int64 (3, 3)           sum over all pixels of the products of two channels
    Sums of int64 are exact for more than a billion images of 256 x 256.
    """

    def __init__(self, size: int):
        self.size, self.count = size, 0
        self.totals, self.squares = np.zeros((2, 3, size, size), np.int64)
        self.products = np.zeros((3, 3), np.int64)

    def add(self, image: np.ndarray) -> None:
        """Count an image.  image: uint8 (size, size, 3)."""
        planes = np.ascontiguousarray(image.transpose(2, 0, 1))
        squares = np.square(planes, dtype=np.uint16)  # 255^2 fits
        self.count += 1
        self.totals += planes
        self.squares += squares
        self.products[range(3), range(3)] += squares.sum(axis=(1, 2), dtype=np.int64)
        for i, j in ((0, 1), (0, 2), (1, 2)):
            product = np.multiply(planes[i], planes[j], dtype=np.uint16).sum(dtype=np.int64)
            self.products[[i, j], [j, i]] += product

    def merge(self, other: "PixelSums") -> None:
        """Count the images of another PixelSums of this size."""
        self.count += other.count
        self.totals += other.totals
        self.squares += other.squares
        self.products += other.products

    @property
    def mean_image(self) -> np.ndarray:
        """float64 (3, size, size)."""
        return self.totals / self.count

    @property
    def covariance(self) -> np.ndarray:
        """float64 (3, 3): of the channels, over the pixels of all images."""
        pixels = self.count * self.size**2
        sums = [int(total) for total in self.totals.sum(axis=(1, 2))]
        # Python's integers have any length, and the one division rounds correctly.
        return np.array(
            [
                [
                    (pixels * int(self.products[i, j]) - sums[i] * sums[j]) / pixels**2
                    for j in range(3)
                ]
                for i in range(3)
            ]
        )

    def middle(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        """(int64 (3, size, size), int64 (3,)): the sums of the middle of the images, at the place
        of the middle crop, and each channel's sum of squares there."""
        first = (self.size - size) // 2
        window = slice(first, first + size)
        squares = self.squares[:, window, window].sum(axis=(1, 2))
        return self.totals[:, window, window], squares


def sums_of(dataset, size: int, *, limit: int = LIMIT, workers: int = 2) -> PixelSums:
    """The sums over a dataset's images, read at size x size.

    limit  at most this many images are read, evenly spaced over the dataset
    A dataset that has pixel_sums of this size is not read: they are the sums of all its images.
    Raises DataError for an image that cannot be read.
    """
    if limit < 1:
        raise ValueError(f"sums_of: limit must be 1 or more, got {limit}")
    known = getattr(dataset, "pixel_sums", None)
    if known is not None and known.size == size:
        return known
    count = min(len(dataset), limit)
    sample = _Sample(dataset, np.arange(count) * len(dataset) // max(count, 1))
    sums = PixelSums(size)
    for batch in Loader(sample, 64, size, workers=workers).uncropped(0):
        for image in batch.images:
            sums.add(image)
    return sums


class _Sample:
    """Some images of a dataset, as a dataset with the parts that Loader uses."""

    def __init__(self, dataset, indices):
        self.dataset, self.indices = dataset, indices
        self.classes, self.labels = dataset.classes, checked_labels(dataset)[indices]

    def __len__(self):
        return len(self.indices)

    def read_batch(self, indices, size):
        return read_batch(self.dataset, self.indices[indices], size)
