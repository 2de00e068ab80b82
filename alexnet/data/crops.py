"""From an image to the square of pixels that a network reads: resize, border, crop.

    photo --resize--> (stored, stored, 3) --crop, mirror--> (3, size, size)

The paper stores images at 256 x 256 and trains on random crops of 224 and their mirrors; its maps
need crops of 227 (docs/facts.md, section 1). stored_size keeps the proportion 256 : 227 at any
image size. augment.py draws the place of each crop. Images are uint8 from 0 to 255.

Source: Krizhevsky, Sutskever, Hinton (2012), sections 2 and 4.1.
"""

import numpy as np
from PIL import Image

from alexnet.data.augment import Draws, no_draws


def resize(image: Image.Image, size: int) -> np.ndarray:
    """uint8 (size, size, 3): the shorter side resized to `size`, the middle square of the result.

    image   a Pillow image of mode RGB, any size
    Bilinear over the area that a new pixel covers, as in torchvision's evaluation. Only the square
    is computed; pixels at its edge also use their neighbours outside it.
    """
    if image.size == (size, size):
        return np.array(image)
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    square = (left, top, left + side, top + side)
    return np.array(image.resize((size, size), Image.Resampling.BILINEAR, box=square))


def resize_whole(image: Image.Image, size: int) -> np.ndarray:
    """uint8 (H, W, 3): the whole image with its shorter side resized to `size`; the longer one is
    rounded to pixels. Arguments: as in resize."""
    shorter = min(image.size)
    width, height = (round(side * size / shorter) for side in image.size)
    return np.array(image.resize((width, height), Image.Resampling.BILINEAR))


def middle_square(pixels: np.ndarray, size: int) -> np.ndarray:
    """uint8 (size, size, 3), a new array: the middle square of an image, resized if its shorter
    side is another size.  pixels: uint8 (H, W, 3)."""
    height, width, _ = pixels.shape
    if min(height, width) != size:
        return resize(Image.fromarray(pixels), size)
    top, left = (height - size) // 2, (width - size) // 2
    return pixels[top : top + size, left : left + size].copy()


def stored_size(image_size: int, native_size: int | None = None) -> int:
    """The size at which images are read before crops of image_size are cut out: 256 for 227.

    native_size   the size of all images of the dataset, None if they differ. Images no larger than
                  image_size have no pixels to cut away: they are read at image_size and get a
                  border instead (crop_border).
    """
    if native_size is not None and native_size <= image_size:
        return image_size
    return round(image_size * 256 / 227)


def crop_border(image_size: int, native_size: int | None = None) -> int:
    """The width of the border that images get before a random crop: an eighth of image_size if
    stored_size() is image_size (4 for CIFAR-10 at 32), else 0."""
    small = native_size is not None and native_size <= image_size
    return image_size // 8 if small else 0


def add_border(images: np.ndarray, border: int) -> np.ndarray:
    """uint8 (N, H + 2 border, W + 2 border, 3): the images continued by reflection, without
    repeating the edge pixel.  images: uint8 (N, H, W, 3)."""
    if not border:
        return images
    return np.pad(images, ((0, 0), (border, border), (border, border), (0, 0)), mode="reflect")


def crop(images: np.ndarray, draws: Draws, size: int) -> np.ndarray:
    """uint8 (N, 3, size, size), C-contiguous: the crop of each image, mirrored if its draw says so.

    images   uint8 (N, H, W, 3)
    draws    of these N images
    """
    crops = np.empty((len(images), 3, size, size), np.uint8)
    for n, (row, column) in enumerate(draws.offsets.tolist()):
        window = images[n, row : row + size, column : column + size]
        if draws.mirrored[n]:
            window = window[:, ::-1]
        crops[n] = window.transpose(2, 0, 1)
    return crops


def centre_crop(images: np.ndarray, size: int) -> np.ndarray:
    """uint8 (N, 3, size, size): the middle of each image.  images: uint8 (N, H, H, 3)."""
    return crop(images, no_draws(len(images), images.shape[1] - size), size)
