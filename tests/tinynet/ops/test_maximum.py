"""maximum and minimum: equal numbers, NaN, numbers beside tensors."""

import numpy as np
import pytest

import tinynet as tn
from tests.oracles.cases import on_host

FUNCTIONS = pytest.mark.parametrize("name", ["maximum", "minimum"])


@FUNCTIONS
def test_equal_numbers_get_half_of_the_gradient_each(name, backend, dtype):
    a, b = (tn.Tensor(np.array([1, 3], dtype), requires_grad=True) for _ in range(2))
    y = getattr(tn, name)(a, b)
    y.backward(np.array([4, 6], dtype))
    assert y.numpy().tolist() == [1, 3]
    assert on_host(a.grad).tolist() == on_host(b.grad).tolist() == [2, 3]


@FUNCTIONS
def test_nan_on_either_side_goes_through(name, backend):
    a = tn.Tensor([np.nan, 1.0], requires_grad=True)
    b = tn.Tensor([1.0, np.nan], requires_grad=True)
    y = getattr(tn, name)(a, b)
    y.backward(np.array([1, np.inf], np.float32))
    assert np.isnan(y.numpy()).all()
    assert on_host(a.grad).tolist() == on_host(b.grad).tolist() == [1, np.inf]


def test_numbers_stand_on_either_side_and_keep_the_dtype(backend, dtype):
    x = tn.Tensor(np.array([-1, 0, 2], dtype), requires_grad=True)
    for y in (tn.maximum(x, 0.5), tn.maximum(0.5, x), tn.maximum(x, np.float64(0.5))):
        assert y.dtype == dtype and y.numpy().tolist() == [0.5, 0.5, 2]
    tn.minimum(0, x).sum().backward()
    assert on_host(x.grad).tolist() == [1, 0.5, 0]


def test_integers_are_compared_too(backend):
    assert tn.maximum(tn.Tensor(np.array([1, 5])), 3).numpy().tolist() == [3, 5]
