"""From an image to what a network reads: resize, crop, mirror, subtract the mean.

    photo --resize--> (stored, stored, 3) --crop, mirror--> (3, size, size) --normalise--> float32

The paper stores images at 256 x 256 and trains on random crops of 224 (everyone's 227) and their
mirrors; stored_size keeps that proportion at any image size. Which crop a sample gets follows from
the seed, the epoch and the sample's index alone:

    words 4 index ... 4 index + 3 of stream AUGMENTATION, draw = epoch: row, column, mirror, unused

Images are uint8 from 0 to 255. Source: Krizhevsky, Sutskever, Hinton (2012), sections 2 and 4.1.
"""

import numpy as np
from PIL import Image

from tinynet.backends.host_memory import empty
from tinynet.random import AUGMENTATION, bits


def resize(image: Image.Image, size: int) -> np.ndarray:
    """uint8 (size, size, 3): the shorter side resized to `size`, the middle square of the result.

    image   a Pillow image of mode RGB, any size
    Bilinear over the area that a new pixel covers, as torchvision's evaluation does. Only the
    square is computed, from its neighbourhood in the whole image.
    """
    if image.size == (size, size):
        return np.array(image)
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    square = (left, top, left + side, top + side)
    return np.array(image.resize((size, size), Image.Resampling.BILINEAR, box=square))


def stored_size(image_size: int, native_size: int | None = None) -> int:
    """The size at which images are read when crops of image_size are taken: 256 for 227.

    native_size   the size of all images of the dataset, None where they differ. Images no larger
                  than image_size have nothing to cut away: they are read at image_size itself and
                  get a border instead (crop_border).
    """
    if native_size is not None and native_size <= image_size:
        return image_size
    return round(image_size * 256 / 227)


def crop_border(image_size: int, native_size: int | None = None) -> int:
    """The width of the border, filled by reflection, that images get before a random crop: an
    eighth of image_size where stored_size gives image_size (4 for CIFAR-10 at 32), else 0."""
    small = native_size is not None and native_size <= image_size
    return image_size // 8 if small else 0


def add_border(images: np.ndarray, border: int) -> np.ndarray:
    """uint8 (N, H + 2 border, W + 2 border, 3): the images continued by reflection, the edge pixel
    not repeated.  images: uint8 (N, H, W, 3)."""
    if not border:
        return images
    return np.pad(images, ((0, 0), (border, border), (border, border), (0, 0)), mode="reflect")


def centre_offsets(count: int, spare: int) -> tuple[np.ndarray, np.ndarray]:
    """What random_offsets returns, for the middle crop without a mirror."""
    return np.full((count, 2), spare // 2), np.zeros(count, bool)


def random_offsets(count: int, spare: int, *, seed: int, epoch: int):
    """Crops and mirrors of samples 0 ... count - 1 in an epoch.

    spare    how many pixels the image is wider than the crop: offsets are 0 ... spare
    Returns offsets int64 (count, 2), the crop's first row and column, and mirrored bool (count,),
    true for half of them.
    """
    words = bits(4 * count, seed=seed, stream=AUGMENTATION, draw=epoch).reshape(count, 4)
    # floor(word / 2^32 * (spare + 1)) in integers
    scaled = words[:, :2].astype(np.uint64) * np.uint64(spare + 1) >> np.uint64(32)
    return scaled.astype(np.int64), words[:, 2] >= 1 << 31


def crop(images: np.ndarray, offsets: np.ndarray, mirrored: np.ndarray, size: int) -> np.ndarray:
    """uint8 (N, 3, size, size), C-contiguous: each image's crop, mirrored left to right or not.

    images     uint8 (N, H, W, 3)
    offsets    integers (N, 2): first row and column of each crop
    mirrored   bool (N,)
    """
    crops = np.empty((len(images), 3, size, size), np.uint8)
    for n, (row, column) in enumerate(offsets.tolist()):
        window = images[n, row : row + size, column : column + size]
        if mirrored[n]:
            window = window[:, ::-1]
        crops[n] = window.transpose(2, 0, 1)
    return crops


def centre_crop(images: np.ndarray, size: int) -> np.ndarray:
    """uint8 (N, 3, size, size): the middle of each image.  images: uint8 (N, H, H, 3)."""
    offsets, mirrored = centre_offsets(len(images), images.shape[1] - size)
    return crop(images, offsets, mirrored, size)


class Normalization:
    """y = (x - mean) / divisor, in units of 0 to 255.

    mean      (3, S, S), a mean image, or (3, 1, 1), a mean for each channel
    divisor   (3, 1, 1), ones for "not divided"
    Both are kept as float32 and saved with the model (arrays, from_arrays).
    """

    def __init__(self, mean: np.ndarray, divisor: np.ndarray):
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
        """float32 (N, 3, S, S).  images: uint8 (N, 3, S, S), S as in the mean image."""
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
        # A fresh array would be page-faulted in anew for every batch; this memory is used again.
        values = empty(images.shape, np.float32)
        np.subtract(images, self.mean, out=values, dtype=np.float32)
        if (self.divisor != 1).any():
            values /= self.divisor
        return values

    def arrays(self) -> dict[str, np.ndarray]:
        """{"mean": ..., "divisor": ...}, float32, for a checkpoint."""
        return {"mean": self.mean, "divisor": self.divisor}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "Normalization":
        """The Normalization whose arrays() these are."""
        return cls(arrays["mean"], arrays["divisor"])
