"""Arguments of foreign kinds are refused by their names, on every backend alike."""

import numpy as np
import pytest

import tinynet as tn

X = np.ones((2, 4, 5, 5), np.float32)


def tensor():
    return tn.Tensor(X)


CALLS = {
    "sum: axis": lambda: tensor().sum(axis=True),
    "flatten: start": lambda: tensor().flatten(1.5),
    "transpose: axes": lambda: tn.transpose(tensor(), 1),
    "dropout: drop": lambda: tn.dropout(tensor(), None),
    "local_response_norm: alpha": lambda: tn.local_response_norm(tensor(), alpha="a"),
    "local_response_norm: beta": lambda: tn.local_response_norm(tensor(), beta=np.nan),
    "same_map_norm: alpha": lambda: tn.same_map_norm(tensor(), alpha="a"),
    "same_map_norm: k": lambda: tn.same_map_norm(tensor(), k=np.nan),
    "softmax_cross_entropy: label_smoothing": lambda: tn.softmax_cross_entropy(
        tn.Tensor(np.ones((2, 3), np.float32)), [0, 1], label_smoothing="0.1"
    ),
    "max_pool2d: stride": lambda: tn.max_pool2d(tensor(), 3, stride=2**40),
    "conv2d: stride": lambda: tn.conv2d(tensor(), X[:, :, :3, :3], stride=10**30),
    "linear: x is NoneType": lambda: tn.linear(None, tensor()),
    "a masked array": lambda: tensor()[np.ma.masked_array([0, 1], [1, 0])],
}


@pytest.mark.parametrize("words", CALLS)
def test_the_argument_is_named(words, backend):
    with pytest.raises((TypeError, ValueError), match=words):
        CALLS[words]()
