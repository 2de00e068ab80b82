"""Absolute value: its derivative at 0, and Python's abs."""

import numpy as np

import tinynet as tn
from tests.oracles.cases import on_host


def test_the_derivative_is_the_sign_and_0_at_0(backend, dtype):
    x = tn.Tensor(np.array([-2, -0.0, 0, 3], dtype), requires_grad=True)
    y = tn.abs(x)
    y.backward(np.array([1, 5, 5, np.inf], dtype))
    assert y.dtype == dtype and y.numpy().tolist() == [2, 0, 0, 3]
    assert on_host(x.grad).tolist() == [-1, 0, 0, np.inf]


def test_pythons_abs_and_the_method_are_the_same(backend):
    x = tn.Tensor(np.array([-2, 3]))
    assert abs(x).numpy().tolist() == x.abs().numpy().tolist() == [2, 3]
    assert abs(x).dtype == np.int64
