"""The mean image and the covariance of colours of a training set, against NumPy's on all pixels."""

import numpy as np
import pytest

from alexnet.data.pixel_statistics import measure_pixels
from tests.alexnet.data.noise import Noise, all_images


@pytest.mark.parametrize("workers", [0, 2])
def test_mean_and_covariance_are_those_of_all_pixels(workers):
    images = all_images(Noise(), 16)
    pixels = measure_pixels(Noise(), 16, workers=workers)
    colours = images.reshape(-1, 3)
    np.testing.assert_allclose(pixels.mean_image, images.mean(axis=0).transpose(2, 0, 1))
    np.testing.assert_allclose(pixels.channel_mean, colours.mean(axis=0))
    np.testing.assert_allclose(pixels.covariance, np.cov(colours.T, bias=True), atol=1e-8)


def test_any_number_of_workers_gives_the_same_bits():
    one, other = (measure_pixels(Noise(), 16, workers=workers) for workers in (0, 3))
    assert one.mean_image.tobytes() == other.mean_image.tobytes()
    assert one.covariance.tobytes() == other.covariance.tobytes()


def test_measuring_reads_evenly_spaced_images_up_to_the_limit():
    dataset = Noise(20)
    few = measure_pixels(dataset, 8, limit=4)
    assert dataset.read_count == 4
    expected = all_images(dataset, 8)[[0, 5, 10, 15]].mean(axis=0)
    np.testing.assert_allclose(few.mean_image, expected.transpose(2, 0, 1), rtol=1e-12)


def test_the_mean_image_is_the_middle_of_the_stored_images():
    measured = measure_pixels(Noise(), 16, stored_size=18)
    expected = all_images(Noise(), 18).mean(axis=0)[1:17, 1:17]
    np.testing.assert_allclose(measured.mean_image, expected.transpose(2, 0, 1), rtol=1e-12)
