"""The paper's change of colour: eigenvectors, deviations, shifts, and what a file may hold."""

import os

import numpy as np
import pytest

from alexnet.data import open_dataset
from alexnet.data.pixel_sums import sums_of
from alexnet.data.principal_colours import PrincipalColours

DATA = os.environ.get("ALEXNET_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="ALEXNET_DATA is not set")

# The authors' numbers on 0..255 (docs/facts.md, section 6).
DEVIATIONS = np.array([121.78, 37.09, 19.72])
VECTORS = np.array([(0.564, 0.576, 0.592), (-0.713, -0.024, 0.701), (0.418, -0.817, 0.397)])
COVARIANCE = VECTORS.T @ np.diag(DEVIATIONS**2) @ VECTORS


def test_the_components_of_the_authors_covariance_are_theirs_up_to_sign():
    colours = PrincipalColours.of(COVARIANCE)
    for component, vector, deviation in zip(colours.components, VECTORS, DEVIATIONS, strict=True):
        assert np.linalg.norm(component) == pytest.approx(deviation, rel=2e-3)
        assert abs(component @ vector) / deviation == pytest.approx(1, abs=2e-3)
        assert component[np.abs(component).argmax()] > 0


def test_shifts_have_a_tenth_of_the_deviations_of_the_colours():
    """The variances of the shifts are a hundredth of the pixels': of their root, not of itself."""
    normals = np.random.default_rng(0).standard_normal((200_000, 3)).astype(np.float32)
    shifts = PrincipalColours.of(COVARIANCE).shifts(normals)
    assert shifts.dtype == np.float32
    np.testing.assert_allclose(np.cov(shifts.T), COVARIANCE / 100, rtol=0.05, atol=1)


def test_a_shift_is_the_sum_over_components():
    colours = PrincipalColours(np.array([[1.0, 2, 3], [10, 20, 30], [100, 200, 300]]))
    shifts = colours.shifts(np.array([[1.0, 1, 1], [0, -2, 0]]))
    np.testing.assert_allclose(shifts, [[11.1, 22.2, 33.3], [-2, -4, -6]], rtol=1e-6)


def test_the_shift_of_an_image_does_not_depend_on_its_neighbours():
    normals = np.random.default_rng(1).standard_normal((37, 3)).astype(np.float32)
    colours = PrincipalColours.of(COVARIANCE)
    alone = np.concatenate([colours.shifts(normals[n : n + 1]) for n in range(37)])
    assert alone.tobytes() == colours.shifts(normals).tobytes()


def test_colours_of_one_value_have_no_shift():
    colours = PrincipalColours.of(np.zeros((3, 3)))
    assert not colours.shifts(np.ones((2, 3))).any()


def test_it_comes_back_from_its_plain_numbers():
    colours = PrincipalColours.of(COVARIANCE, 1.1)
    again = PrincipalColours.from_saved(colours.saved())
    assert again.components.tobytes() == colours.components.tobytes() and again.divisor == 1.1


@pytest.mark.parametrize(
    "saved",
    [
        None, [], {}, {"components": np.eye(3).tolist()},
        {"components": [[1, 2], [3, 4]], "divisor": 1.0},
        {"components": [[1, 2, 3]] * 2 + [[1, 2]], "divisor": 1.0},
        {"components": [[1, 2, 3]] * 2 + [[1, 2, float("nan")]], "divisor": 1.0},
        {"components": [["a", 2, 3]] * 3, "divisor": 1.0},
        {"components": np.eye(3).tolist(), "divisor": 0},
        {"components": np.eye(3).tolist(), "divisor": [1]},
    ],
)  # fmt: skip
def test_what_a_file_may_hold_in_its_place_is_an_error(saved):
    with pytest.raises((TypeError, ValueError)):
        PrincipalColours.from_saved(saved)


@needs_data
def test_the_first_component_of_cifar10_is_brightness():
    sums = sums_of(open_dataset(f"cifar10:{DATA}", "train"), 32, limit=2000)
    first, second, _ = PrincipalColours.of(sums.covariance).components
    assert (first > 0).all() and first.max() < 1.2 * first.min()
    assert np.linalg.norm(first) > 3 * np.linalg.norm(second)
