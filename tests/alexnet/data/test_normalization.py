"""Normalisation, and its measurement from a training set."""

import os

import numpy as np
import pytest

from alexnet.data import open_dataset
from alexnet.data.normalization import Normalization, normalization_of
from alexnet.data.pixel_sums import sums_of
from alexnet.errors import DataError
from tests.alexnet.data.noise import Noise, all_images

DATA = os.environ.get("ALEXNET_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="ALEXNET_DATA is not set")


def random_pixels(*shape):
    return np.random.default_rng(1).integers(0, 256, shape, np.uint8)


def test_normalization_subtracts_the_mean_image_and_divides_by_channel():
    images = random_pixels(4, 3, 6, 6)
    mean = np.random.default_rng(2).uniform(100, 150, (3, 6, 6)).astype(np.float32)
    divisor = np.array([50.0, 60.0, 70.0], np.float32).reshape(3, 1, 1)
    values = Normalization(mean, divisor)(images)
    assert values.dtype == np.float32 and values.flags.c_contiguous
    for index in [(0, 0, 0, 0), (3, 2, 5, 1), (1, 1, 2, 3)]:
        _, channel, i, j = index
        divided_by = float(divisor[channel, 0, 0])
        expected = (float(images[index]) - float(mean[channel, i, j])) / divided_by
        assert values[index] == pytest.approx(expected, rel=1e-5)


def test_a_channel_mean_suits_images_of_any_size_and_ones_do_not_divide():
    mean = np.array([1, 2, 3], np.float32).reshape(3, 1, 1)
    normalization = Normalization(mean, np.ones((3, 1, 1)))
    for size in (5, 9):
        images = random_pixels(2, 3, size, size)
        np.testing.assert_array_equal(normalization(images), images.astype(np.float32) - mean)


def test_a_shift_is_added_to_each_channel_of_an_image_before_the_division():
    images = random_pixels(2, 3, 5, 5)
    normalization = Normalization(random_pixels(3, 5, 5), np.full((3, 1, 1), 4.0))
    shifts = np.array([[8, -16, 0], [0.5, 2, 1]], np.float32)
    plain, shifted = normalization(images), normalization(images, shifts)
    np.testing.assert_array_equal(shifted, plain + shifts[:, :, None, None] / 4)


def test_normalised_images_keep_their_numbers_while_later_batches_are_made():
    normalization = Normalization(np.zeros((3, 1, 1)), np.ones((3, 1, 1)))
    images = random_pixels(8, 3, 64, 64)  # 393 kB of floats: a block that is reused
    channel = normalization(images)[:, 1]  # a view keeps the whole batch
    for _ in range(3):
        normalization(255 - images)
    np.testing.assert_array_equal(channel, images[:, 1])


def test_normalization_comes_back_from_its_arrays():
    first = Normalization(random_pixels(3, 4, 4), np.full((3, 1, 1), 7.5))
    second = Normalization.from_arrays(first.arrays())
    np.testing.assert_array_equal(first.mean, second.mean)
    np.testing.assert_array_equal(first.divisor, second.divisor)
    assert first.arrays()["mean"].dtype == np.float32


def test_an_array_that_is_missing_is_named():
    arrays = Normalization(np.zeros((3, 1, 1)), np.ones((3, 1, 1))).arrays()
    del arrays["divisor"]
    with pytest.raises(ValueError, match="divisor is missing"):
        Normalization.from_arrays(arrays)


@pytest.mark.parametrize(
    "mean, divisor, message",
    [
        (np.zeros((3, 4, 5)), np.ones((3, 1, 1)), r"mean is \(3, 4, 5\)"),
        (np.zeros(3), np.ones((3, 1, 1)), "mean is"),
        (np.zeros((3, 1, 1)), np.ones(3), r"divisor is \(3,\)"),
        (np.zeros((3, 1, 1)), np.zeros((3, 1, 1)), "must be above 0"),
        (np.full((3, 1, 1), np.nan), np.ones((3, 1, 1)), "not finite"),
    ],
)
def test_normalization_refuses_arrays_that_do_not_fit(mean, divisor, message):
    with pytest.raises(ValueError, match=message):
        Normalization(mean, divisor)


def test_normalization_refuses_images_that_do_not_fit():
    normalization = Normalization(np.zeros((3, 6, 6)), np.ones((3, 1, 1)))
    with pytest.raises(ValueError, match=r"images are \(5, 5\), the mean image is \(6, 6\)"):
        normalization(random_pixels(1, 3, 5, 5))
    with pytest.raises(ValueError, match="images are float64"):
        normalization(np.zeros((1, 3, 6, 6)))


# --- from the pixels of a training set ------------------------------------------------------------


def test_measured_mean_and_deviation_match_the_images():
    images, sums = all_images(Noise(), 16), sums_of(Noise(), 16)
    image = normalization_of(sums, 16, divide=True)
    np.testing.assert_allclose(image.mean, images.mean(axis=0).transpose(2, 0, 1), rtol=1e-6)
    np.testing.assert_allclose(image.divisor.ravel(), images.std(axis=(0, 1, 2)), rtol=1e-6)
    channel = normalization_of(sums, 16, mean="channel")
    np.testing.assert_allclose(channel.mean.ravel(), images.mean(axis=(0, 1, 2)), rtol=1e-6)
    assert (channel.divisor == 1).all() and channel.mean.shape == (3, 1, 1)


def test_mean_and_deviation_are_those_of_the_middle_of_the_stored_images():
    measured = normalization_of(sums_of(Noise(), 18), 16, divide=True)
    middle = all_images(Noise(), 18)[:, 1:17, 1:17]
    np.testing.assert_allclose(measured.mean, middle.mean(axis=0).transpose(2, 0, 1), rtol=1e-6)
    np.testing.assert_allclose(measured.divisor.ravel(), middle.std(axis=(0, 1, 2)), rtol=1e-6)


def test_a_deviation_of_zero_is_an_error():
    class Flat(Noise):
        def read(self, index, size):
            return np.full((size, size, 3), 200, np.uint8)

    with pytest.raises(DataError, match="channels of one value"):
        normalization_of(sums_of(Flat(), 8), 8, divide=True)


@needs_data
def test_cifar10_has_its_well_known_mean_and_deviation():
    sums = sums_of(open_dataset(f"cifar10:{DATA}", "test"), 32)
    measured = normalization_of(sums, 32, mean="channel", divide=True)
    np.testing.assert_allclose(measured.mean.ravel() / 255, [0.4942, 0.4851, 0.4504], atol=1e-4)
    np.testing.assert_allclose(measured.divisor.ravel() / 255, [0.2467, 0.2429, 0.2616], atol=1e-4)
