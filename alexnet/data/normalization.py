"""Normalization: y = (x - mean) / divisor, and the measurement of both on a training set.

The paper subtracts the mean image of the training set and does not divide (section 2). For He's
initial weights alexnet.train also divides by each channel's standard deviation.
"""

import numpy as np

from alexnet.data.checks import checked_labels
from alexnet.data.loader import Loader, read_batch
from alexnet.errors import DataError
from tinynet.backends.host_memory import empty


class Normalization:
    """y = (x - mean) / divisor, in units of 0 to 255.

    mean      (3, S, S), a mean image, or (3, 1, 1), a mean for each channel
    divisor   (3, 1, 1), above 0; ones leave the images undivided
    dtype     of the images that it returns: float32 or float64, as the network
    Mean and divisor are kept as float32 and saved with the model (arrays, from_arrays). Raises
    ValueError for other shapes, for numbers that are not finite, and for a divisor that is not
    above 0.
    """

    def __init__(self, mean: np.ndarray, divisor: np.ndarray, dtype=np.float32):
        self.dtype = np.dtype(dtype)
        self.mean = np.asarray(mean, np.float32)
        self.divisor = np.asarray(divisor, np.float32)
        height = self.mean.shape[-1] if self.mean.ndim else 0
        if self.mean.shape != (3, height, height) or not height:
            raise ValueError(
                f"Normalization: mean is {self.mean.shape}, should be (3, S, S) or (3, 1, 1)"
            )
        if self.divisor.shape != (3, 1, 1):
            raise ValueError(f"Normalization: divisor is {self.divisor.shape}, should be (3, 1, 1)")
        if not np.isfinite(self.mean).all():
            raise ValueError("Normalization: mean holds numbers that are not finite")
        if not (np.isfinite(self.divisor) & (self.divisor > 0)).all():
            raise ValueError(f"Normalization: divisor {self.divisor.ravel()} must be above 0")

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """(N, 3, S, S) of the dtype.

        images  uint8 (N, 3, S, S), of the mean image's size; of any size if mean is (3, 1, 1)
        """
        images = np.asarray(images)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] != 3:
            raise ValueError(
                f"Normalization: images are {images.dtype} {images.shape}, "
                "should be uint8 (N, 3, S, S)"
            )
        if self.mean.shape[1:] not in ((1, 1), images.shape[2:]):
            raise ValueError(
                f"Normalization: images are {images.shape[2:]}, the mean image is "
                f"{self.mean.shape[1:]}; read them at its size"
            )
        # New memory would cost page faults in every batch; empty() uses old memory again.
        values = empty(images.shape, self.dtype)
        np.subtract(images, self.mean, out=values, dtype=self.dtype)
        if (self.divisor != 1).any():
            values /= self.divisor
        return values

    def arrays(self) -> dict[str, np.ndarray]:
        """{"mean": ..., "divisor": ...}, float32, for a checkpoint."""
        return {"mean": self.mean, "divisor": self.divisor}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray], dtype=np.float32) -> "Normalization":
        """The Normalization from its arrays(). Raises ValueError for a missing or wrong one."""
        missing = {"mean", "divisor"} - set(arrays)
        if missing:
            raise ValueError(f"Normalization: {' and '.join(sorted(missing))} is missing")
        return cls(arrays["mean"], arrays["divisor"], dtype)


def measure_normalization(
    dataset,
    image_size: int,
    *,
    mean: str = "image",
    divide: bool = False,
    limit: int = 10_000,
    stored_size: int | None = None,
    workers: int = 2,
) -> Normalization:
    """The Normalization of a training set: its mean and, with divide, its deviation.

    mean          "image": (3, image_size, image_size), the middle of the mean image, as in the
                  paper's program. "channel": (3, 1, 1), one number a channel
    divide        whether to divide by each channel's standard deviation about the channel's mean;
                  otherwise the divisor is 1, as in the paper
    limit         at most this many images are read, evenly spaced over the set
    stored_size   the size at which images are read, as in Loader
    A dataset that has pixel_sums (PixelSums) of this stored size is not read: they are the sums of
    all its images. Sums of integers are exact, so the order of summation does not change the
    result. Raises DataError if a channel has one value only and divide is set.
    """
    if mean not in ("image", "channel"):
        raise ValueError(f"measure_normalization: mean must be image or channel, got {mean!r}")
    if limit < 1:
        raise ValueError(f"measure_normalization: limit must be 1 or more, got {limit}")
    known = getattr(dataset, "pixel_sums", None)
    if known is not None and known.size == (stored_size or image_size):
        count, (total, squares) = known.count, known.middle(image_size)
    else:
        count = min(len(dataset), limit)
        sample = _Sample(dataset, np.arange(count) * len(dataset) // max(count, 1))
        loader = Loader(sample, 64, image_size, workers=workers, stored_size=stored_size)
        total, squares = _sums(loader, divide)
    channel_mean = total.sum(axis=(1, 2)) / (count * image_size**2)
    deviation = np.ones(3)
    if divide:
        variance = squares / (count * image_size**2) - channel_mean**2
        deviation = np.sqrt(np.maximum(variance, 0))
        if not (deviation > 1e-3).all():
            raise DataError(
                f"the images of {dataset.description} have channels of one value (deviations "
                f"{deviation.round(3)}): there is nothing to divide by"
            )
    mean_array = total / count if mean == "image" else channel_mean.reshape(3, 1, 1)
    return Normalization(mean_array, deviation.reshape(3, 1, 1))


def _sums(loader, divide):
    """The sum of the images, int64 (3, S, S), and with divide each channel's sum of squares."""
    total = np.zeros((3, loader.image_size, loader.image_size), np.int64)
    squares = np.zeros(3, np.int64)
    for images, _ in loader.epoch(0):
        total += images.sum(axis=0, dtype=np.uint32)
        if divide:
            squares += np.square(images, dtype=np.uint32).sum(axis=(0, 2, 3), dtype=np.int64)
    return total, squares


class _Sample:
    """Some images of a dataset, as a dataset with the parts that Loader uses."""

    def __init__(self, dataset, indices):
        self.dataset, self.indices = dataset, indices
        self.classes, self.labels = dataset.classes, checked_labels(dataset)[indices]

    def __len__(self):
        return len(self.indices)

    def read_batch(self, indices, size):
        return read_batch(self.dataset, self.indices[indices], size)
