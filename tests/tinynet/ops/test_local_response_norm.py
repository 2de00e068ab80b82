"""Local response normalisation: the window, the towers and the three published conventions."""

import numpy as np
import pytest

import tinynet as tn
from tests.oracles.cases import on_host, relative_error, spaced


def lrn(x, **arguments):
    return tn.local_response_norm(tn.Tensor(x), **arguments).numpy()


def windows(channels, **arguments):
    """A matrix: 1 at (i, j) if channel i's window holds channel j; one channel is large in turn."""
    matrix = np.zeros((channels, channels), int)
    for large in range(channels):
        x = np.full((1, channels, 1, 1), 1e-3)
        x[0, large] = 10
        y = lrn(x, alpha=1.0, beta=1.0, k=1.0, **arguments)[0, :, 0, 0]
        matrix[:, large] = y < 0.1 * x[0, :, 0, 0]
    return matrix.tolist()


def test_the_window_stops_at_the_first_and_at_the_last_channel(backend):
    expected = [[int(abs(i - j) <= 2) for j in range(7)] for i in range(7)]
    assert windows(7, size=5) == expected


def test_the_window_of_a_tower_stops_at_its_edge(backend):
    expected = [[int(abs(i - j) <= 2 and i // 4 == j // 4) for j in range(8)] for i in range(8)]
    assert windows(8, size=5, groups=2) == expected


def test_a_nan_reaches_every_window_that_holds_it_and_no_other(backend):
    for channel in range(9):
        x = tn.Tensor(spaced((1, 9, 2, 2)), requires_grad=True)
        x.data[0, channel] = np.nan
        y = tn.local_response_norm(x, size=5, alpha=1.0)
        y.sum().backward()
        distance = abs(np.arange(9) - channel)
        assert (np.isnan(y.numpy()[0, :, 0, 0]) == (distance <= 2)).all()
        # A gradient reads the outputs in its window, and each output reads the inputs in its own.
        assert (np.isnan(on_host(x.grad)[0, :, 0, 0]) == (distance <= 4)).all()


def test_two_towers_are_two_normalisations(backend):
    x = spaced((2, 6, 3, 2))
    halves = [lrn(x[:, :3], alpha=1.0), lrn(x[:, 3:], alpha=1.0)]
    assert relative_error(lrn(x, alpha=1.0, groups=2), np.concatenate(halves, axis=1)) < 1e-14


def test_alpha_divided_by_the_size_is_a_fifth_of_the_papers(backend):
    x = spaced((2, 7, 3, 2))
    caffe = lrn(x, size=5, alpha=1.0, k=1.0, divide_by_size=True)
    assert relative_error(caffe, lrn(x, size=5, alpha=0.2, k=1.0)) < 1e-14


def test_the_papers_numbers_are_the_defaults(backend):
    x = np.full((1, 1, 1, 1), 100.0)
    assert lrn(x).item() == pytest.approx(100 / (2 + 1e-4 * 100**2) ** 0.75)
