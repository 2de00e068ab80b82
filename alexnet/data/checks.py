"""Checks of what a dataset gives. Without them NumPy would make bytes of anything: 0.7 becomes 0,
300 becomes 44, and a grey image three channels.
"""

import numpy as np

from alexnet.errors import DataError


def checked_labels(dataset) -> np.ndarray:
    """int64 (N,): the dataset's labels. Raises DataError if it is empty, or if its labels are not
    one class number for each image, from 0 to the number of classes - 1."""
    count, classes = len(dataset), len(dataset.classes)
    if count == 0:
        raise DataError("the dataset is empty; a batch takes one image or more")
    try:
        labels = np.asarray(dataset.labels)
    except ValueError as error:  # a list of lists of several lengths
        raise DataError(
            f"the dataset's labels make no array ({error}); a flat list fits"
        ) from error
    if labels.dtype.kind not in "iu":
        raise DataError(f"the dataset's labels are {labels.dtype}; class numbers as integers fit")
    if labels.shape != (count,):
        raise DataError(
            f"the dataset has {count:,} images and labels {labels.shape}; one each fits"
        )
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(wrong):
        raise DataError(
            f"the dataset's labels[{wrong[0]}] is {labels[wrong[0]]}; with {classes} classes a "
            f"label is from 0 to {classes - 1}"
        )
    return labels.astype(np.int64)


def check_pixels(images, shape: tuple[int, ...], call: str) -> None:
    """Raise DataError if images is not a uint8 array of this shape.

    shape  ([N,] size, size, 3)
    call   the dataset's function that returned it, for the message
    """
    if isinstance(images, np.ndarray) and images.dtype == np.uint8 and images.shape == shape:
        return
    if not isinstance(images, np.ndarray):
        what, remedy = f"a {type(images).__name__}", "np.asarray(image) may fit"
    else:
        what = f"{images.dtype} {images.shape}"
        remedy = _shape_remedy(images, shape) or _type_remedy(images)
    raise DataError(f"the dataset's {call} returned {what}, should be uint8 {shape}; {remedy}")


def _shape_remedy(images, shape):
    """What would give an array the shape, or None if it has it."""
    size = shape[-2]
    if images.shape == shape:
        return None
    if images.shape == (*shape[:-3], 3, size, size):
        return "channels come last: np.moveaxis(image, -3, -1)"
    if images.shape == shape[:-1]:
        return "grey has three equal channels: np.stack([image] * 3, axis=-1)"
    if images.shape == (*shape[:-1], 1):
        return "grey has three equal channels: np.repeat(image, 3, axis=-1)"
    if images.shape == (*shape[:-1], 4):
        return "leave out the fourth channel: image[..., :3]"
    return f"images have {size} x {size} pixels, as asked for, and red, green and blue last"


def _type_remedy(images):
    if images.dtype.kind == "f":
        if np.isfinite(images).all() and images.min() >= 0 and images.max() <= 1:
            return "for pixels from 0 to 1: (255 * image).round().astype(np.uint8)"
        return "for pixels from 0 to 255: image.round().astype(np.uint8)"
    return "for pixels from 0 to 255: image.astype(np.uint8)"
