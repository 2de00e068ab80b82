"""Crops, mirrors, borders and the normalisation of images."""

import numpy as np
import pytest
from PIL import Image

from alexnet.data.transforms import (
    Normalization,
    add_border,
    centre_crop,
    centre_offsets,
    crop,
    crop_border,
    random_offsets,
    resize,
    stored_size,
)
from tinynet.random import AUGMENTATION, bits


def drawn(*shape):
    return np.random.default_rng(1).integers(0, 256, shape, np.uint8)


def test_stored_size_keeps_the_papers_proportion():
    assert [stored_size(size) for size in (227, 67, 32)] == [256, 76, 36]
    assert stored_size(227, native_size=500) == 256
    assert stored_size(24, native_size=32) == 27


def test_images_no_larger_than_the_network_s_are_read_whole_and_get_a_border():
    assert (stored_size(32, 32), crop_border(32, 32)) == (32, 4)
    assert (stored_size(227, 32), crop_border(227, 32)) == (227, 28)
    assert crop_border(24, 32) == 0 and crop_border(32) == 0


def test_crop_takes_the_window_and_mirrors_left_to_right():
    images = drawn(3, 9, 11, 3)
    offsets, mirrored = np.array([[0, 0], [4, 6], [2, 3]]), np.array([False, True, True])
    crops = crop(images, offsets, mirrored, 5)
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
    images = drawn(2, 6, 7, 3)
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
    images = drawn(2, 10, 10, 3)
    expected = images[:, 2:8, 2:8].transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(centre_crop(images, 6), expected)
    offsets, mirrored = centre_offsets(4, 5)
    assert offsets.tolist() == [[2, 2]] * 4 and not mirrored.any()


def test_random_offsets_are_the_words_of_the_sample_and_epoch():
    offsets, mirrored = random_offsets(50, 29, seed=3, epoch=7)
    for sample in (0, 1, 49):
        words = bits(4, seed=3, stream=AUGMENTATION, draw=7, first=4 * sample)
        assert offsets[sample].tolist() == [int(word) * 30 >> 32 for word in words[:2]]
        assert mirrored[sample] == (int(words[2]) >= 2**31)


def test_random_offsets_reach_every_place_evenly_and_mirror_half():
    offsets, mirrored = random_offsets(20_000, 4, seed=0, epoch=0)
    counts = np.zeros((5, 5))
    np.add.at(counts, tuple(offsets.T), 1)
    assert counts.min() > 650 and counts.max() < 950  # 800 each, deviation 28
    assert abs(mirrored.mean() - 0.5) < 0.02
    assert abs(np.corrcoef(mirrored, offsets[:, 0])[0, 1]) < 0.03


def test_a_sample_gets_another_crop_in_another_epoch_and_under_another_seed():
    base = random_offsets(100, 29, seed=0, epoch=0)[0]
    for other in (dict(seed=0, epoch=1), dict(seed=1, epoch=0)):
        assert (base != random_offsets(100, 29, **other)[0]).any(axis=1).mean() > 0.9
    fewer = random_offsets(10, 29, seed=0, epoch=0)[0]
    np.testing.assert_array_equal(fewer, base[:10])


def test_resize_keeps_the_middle_square():
    pixels = drawn(9, 15, 3)
    np.testing.assert_array_equal(resize(Image.fromarray(pixels), 9), pixels[:, 3:12])
    tall = pixels.transpose(1, 0, 2)
    np.testing.assert_array_equal(resize(Image.fromarray(tall), 9), tall[3:12])


def test_an_image_of_the_wanted_size_keeps_its_pixels_in_an_array_of_its_own():
    pixels = drawn(9, 9, 3)
    image = Image.fromarray(pixels)
    array = resize(image, 9)
    np.testing.assert_array_equal(array, pixels)
    array[:] = 0
    np.testing.assert_array_equal(np.asarray(image), pixels)


def test_resize_averages_over_the_area_of_a_new_pixel():
    board = np.indices((64, 64)).sum(axis=0) % 2 * 255  # black and white pixels in turn
    image = Image.fromarray(np.repeat(board[:, :, None], 3, axis=2).astype(np.uint8))
    assert np.abs(resize(image, 8).astype(int) - 128)[1:-1, 1:-1].max() <= 3


def test_normalization_subtracts_the_mean_image_and_divides_by_channel():
    images = drawn(4, 3, 6, 6)
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
        images = drawn(2, 3, size, size)
        np.testing.assert_array_equal(normalization(images), images.astype(np.float32) - mean)


def test_normalised_images_keep_their_numbers_while_later_batches_are_made():
    normalization = Normalization(np.zeros((3, 1, 1)), np.ones((3, 1, 1)))
    images = drawn(8, 3, 64, 64)  # 393 kB of floats: a block that is used again
    channel = normalization(images)[:, 1]  # a view keeps the whole batch
    for _ in range(3):
        normalization(255 - images)
    np.testing.assert_array_equal(channel, images[:, 1])


def test_normalization_comes_back_from_its_arrays():
    first = Normalization(drawn(3, 4, 4), np.full((3, 1, 1), 7.5))
    second = Normalization.from_arrays(first.arrays())
    np.testing.assert_array_equal(first.mean, second.mean)
    np.testing.assert_array_equal(first.divisor, second.divisor)
    assert first.arrays()["mean"].dtype == np.float32


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
        normalization(drawn(1, 3, 5, 5))
    with pytest.raises(ValueError, match="images are float64"):
        normalization(np.zeros((1, 3, 6, 6)))
