"""Sums over the pixels of images of one size, and what follows from them: the mean image, the
channels' deviation and covariance.

All are sums of integers, so they are exact, in any order of the images and in any parts:

    covariance = (n P - s s^T) / n^2    s: each channel's sum, P: sums of products of two channels,
                                        n: pixels
"""

import numpy as np


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
