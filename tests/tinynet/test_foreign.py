"""Tensors, parameters and layers of another package are refused by its name, or read as arrays."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import nn


def foreign(name, **attributes):
    """An instance of a class of this name in a package called other."""
    return type(name, (), {"__module__": "other.things", **attributes})()


TENSOR = foreign("Tensor")


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (lambda t: tn.relu(TENSOR), "relu: x is other.Tensor, not a Tensor"),
        (lambda t: t + TENSOR, r"float32 \(3,\) and other.Tensor do not mix"),
        (lambda t: t == TENSOR, "does not compare with other.Tensor"),
        (lambda t: tn.concatenate([t, TENSOR]), r"tensors\[1\] is other.Tensor"),
        (lambda t: tn.clip(t, TENSOR), "min is other.Tensor"),
        (lambda t: tn.optim.SGD([foreign("Parameter")], 0.1), "got other.Parameter"),
        (lambda t: nn.Sequential(nn.ReLU(), foreign("ReLU")), r"layer 1 is .* \(other.ReLU\)"),
        (lambda t: setattr(nn.Linear(2, 2), "bias", foreign("Parameter")), "other.Parameter"),
        (lambda t: t + "3", r"float32 \(3,\) and str do not mix"),
    ],
)
def test_a_message_names_the_package_of_a_class(use, words):
    with pytest.raises(TypeError, match=words):
        use(tn.Tensor(np.ones(3, np.float32)))


def test_an_index_array_of_another_package_keeps_its_axes(backend):
    """NumPy would take one that holds one number for that number."""
    one = foreign("Tensor", __array__=lambda self, *_, **__: np.array([1]), __index__=lambda s: 1)
    x = tn.Tensor(np.arange(6, dtype=np.float32).reshape(2, 3), requires_grad=True)
    assert x[one].shape == (1, 3) and x[:, one].shape == (2, 1)
    x[one].sum().backward()
    np.testing.assert_array_equal(tn.Tensor(x.grad).numpy(), [[0, 0, 0], [1, 1, 1]])
    assert x[np.int64(1)].shape == (3,)
