"""sum, mean and max over all elements and along axes."""

import numpy as np
import pytest

import tinynet as tn
from tests.oracles.cases import spaced

AXES = [None, 0, -1, 1, (0, 2), (-1, 0), (0, 1, 2)]


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", AXES, ids=str)
@pytest.mark.parametrize("name", ["sum", "mean", "max"])
def test_a_reduction_equals_numpys_and_its_gradient_is_its_slope(name, axis, keepdims, backend):
    array = spaced((2, 3, 4), name)
    y = getattr(tn.Tensor(array), name)(axis, keepdims)
    expected = getattr(array, name)(axis=axis, keepdims=keepdims)
    assert np.allclose(y.numpy(), expected, rtol=1e-14) and y.shape == expected.shape
    tn.check_gradients(lambda a: getattr(tn, name)(a, axis, keepdims), [array])


def test_equal_largest_elements_share_the_gradient(backend):
    x = tn.Tensor(np.array([[1, 3, 3], [2, 0, 1]], np.float32), requires_grad=True)
    x.max(axis=1).backward(np.array([4, 5], np.float32))
    assert x.grad.tolist() == [[0, 2, 2], [5, 0, 0]]


def test_the_mean_of_the_mean_is_the_mean(backend):
    array = spaced((3, 5))
    assert np.allclose(tn.Tensor(array).mean(0).mean().item(), array.mean())


def test_labels_can_be_summed(backend):
    assert tn.Tensor(np.array([1, 2, 3])).sum().item() == 6
    assert (tn.Tensor(np.array([1, 2, 3])).max()).item() == 3
