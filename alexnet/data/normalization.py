"""Normalization: y = (x - mean) / divisor, and both from the pixels of a training set.

The paper subtracts the mean image of the training set and does not divide (section 2). For He's
initial weights alexnet.train also divides by each channel's standard deviation.
"""

import numpy as np

from alexnet.data.pixel_sums import PixelSums
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

    def __call__(self, images: np.ndarray, shifts: np.ndarray | None = None) -> np.ndarray:
        """(N, 3, S, S) of the dtype: (x - mean + shift) / divisor.

        images  uint8 (N, 3, S, S), of the mean image's size; of any size if mean is (3, 1, 1)
        shifts  float32 (N, 3): what is added to each channel of each image; None: nothing
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
        if shifts is not None:
            values += shifts[:, :, None, None]
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


def normalization_of(
    sums: PixelSums, image_size: int, mean: str = "image", divide: bool = False
) -> Normalization:
    """The Normalization of the middle of a training set's images.

    sums        at the stored size
    image_size  rows and columns of the middle, which a network reads
    mean        "image": the mean image, as in the paper's program. "channel": one number a channel
    divide      whether to divide by each channel's standard deviation about the channel's mean;
                otherwise the divisor is 1, as in the paper
    Raises DataError if a channel has one value only and divide is set.
    """
    if mean not in ("image", "channel"):
        raise ValueError(f"normalization_of: mean must be image or channel, got {mean!r}")
    totals, squares = sums.middle(image_size)
    pixels = sums.count * image_size**2
    channel_mean = totals.sum(axis=(1, 2)) / pixels
    deviation = np.ones(3)
    if divide:
        deviation = np.sqrt(np.maximum(squares / pixels - channel_mean**2, 0))
        if not (deviation > 1e-3).all():
            raise DataError(
                f"the training images have channels of one value (deviations "
                f"{deviation.round(3)}): there is nothing to divide by"
            )
    mean_array = totals / sums.count if mean == "image" else channel_mean.reshape(3, 1, 1)
    return Normalization(mean_array, deviation.reshape(3, 1, 1))
