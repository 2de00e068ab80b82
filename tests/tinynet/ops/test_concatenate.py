"""concatenate: any number of tensors and arrays, and two towers as the paper draws them."""

import numpy as np
import pytest

import tinynet as tn
from tests.oracles.cases import on_host, relative_error, spaced


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_any_number_of_tensors_are_joined_along_any_axis(count, axis, backend, dtype):
    arrays = []
    for i in range(count):
        shape = [2, 3, 4]
        shape[axis] = i + 1
        arrays.append(spaced(tuple(shape), str(i)).astype(dtype))
    tensors = [tn.Tensor(a, requires_grad=True) for a in arrays]
    y = tn.concatenate(tensors, axis=axis)
    expected = np.concatenate(arrays, axis)
    assert y.dtype == dtype and np.array_equal(y.numpy(), expected)
    dy = spaced(expected.shape, "dy").astype(dtype)
    y.backward(dy)
    ends = np.cumsum([a.shape[axis] for a in arrays])[:-1]
    for tensor, part in zip(tensors, np.split(dy, ends, axis), strict=True):
        assert np.array_equal(on_host(tensor.grad), part)


def test_a_tensor_twice_gets_both_gradients(backend):
    x = tn.Tensor([1.0, 2.0], requires_grad=True)
    tn.concatenate((x, x)).backward(np.array([1, 2, 3, 4], np.float32))
    assert on_host(x.grad).tolist() == [4, 6]


def test_an_array_among_the_tensors_is_a_constant(backend):
    x, array = tn.Tensor([1.0], requires_grad=True), np.array([2, 3], np.float32)
    y = tn.concatenate([array, x, array])
    array[:] = 0
    y.backward(np.arange(5, dtype=np.float32))
    assert y.numpy().tolist() == [2, 3, 1, 2, 3]
    assert on_host(x.grad).tolist() == [2]


def test_labels_are_joined_too(backend):
    y = tn.concatenate([tn.Tensor(np.array([1, 2])), tn.Tensor(np.array([3]))])
    assert y.dtype == np.int64 and y.numpy().tolist() == [1, 2, 3]


def test_two_towers_are_a_convolution_in_two_groups(backend):
    x, weight, bias = spaced((2, 4, 5, 6)), spaced((6, 2, 3, 3), "w"), spaced((6,), "b")
    together = [tn.Tensor(a, requires_grad=True) for a in (x, weight, bias)]
    expected = tn.conv2d(*together, groups=2)
    towers = [
        [tn.Tensor(a, requires_grad=True) for a in half]
        for half in ((x[:, :2], weight[:3], bias[:3]), (x[:, 2:], weight[3:], bias[3:]))
    ]
    y = tn.concatenate([tn.conv2d(*tower) for tower in towers], axis=1)
    assert relative_error(y.numpy(), expected.numpy()) < 1e-13
    dy = spaced(y.shape, "dy")
    for output in (y, expected):
        output.backward(dy)
    for tensor, parts, axis in zip(together, zip(*towers, strict=True), (1, 0, 0), strict=True):
        halves = np.concatenate([on_host(part.grad) for part in parts], axis)
        assert relative_error(halves, on_host(tensor.grad)) < 1e-12
