"""The ten crops of the paper's test, cut by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alexnet.data.crops import centre_crop
from alexnet.data.ten_crops import CENTRE, crops_at, ten_draws


def by_hand(image, size):
    """Ten (size, size, 3) of an image (S, S, 3): corners, centre, mirrors."""
    first = (len(image) - size) // 2
    five = [
        image[:size, :size], image[:size, -size:], image[-size:, :size], image[-size:, -size:],
        image[first : first + size, first : first + size],
    ]  # fmt: skip
    return five + [crop[:, ::-1] for crop in five]


@given(st.integers(1, 9), st.integers(1, 6), st.integers(1, 3), st.integers(0, 1 << 32))
def test_they_are_the_corners_the_centre_and_their_mirrors(size, spare, count, seed):
    stored = size + spare
    images = np.random.default_rng(seed).integers(0, 256, (count, stored, stored, 3), np.uint8)
    ten = list(crops_at(images, ten_draws(spare), size))
    assert len(ten) == 10
    for n, image in enumerate(images):
        for ours, expected in zip(ten, by_hand(image, size), strict=True):
            assert (ours[n] == expected.transpose(2, 0, 1)).all()
    assert (ten[CENTRE] == centre_crop(images, size)).all()


def test_an_image_without_spare_pixels_has_no_ten_crops():
    with pytest.raises(ValueError, match="0 spare pixels has no corners"):
        ten_draws(0)
