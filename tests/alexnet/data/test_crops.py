"""Resized images, borders and crops."""

import numpy as np
from PIL import Image

from alexnet.data.augment import Draws
from alexnet.data.crops import (
    add_border,
    centre_crop,
    crop,
    crop_border,
    resize,
    stored_size,
)


def random_pixels(*shape):
    return np.random.default_rng(1).integers(0, 256, shape, np.uint8)


def test_stored_size_keeps_the_papers_proportion():
    assert [stored_size(size) for size in (227, 67, 32)] == [256, 76, 36]
    assert stored_size(227, native_size=500) == 256
    assert stored_size(24, native_size=32) == 27


def test_images_no_larger_than_the_networks_are_read_whole_and_get_a_border():
    assert (stored_size(32, 32), crop_border(32, 32)) == (32, 4)
    assert (stored_size(227, 32), crop_border(227, 32)) == (227, 28)
    assert crop_border(24, 32) == 0 and crop_border(32) == 0


def test_crop_takes_the_window_and_mirrors_left_to_right():
    images = random_pixels(3, 9, 11, 3)
    offsets, mirrored = np.array([[0, 0], [4, 6], [2, 3]]), np.array([False, True, True])
    crops = crop(images, Draws(offsets, mirrored), 5)
    assert crops.shape == (3, 3, 5, 5) and crops.dtype == np.uint8 and crops.flags.c_contiguous
    for n in range(3):
        for channel in range(3):
            for i in range(5):
                for j in range(5):
                    column = 4 - j if mirrored[n] else j
                    row = offsets[n, 0] + i
                    expected = images[n, row, offsets[n, 1] + column, channel]
                    assert crops[n, channel, i, j] == expected


def test_the_border_reflects_without_repeating_the_edge():
    images = random_pixels(2, 6, 7, 3)
    bordered = add_border(images, 3)
    assert bordered.shape == (2, 12, 13, 3)

    def reflected(i, size):
        return abs(i) if i < size else 2 * (size - 1) - i

    for i in range(-3, 9):
        for j in range(-3, 10):
            expected = images[:, reflected(i, 6), reflected(j, 7)]
            np.testing.assert_array_equal(bordered[:, i + 3, j + 3], expected)
    assert add_border(images, 0) is images


def test_centre_crop_is_the_middle():
    images = random_pixels(2, 10, 10, 3)
    expected = images[:, 2:8, 2:8].transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(centre_crop(images, 6), expected)


def test_resize_keeps_the_middle_square():
    pixels = random_pixels(9, 15, 3)
    np.testing.assert_array_equal(resize(Image.fromarray(pixels), 9), pixels[:, 3:12])
    tall = pixels.transpose(1, 0, 2)
    np.testing.assert_array_equal(resize(Image.fromarray(tall), 9), tall[3:12])


def test_an_image_of_the_requested_size_keeps_its_pixels_in_an_array_of_its_own():
    pixels = random_pixels(9, 9, 3)
    image = Image.fromarray(pixels)
    array = resize(image, 9)
    np.testing.assert_array_equal(array, pixels)
    array[:] = 0
    np.testing.assert_array_equal(np.asarray(image), pixels)


def test_resize_averages_over_the_area_of_a_new_pixel():
    board = np.indices((64, 64)).sum(axis=0) % 2 * 255  # alternating black and white pixels
    image = Image.fromarray(np.repeat(board[:, :, None], 3, axis=2).astype(np.uint8))
    assert np.abs(resize(image, 8).astype(int) - 128)[1:-1, 1:-1].max() <= 3
