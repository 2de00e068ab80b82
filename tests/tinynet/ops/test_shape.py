"""reshape, transpose, flatten and indexing: elements move, gradients move back."""

import numpy as np
import pytest

import tinynet as tn
from tests.oracles.cases import on_host, spaced

KEYS = {
    "an int": 1,
    "a negative int": -1,
    "a slice": slice(0, 2),
    "a backward slice": slice(None, None, -1),
    "a pair": (1, slice(1, None)),
    "an ellipsis": (..., 0),
    "a new axis": (None, 1),
    "a list": [2, 0],
    "a list that names a row three times": [1, 1, 2, 1],
    "arrays": (np.array([0, 2]), np.array([3, 1])),
    "a mask": np.array([True, False, True]),
}


@pytest.mark.parametrize("name", KEYS)
def test_a_key_selects_the_elements_that_numpy_selects_and_returns_the_gradient(name, backend):
    key, array = KEYS[name], spaced((3, 4))
    assert np.array_equal(tn.Tensor(array)[key].numpy(), array[key])
    tn.check_gradients(lambda a: a[key], [array])


BEYOND = [
    3,
    -4,
    [0, 3],
    np.array([-4]),
    (0, [4]),
    (slice(None), np.array([[-5]])),
    np.ones(2, bool),
]


@pytest.mark.parametrize("key", BEYOND, ids=str)
def test_a_key_beyond_the_last_element_is_an_error(key, backend):
    x = tn.Tensor(spaced((3, 4)))
    with pytest.raises(IndexError):
        x[key]
    if isinstance(key, np.ndarray):
        with pytest.raises(IndexError):
            x[tn.Tensor(key)]


def test_tensors_of_integers_are_keys(backend):
    x = tn.Tensor(spaced((3, 4)), requires_grad=True)
    rows, columns = tn.Tensor(np.array([0, 0, 2])), tn.Tensor(np.array([1, 1, 3]))
    y = x[rows, columns]
    assert np.array_equal(y.numpy(), x.numpy()[[0, 0, 2], [1, 1, 3]])
    y.sum().backward()
    expected = np.zeros((3, 4))
    expected[0, 1], expected[2, 3] = 2, 1
    assert np.array_equal(on_host(x.grad), expected)


@pytest.mark.parametrize("shape", [(6, 4), (-1,), (2, -1, 2), (24,), (1, 2, 3, 4)], ids=str)
def test_reshape_keeps_the_order_of_the_elements(shape, backend):
    array = spaced((2, 3, 4))
    x = tn.Tensor(array)
    for y in (x.reshape(*shape), x.reshape(shape), x.reshape(list(shape)), tn.reshape(x, shape)):
        assert np.array_equal(y.numpy(), array.reshape(shape))
    tn.check_gradients(lambda a: a.reshape(shape), [array])


@pytest.mark.parametrize("axes", [(), (1, 0, 2), (2, 0, 1), (-1, 0, -2)], ids=str)
def test_transpose_equals_numpys_and_is_in_c_order(axes, backend):
    array = spaced((2, 3, 4))
    y = tn.Tensor(array).transpose(*axes)
    assert np.array_equal(tn.Tensor(array).transpose(list(axes)).numpy(), y.numpy())
    assert np.array_equal(y.numpy(), array.transpose(*axes))
    assert y.data.flags.c_contiguous
    tn.check_gradients(lambda a: a.transpose(*axes), [array])


@pytest.mark.parametrize(
    ("start", "shape"), [(0, (24,)), (1, (2, 12)), (2, (2, 3, 4)), (3, (2, 3, 4, 1))]
)
def test_flatten_joins_the_axes_from_start_on(start, shape, backend):
    y = tn.Tensor(spaced((2, 3, 4))).flatten(start)
    assert y.shape == shape
    tn.check_gradients(lambda a: a.flatten(start), [spaced((2, 3, 4))])


@pytest.mark.parametrize("make", [list, np.array, tn.Tensor], ids=["list", "array", "tensor"])
def test_a_key_that_the_caller_changes_before_backward_changes_no_gradient(make, backend):
    key, x = make([0, 2]), tn.Tensor(spaced((3,)), requires_grad=True)
    loss = x[key].sum()
    if isinstance(key, tn.Tensor):
        key[0] = 1
    else:
        key[0] = 1
    loss.backward()
    assert on_host(x.grad).tolist() == [1, 0, 1]
