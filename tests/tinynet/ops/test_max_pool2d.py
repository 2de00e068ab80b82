"""Max-pooling: ties, NaN, and AlexNet's maps."""

from itertools import product

import numpy as np
import pytest

import tinynet as tn
from tests.oracles.cases import on_host
from tinynet.ops.windows import output_size


def test_the_first_of_equal_largest_values_gets_the_gradient(backend):
    x = tn.Tensor(np.array([[[[1, 5, 5], [5, 0, 2]]]], np.float32), requires_grad=True)
    tn.max_pool2d(x, (2, 3)).sum().backward()
    assert x.grad.tolist() == [[[[0, 1, 0], [0, 0, 0]]]]


def test_the_last_nan_of_a_window_wins(backend):
    x = np.array([[[[1, np.nan, 9], [np.nan, 0, 2]]]], np.float32)
    leaf = tn.Tensor(x, requires_grad=True)
    y = tn.max_pool2d(leaf, (2, 3))
    y.sum().backward()
    assert np.isnan(y.numpy()).all()
    assert leaf.grad.tolist() == [[[[0, 0, 0], [1, 0, 0]]]]


def test_a_map_of_minus_infinity_stays_minus_infinity(backend):
    x = tn.Tensor(np.full((1, 2, 4, 5), -np.inf, np.float32), requires_grad=True)
    y = tn.max_pool2d(x, 3, 2, padding=1)
    y.sum().backward()
    assert (y.numpy() == -np.inf).all()
    assert on_host(x.grad).sum() == y.size


def test_a_pixel_under_several_windows_gets_the_sum(backend):
    x = np.zeros((1, 1, 5, 5), np.float32)
    x[0, 0, 2, 2] = 1
    leaf = tn.Tensor(x, requires_grad=True)
    tn.max_pool2d(leaf, 3, 2).sum().backward()
    dx = on_host(leaf.grad)
    assert dx[0, 0, 2, 2] == 4 and dx.sum() == 4


@pytest.mark.parametrize(
    ("height", "width", "padding", "ceil_mode"),
    [(9, 13, (0, 0), False), (8, 22, (0, 0), True), (7, 20, (1, 1), False), (10, 19, (0, 1), True),
     (31, 37, (1, 0), False)],
)  # fmt: skip
def test_the_published_window_finds_the_first_largest_or_the_last_nan(
    backend, dtype, height, width, padding, ceil_mode
):
    generator = np.random.default_rng(2012)
    x = generator.integers(-2, 3, (2, 3, height, width)).astype(dtype)  # full of ties
    x[0, 0, -1, -1] = 3
    x[0, 1] = -np.inf
    x[0, 2, height - 3, width // 2] = np.nan
    x[1, 0, -1, -1] = np.nan
    x[1, 1, 0, 0] = np.inf
    leaf = tn.Tensor(x, requires_grad=True)
    y = tn.max_pool2d(leaf, 3, 2, padding, ceil_mode)
    dy = generator.integers(1, 9, y.shape).astype(dtype)
    y.backward(dy)

    expected_y, expected_dx = np.empty_like(dy), np.zeros_like(x)
    for n, c, i, j in product(*map(range, y.shape)):
        top, left = 2 * i - padding[0], 2 * j - padding[1]
        rows = range(max(top, 0), min(top + 3, height))
        columns = range(max(left, 0), min(left + 3, width))
        cells = [(n, c, h, w) for h, w in product(rows, columns)]
        nans = [cell for cell in cells if np.isnan(x[cell])]
        winner = nans[-1] if nans else max(cells, key=lambda cell: x[cell])  # max takes the first
        expected_y[n, c, i, j] = x[winner]
        expected_dx[winner] += dy[n, c, i, j]
    np.testing.assert_array_equal(y.numpy(), expected_y)
    np.testing.assert_array_equal(on_host(leaf.grad), expected_dx)


@pytest.mark.parametrize(
    ("size", "ceil_mode", "maps"),
    [(55, False, [27, 13, 6]), (55, True, [27, 13, 6]), (54, False, [26, 12, 5]),
     (54, True, [27, 13, 6])],
)  # fmt: skip
def test_three_pools_make_alexnets_maps(size, ceil_mode, maps):
    sizes = []
    for _ in range(3):
        size = output_size(size, 3, 2, 0, ceil_mode)
        sizes.append(size)
    assert sizes == maps
