"""Softmax and the loss: large logits, both kinds of labels, the value at the start of training."""

import numpy as np
import pytest

import tinynet as tn
from tests.cases import on_host, spaced


def test_equal_logits_lose_the_logarithm_of_the_number_of_classes(backend, dtype):
    loss = tn.softmax_cross_entropy(tn.Tensor(np.full((4, 1000), 7, dtype)), np.arange(4))
    assert loss.shape == () and loss.dtype == dtype
    assert loss.item() == pytest.approx(np.log(1000), rel=1e-6)


def test_large_logits_do_not_overflow(backend, dtype):
    logits = tn.Tensor(np.array([[1e4, 0, -1e4], [-1e4, -1e4, -1e4]], dtype), requires_grad=True)
    assert np.allclose(tn.softmax(logits).numpy(), [[1, 0, 0], [1 / 3] * 3])
    loss = tn.softmax_cross_entropy(logits, np.array([1, 2]))
    loss.backward()
    assert loss.item() == pytest.approx((1e4 + np.log(3)) / 2, rel=1e-6)
    assert np.allclose(on_host(logits.grad), [[0.5, -0.5, 0], [1 / 6, 1 / 6, -1 / 3]])


def test_labels_are_an_array_a_tensor_or_a_list_of_any_integers(backend):
    logits = spaced((3, 7))
    expected = tn.softmax_cross_entropy(tn.Tensor(logits), np.array([4, 0, 6])).item()
    for labels in (
        np.array([4, 0, 6], np.uint8),
        np.array([4, 0, 6], np.int32),
        tn.Tensor(np.array([4, 0, 6])),
        [4, 0, 6],
    ):
        assert tn.softmax_cross_entropy(tn.Tensor(logits), labels).item() == expected


def test_each_row_of_the_gradient_sums_to_nothing(backend):
    logits = tn.Tensor(spaced((3, 7)), requires_grad=True)
    tn.softmax_cross_entropy(logits, np.array([4, 0, 6])).backward()
    assert np.allclose(on_host(logits.grad).sum(axis=1), 0, atol=1e-16)
