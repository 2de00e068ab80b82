"""Sums over pixels: exact, in any order and in any parts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alexnet.data.pixel_sums import PixelSums


def sums_of(images, size):
    sums = PixelSums(size)
    for image in images:
        sums.add(image)
    return sums


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 9), st.integers(1, 12), st.integers(0, 2**32 - 1), st.data())
def test_any_order_and_any_parts_give_the_same_integers(size, count, seed, data):
    images = np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), np.uint8)
    cut = data.draw(st.integers(0, count))
    other = sums_of(images[:cut][::-1], size)
    other.merge(sums_of(images[cut:], size))
    planes = images.transpose(0, 3, 1, 2).astype(object)  # Python's integers
    flat = planes.transpose(1, 0, 2, 3).reshape(3, -1)
    for sums in (sums_of(images, size), other):
        assert sums.count == count
        assert (sums.totals == planes.sum(axis=0)).all()
        assert (sums.squares == (planes**2).sum(axis=0)).all()
        assert (sums.products == flat @ flat.T).all()
        assert sums.totals.dtype == sums.squares.dtype == sums.products.dtype == np.int64


def test_the_covariance_is_exact_for_as_many_images_as_imagenet_has():
    sums = sums_of(np.array([[[[255, 254, 0]]], [[[255, 255, 1]]]], np.uint8), 1)
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
    totals, squares = sums_of(images, 10).middle(size)
    cut = images[:, window, window].astype(np.int64)
    np.testing.assert_array_equal(totals, cut.sum(axis=0).transpose(2, 0, 1))
    np.testing.assert_array_equal(squares, (cut**2).sum(axis=(0, 1, 2)))
