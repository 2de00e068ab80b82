"""clip: the bounds belong to the range, NaN does not."""

import numpy as np

import tinynet as tn
from tests.oracles.cases import on_host


def test_the_gradient_is_1_at_the_bounds_and_0_beyond_them_and_for_nan(backend, dtype):
    x = tn.Tensor(np.array([-2, -1, 0, 1, 2, np.nan], dtype), requires_grad=True)
    y = x.clip(-1, 1)
    y.backward(np.array([np.inf, 1, 2, 3, np.inf, 4], dtype))
    assert y.dtype == dtype
    assert np.array_equal(y.numpy(), [-1, -1, 0, 1, 1, np.nan], equal_nan=True)
    assert on_host(x.grad).tolist() == [0, 1, 2, 3, 0, 0]


def test_one_bound_is_enough(backend):
    x = tn.Tensor([-2.0, 0.0, 2.0, np.inf, -np.inf])
    assert tn.clip(x, min=-1).numpy().tolist() == [-1, 0, 2, np.inf, -1]
    assert x.clip(max=np.float64(1)).numpy().tolist() == [-2, 0, 1, 1, -np.inf]
    assert x.clip(max=np.float64(1)).dtype == np.float32
