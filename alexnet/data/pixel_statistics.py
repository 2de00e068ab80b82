"""Statistics of the pixels of a training set: the mean image, and the covariance of its colours.

They make the network's inputs: the mean is subtracted (normalization.py), and the paper's change of
colour follows the covariance (principal_colours.py). Both come from one pass over the images. Sums
of integers are exact, so the order of summation does not change the result.
"""

from dataclasses import dataclass

import numpy as np

from alexnet.data.checks import checked_labels
from alexnet.data.loader import Loader, read_batch

LIMIT = 10_000  # images; more would hardly move a mean, and take minutes to read


@dataclass(frozen=True)
class PixelStatistics:
    """Of the middle squares of S x S pixels, from 0 to 255.

    mean_image    float64 (3, S, S)
    channel_mean  float64 (3,): the mean colour
    covariance    float64 (3, 3): of the colours (R, G, B) of all pixels of all images
    description   of the dataset, for messages
    """

    mean_image: np.ndarray
    channel_mean: np.ndarray
    covariance: np.ndarray
    description: str


def measure_pixels(
    dataset,
    image_size: int,
    *,
    limit: int = LIMIT,
    stored_size: int | None = None,
    workers: int = 2,
) -> PixelStatistics:
    """The statistics of a dataset's images.

    limit         at most this many images are read, evenly spaced over the dataset
    stored_size   the size at which images are read, as in Loader
    Raises DataError for an image that cannot be read.
    """
    if limit < 1:
        raise ValueError(f"measure_pixels: limit must be 1 or more, got {limit}")
    count = min(len(dataset), limit)
    sample = _Sample(dataset, np.arange(count) * len(dataset) // max(count, 1))
    loader = Loader(sample, 64, image_size, workers=workers, stored_size=stored_size)
    total = np.zeros((3, image_size, image_size), np.int64)
    products = np.zeros((3, 3))  # sums of products of two channels, whole numbers below 2^53
    for images, _ in loader.epoch(0):
        total += images.sum(axis=0, dtype=np.uint32)
        for image in images:
            colours = image.reshape(3, -1).astype(np.float64)
            products += colours @ colours.T
    pixels = count * image_size**2
    mean = total.sum(axis=(1, 2)) / pixels
    return PixelStatistics(
        total / count, mean, products / pixels - np.outer(mean, mean), dataset.description
    )


class _Sample:
    """Some images of a dataset, as a dataset with the parts that Loader uses."""

    def __init__(self, dataset, indices):
        self.dataset, self.indices = dataset, indices
        self.classes, self.labels = dataset.classes, checked_labels(dataset)[indices]

    def __len__(self):
        return len(self.indices)

    def read_batch(self, indices, size):
        return read_batch(self.dataset, self.indices[indices], size)
