"""A dataset of one's own: what it gives is checked, and the message says what fits."""

import numpy as np
import pytest
from PIL import Image

from alexnet.data.loader import Loader
from alexnet.data.pixel_sums import sums_of
from alexnet.errors import DataError
from tests.alexnet.data.noise import Noise

IMAGE = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)


class Own(Noise):
    """Every image is the one that it was made with."""

    def __init__(self, image, batches=False):
        super().__init__(5)
        self.image = image
        if batches:
            self.read_batch = lambda indices, size: np.stack([image] * len(indices))

    def __len__(self):
        return 5

    def read(self, index, size):
        return self.image


WRONG = [
    (IMAGE / 255, r"float64 \(8, 8, 3\).*0 to 1: .255 \* image.*round"),
    ((IMAGE / 255).astype(np.float32), r"float32 \(8, 8, 3\).*0 to 1: .255 \* image.*round"),
    (IMAGE.astype(np.float32), r"float32 .*0 to 255: image.round"),
    (IMAGE - 128.0, r"float64 .*0 to 255: image.round"),
    (np.full((8, 8, 3), np.nan), r"float64 .*0 to 255"),
    (IMAGE.astype(np.int16), r"int16 .*image.astype.np.uint8"),
    (IMAGE.astype(np.int64), r"int64 .*image.astype.np.uint8"),
    (IMAGE > 100, r"bool .*image.astype"),
    (IMAGE.transpose(2, 0, 1), r"uint8 \(3, 8, 8\).*moveaxis.image, -3, -1"),
    (IMAGE[..., 0], r"uint8 \(8, 8\).*np.stack..image. \* 3"),
    (IMAGE[..., :1], r"uint8 \(8, 8, 1\).*np.repeat.image, 3"),
    (np.concatenate([IMAGE, IMAGE[..., :1]], 2), r"uint8 \(8, 8, 4\).*image.{4}, :3"),
    (IMAGE[:7], r"uint8 \(7, 8, 3\).*8 x 8 pixels"),
    (np.zeros((16, 16, 3), np.uint8), r"uint8 \(16, 16, 3\).*8 x 8 pixels"),
    (np.uint8(7), r"a uint8, should be uint8|uint8 \(\)"),
]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("image, message", WRONG)
def test_an_image_of_another_kind_is_an_error_that_says_what_fits(image, message, workers):
    loader = Loader(Own(image), 2, 8, workers=workers)
    with pytest.raises(DataError, match=rf"read\(0, 8\) returned {message}"):
        next(loader.epoch(0))


@pytest.mark.parametrize("image, message", WRONG[:-1])
def test_a_batch_of_another_kind_is_an_error_too(image, message):
    message = message.replace(r"\(", r"\(2, ")
    with pytest.raises(DataError, match=rf"read_batch returned {message}"):
        next(Loader(Own(image, batches=True), 2, 8).epoch(0))


@pytest.mark.parametrize("image", [None, IMAGE.tolist(), Image.fromarray(IMAGE)])
def test_what_is_no_array_is_an_error(image):
    with pytest.raises(DataError, match=r"returned a \w+, should be uint8 \(8, 8, 3\); np.asarray"):
        next(Loader(Own(image), 2, 8, workers=0).epoch(0))


def test_images_are_checked_before_they_are_measured():
    with pytest.raises(DataError, match=r"read\(0, 8\) returned float64"):
        sums_of(Own(IMAGE / 255), 8)


@pytest.mark.parametrize(
    "labels, message",
    [
        ([0, 1, 2, 0, 3], r"labels\[4\] is 3; with 3 classes a label is from 0 to 2"),
        ([0, -1, 2, 0, 1], r"labels\[1\] is -1"),
        (np.array([0, 1, 255, 0, 1], np.uint8), r"labels\[2\] is 255"),
        ([0.0, 1, 2, 0, 1], "labels are float64; class numbers"),
        ([True, False, True, True, True], "labels are bool"),
        (["a", "b", "c", "a", "b"], "labels are <U1"),
        ([0, 1, 2, 0], r"5 images and labels \(4,\)"),
        (np.zeros((5, 1), int), r"5 images and labels \(5, 1\)"),
        (np.eye(5, dtype=int), r"5 images and labels \(5, 5\)"),
        ([[0], [1, 2], [0], [0], [0]], "labels make no array"),
        (None, "labels are object"),
    ],
)
def test_labels_that_are_no_class_numbers_are_an_error(labels, message):
    dataset = Own(IMAGE)
    dataset.labels = labels
    with pytest.raises(DataError, match=message):
        Loader(dataset, 2, 8)
    with pytest.raises(DataError, match=message):
        sums_of(dataset, 8)


@pytest.mark.parametrize("kind", [list, tuple, lambda a: a.astype(np.uint8)])
def test_whole_numbers_of_every_kind_are_labels(kind):
    dataset = Noise(5)
    dataset.labels = kind(dataset.labels)
    labels = [labels for _, labels in Loader(dataset, 5, 8).epoch(0)]
    assert labels[0].dtype == np.int64 and labels[0].tolist() == [0, 1, 2, 0, 1]


def test_an_empty_dataset_is_an_error():
    for use in (lambda d: Loader(d, 2, 8), lambda d: sums_of(d, 8)):
        with pytest.raises(DataError, match="dataset is empty"):
            use(Noise(0))
