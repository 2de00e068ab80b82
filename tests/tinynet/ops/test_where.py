"""where: conditions of every kind, and numbers that are not taken."""

import numpy as np

import tinynet as tn
from tests.oracles.cases import on_host


def test_a_condition_is_an_array_or_a_tensor_of_bools(backend):
    x = tn.Tensor([-1.0, 2.0, 3.0], requires_grad=True)
    for condition in (np.array([False, True, True]), tn.Tensor(np.array([0, 1, 1], bool)), x > 0):
        assert tn.where(condition, x, 0).numpy().tolist() == [0, 2, 3]
        assert tn.where(condition, 0.5, x).numpy().tolist() == [-1, 0.5, 0.5]


def test_two_numbers_give_float32(backend):
    y = tn.where(tn.Tensor([-1.0, 2.0]) > 0, 1, 0)
    assert y.dtype == np.float32 and y.numpy().tolist() == [0, 1]


def test_a_number_that_is_not_taken_leaves_no_trace(backend):
    x = tn.Tensor([np.nan, 4.0], requires_grad=True)
    y = tn.where(np.array([False, True]), x, 0.0)
    y.backward(np.array([np.inf, 1], np.float32))
    assert y.numpy().tolist() == [0, 4]
    assert on_host(x.grad).tolist() == [0, 1]


def test_a_leaky_relu_is_one_line(backend):
    x = tn.Tensor([-2.0, 3.0], requires_grad=True)
    tn.where(x > 0, x, 0.1 * x).sum().backward()
    assert np.allclose(on_host(x.grad), [0.1, 1])
