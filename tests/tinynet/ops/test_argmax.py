"""argmax: int64, the first of equal elements, no gradient."""

import numpy as np
import pytest

import tinynet as tn
from tests.oracles.cases import spaced


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_it_is_numpys(axis, keepdims, backend, dtype):
    array = spaced((3, 4, 5)).astype(dtype)
    y = tn.argmax(tn.Tensor(array, requires_grad=True), axis, keepdims)
    assert y.dtype == np.int64 and not y.requires_grad
    assert np.array_equal(y.numpy(), array.argmax(axis, keepdims=keepdims))


def test_the_first_of_equal_elements_and_the_first_nan_are_taken(backend):
    x = tn.Tensor([[1.0, 3.0, 3.0], [np.nan, 5.0, np.nan], [1.0, np.nan, 9.0]])
    assert x.argmax(axis=1).numpy().tolist() == [1, 0, 1]


def test_the_share_of_right_predictions_is_one_line(backend):
    logits, labels = tn.Tensor([[1.0, 2.0], [3.0, 0.0], [0.0, 1.0]]), np.array([1, 0, 0])
    assert (logits.argmax(axis=1).numpy() == labels).mean() == pytest.approx(2 / 3)
