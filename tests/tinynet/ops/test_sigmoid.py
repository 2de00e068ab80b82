"""Sigmoid: numbers whose exponential would overflow."""

import numpy as np
import pytest

import tinynet as tn
from tests.oracles.cases import on_host


@pytest.mark.filterwarnings("error")
def test_no_number_overflows_and_small_results_keep_their_digits(backend, dtype):
    x = tn.Tensor(np.array([-1e4, -80, -20, 0, 20, 80, 1e4], dtype), requires_grad=True)
    y = tn.sigmoid(x)
    y.sum().backward()
    small = np.exp([-80.0, -20.0])
    assert y.dtype == x.grad.dtype == dtype
    assert y.numpy()[[0, 3, 6]].tolist() == [0, 0.5, 1]
    assert np.allclose(y.numpy()[1:3], small, rtol=1e-6, atol=0)
    assert np.allclose(on_host(x.grad)[1:3], small, rtol=1e-6, atol=0)
    assert np.isfinite(on_host(x.grad)).all()
