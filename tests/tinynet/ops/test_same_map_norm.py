"""Same-map normalisation: the window, its cut at the edges, and the published numbers."""

import numpy as np
import pytest

import tinynet as tn
from tests.oracles.cases import on_host, relative_error, spaced


def same_map(x, **arguments):
    return tn.same_map_norm(tn.Tensor(x), **arguments).numpy()


def near(height, width, place, reach):
    """Which pixels of a map are at most `reach` rows and columns away from the place."""
    rows, columns = np.indices((height, width))
    return np.maximum(abs(rows - place[0]), abs(columns - place[1])) <= reach


@pytest.mark.parametrize("size", [1, 3, 5, 7])
def test_a_window_reaches_half_its_size_in_every_direction_and_stops_at_the_edges(size, backend):
    """One pixel is large in turn; it halves, at least, the outputs of the windows that hold it."""
    for place in np.ndindex(4, 6):
        x = np.full((2, 2, 4, 6), 1e-3)
        x[1, 0][place] = 10
        y = same_map(x, size=size, alpha=float(size**2), beta=1.0)
        held = np.zeros(x.shape, bool)
        held[1, 0] = near(4, 6, place, size // 2)
        assert np.array_equal(y < 0.5 * x, held)


def test_a_nan_reaches_every_window_that_holds_it_and_no_other(backend):
    for place in np.ndindex(6, 9):
        x = tn.Tensor(spaced((1, 2, 6, 9)), requires_grad=True)
        x.data[0, 1][place] = np.nan
        y = tn.same_map_norm(x, size=3, alpha=9.0)
        y.sum().backward()
        assert np.array_equal(np.isnan(y.numpy()[0, 1]), near(6, 9, place, 1))
        # A gradient reads the outputs in its window, and each output reads the inputs in its own.
        assert np.array_equal(np.isnan(on_host(x.grad)[0, 1]), near(6, 9, place, 2))
        assert np.isfinite(y.numpy()[0, 0]).all() and np.isfinite(on_host(x.grad)[0, 0]).all()


def test_alpha_is_divided_by_the_whole_window_at_the_edges_too(backend):
    """Of ones a window in the middle adds up 9, one in a corner 4; both are divided by 9."""
    y = same_map(np.ones((1, 1, 3, 3)), size=3, alpha=2.0, beta=1.0, k=1.0)[0, 0]
    assert y[1, 1] == pytest.approx(1 / 3) and y[0, 0] == pytest.approx(1 / (1 + 2 * 4 / 9))


def test_each_map_is_normalised_by_itself(backend):
    x = spaced((3, 4, 5, 6))
    y = same_map(x, alpha=10.0)
    for n, c in np.ndindex(3, 4):
        alone = same_map(x[n : n + 1, c : c + 1].copy(), alpha=10.0)
        assert relative_error(y[n, c], alone[0, 0]) < 1e-14


def test_the_numbers_of_2012_are_the_defaults(backend):
    x = np.full((1, 1, 1, 1), 1000.0)
    assert same_map(x).item() == pytest.approx(1000 / (1 + 1e-3 / 25 * 1000**2) ** 0.75)
