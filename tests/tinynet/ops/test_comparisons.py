"""Comparisons: the numbers that NumPy gives, bools without gradient, errors for the rest."""

import operator

import numpy as np
import pytest

import tinynet as tn

OPERATIONS = [
    operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge,
]  # fmt: skip


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_comparison_is_numpys(operation, backend):
    a = np.array([[1, 2, np.nan], [3, 4, 5]], np.float32)
    b = np.array([1, 3, np.nan], np.float32)
    x, y = tn.Tensor(a, requires_grad=True), tn.Tensor(b)
    for ours, theirs in (
        (operation(x, y), operation(a, b)),
        (operation(x, b), operation(a, b)),
        (operation(b, x), operation(b, a)),
        (operation(x, 3), operation(a, 3)),
        (operation(3, x), operation(3, a)),
    ):
        assert isinstance(ours, tn.Tensor) and ours.dtype == np.bool_ and not ours.requires_grad
        assert np.array_equal(ours.numpy(), theirs)


def test_predictions_compare_with_labels_of_another_integer_type(backend):
    predicted, labels = tn.Tensor(np.array([1, 2, 3])), np.array([1, 0, 3], np.uint8)
    assert (predicted == labels).numpy().tolist() == [True, False, True]
    assert (tn.Tensor(labels) == predicted).numpy().mean() == pytest.approx(2 / 3)


@pytest.mark.parametrize("other", [None, "1", [1.0, 2.0], object()])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_tensor_compares_with_tensors_arrays_and_numbers_only(operation, other):
    with pytest.raises(TypeError, match="does not compare with"):
        operation(tn.Tensor([1.0, 2.0]), other)


def test_shapes_that_do_not_broadcast_are_an_error(backend):
    with pytest.raises(ValueError, match=r"\(2,\) and \(3,\) do not broadcast"):
        operator.eq(tn.Tensor([1.0, 2.0]), tn.Tensor([1.0, 2.0, 3.0]))


def test_a_tensor_is_a_key_of_a_dictionary_by_identity():
    a, b = tn.Tensor([1.0, 2.0]), tn.Tensor([1.0, 2.0])
    assert {a: "a", b: "b"}[a] == "a"
