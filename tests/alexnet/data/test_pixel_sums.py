"""Sums over pixels: exact, in any order and in any parts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alexnet.data.pixel_sums import PixelSums, sums_of
from tests.alexnet.data.noise import Noise, all_images


def added(images, size):
    sums = PixelSums(size)
    for image in images:
        sums.add(image)
    return sums


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 9), st.integers(1, 12), st.integers(0, 2**32 - 1), st.data())
def test_any_order_and_any_parts_give_the_same_integers(size, count, seed, data):
    images = np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), np.uint8)
    cut = data.draw(st.integers(0, count))
    other = added(images[:cut][::-1], size)
    other.merge(added(images[cut:], size))
    planes = images.transpose(0, 3, 1, 2).astype(object)  # Python's integers
    flat = planes.transpose(1, 0, 2, 3).reshape(3, -1)
    for sums in (added(images, size), other):
        assert sums.count == count
        assert (sums.totals == planes.sum(axis=0)).all()
        assert (sums.squares == (planes**2).sum(axis=0)).all()
        assert (sums.products == flat @ flat.T).all()
        assert sums.totals.dtype == sums.squares.dtype == sums.products.dtype == np.int64


def test_the_covariance_is_exact_for_as_many_images_as_imagenet_has():
    sums = added(np.array([[[[255, 254, 0]]], [[[255, 255, 1]]]], np.uint8), 1)
    repeats = 640_000 * 256 * 256
    sums.count *= repeats
    sums.totals, sums.products = sums.totals * repeats, sums.products * repeats
    np.testing.assert_array_equal(sums.covariance, [[0, 0, 0], [0, 0.25, 0.25], [0, 0.25, 0.25]])


def test_one_pixel_among_all_of_imagenet_is_not_rounded_away():
    sums, pixels = PixelSums(256), 1_281_167 * 256 * 256
    sums.count = 1_281_167
    sums.totals += 255 * sums.count
    sums.totals[:, 3, 4] -= 1  # one image has 254 there
    sums.products += pixels * 255**2 - 255**2 + 254**2
    np.testing.assert_allclose(sums.covariance, (1 - 1 / pixels) / pixels, rtol=1e-12)


@pytest.mark.parametrize("size, window", [(6, slice(2, 8)), (7, slice(1, 8)), (10, slice(0, 10))])
def test_the_middle_is_where_the_middle_crop_is(size, window):
    images = np.random.default_rng(0).integers(0, 256, (5, 10, 10, 3), np.uint8)
    totals, squares = added(images, 10).middle(size)
    cut = images[:, window, window].astype(np.int64)
    np.testing.assert_array_equal(totals, cut.sum(axis=0).transpose(2, 0, 1))
    np.testing.assert_array_equal(squares, (cut**2).sum(axis=(0, 1, 2)))


# --- of a dataset ---------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 2])
def test_mean_and_covariance_of_a_dataset_are_those_of_all_its_pixels(workers):
    images, sums = all_images(Noise(), 16), sums_of(Noise(), 16, workers=workers)
    np.testing.assert_allclose(sums.mean_image, images.mean(axis=0).transpose(2, 0, 1))
    expected = np.cov(images.reshape(-1, 3).T, bias=True)
    np.testing.assert_allclose(sums.covariance, expected, atol=1e-8)


def test_images_up_to_the_limit_are_evenly_spaced():
    dataset = Noise(20)
    few = sums_of(dataset, 8, limit=4)
    assert dataset.read_count == few.count == 4
    expected = all_images(dataset, 8)[[0, 5, 10, 15]].mean(axis=0)
    np.testing.assert_allclose(few.mean_image, expected.transpose(2, 0, 1), rtol=1e-12)
