"""Tensor: its data, and what may be set by hand: .data, .grad, requires_grad."""

import numpy as np
import pytest

import tinynet as tn


def leaf(*numbers):
    return tn.Tensor(np.array(numbers, np.float32), requires_grad=True)


def test_python_numbers_become_float32_and_arrays_keep_their_dtype(backend):
    assert tn.Tensor([1.0, 2.0]).dtype == np.float32
    assert tn.Tensor(np.ones(2)).dtype == np.float64
    assert tn.Tensor(np.float64(1)).dtype == np.float64
    assert tn.Tensor([1, 2]).dtype.kind == "i"
    assert tn.Tensor(np.ones(2)).backend == backend


def test_a_tensor_shows_its_shape_numbers_dtype_and_backend():
    tensor = tn.Tensor(np.array([[1, 2.5]], np.float32), requires_grad=True)
    assert (tensor.shape, tensor.ndim, tensor.size, len(tensor)) == ((1, 2), 2, 2, 1)
    for part in ("1.", "2.5", "float32", tensor.backend, "requires_grad=True"):
        assert part in repr(tensor)
    assert tensor[0, 1].item() == 2.5


def test_item_of_several_numbers_and_len_of_a_scalar_are_errors_that_say_the_shape():
    with pytest.raises(ValueError, match=r"item: .*\(2,\)"):
        leaf(1, 2).item()
    with pytest.raises(TypeError, match=r"len: .*\(\)"):
        len(leaf(1).sum())


@pytest.mark.parametrize("data", ["text", None, [1j], np.array([object()])])
def test_data_that_are_no_numbers_are_refused(data):
    with pytest.raises(TypeError, match="Tensor: "):
        tn.Tensor(data)


def test_a_tensor_of_a_tensor_and_an_integer_leaf_are_refused():
    with pytest.raises(TypeError, match="is a Tensor already"):
        tn.Tensor(leaf(1))
    with pytest.raises(ValueError, match="int64 tensor cannot require a gradient"):
        tn.Tensor(np.arange(3), requires_grad=True)


def test_an_array_that_is_not_in_c_order_is_copied_into_c_order(backend):
    array = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    tensor = tn.Tensor(array)
    assert tensor.data.flags.c_contiguous
    assert np.array_equal(tensor.numpy(), array)
    turned = tn.Tensor(tensor.data.T)  # an array of the backend
    assert turned.data.flags.c_contiguous
    assert np.array_equal(turned.numpy(), array.T)


def test_detach_keeps_the_data_and_drops_the_graph():
    x = leaf(1, 2)
    y = (x * 3).detach()
    assert y.numpy().tolist() == [3, 6]
    assert not y.requires_grad
    (y * x).sum().backward()
    assert x.grad.tolist() == [3, 6]


# --- .grad, .data, requires_grad by hand ----------------------------------------------------------


def test_assigned_data_keep_shape_and_dtype():
    x = leaf(1, 2)
    with pytest.raises(ValueError, match=r"float32 \(3,\) does not replace float32 \(2,\)"):
        x.data = np.ones(3, np.float32)
    with pytest.raises(ValueError, match="float64"):
        x.data = np.ones(2)


@pytest.mark.parametrize(
    ("grad", "error", "words"),
    [
        (np.ones(1, np.float32), ValueError, r"float32 \(1,\) is no gradient of float32 \(5,\)"),
        (np.ones((5, 1), np.float32), ValueError, r"\(5, 1\)"),
        (np.ones(5), ValueError, r"float64 \(5,\)"),
        (np.ones(5, np.int32), ValueError, "int32"),
        (0, ValueError, r"int64 \(\)"),
        ("zero", TypeError, "Tensor.grad: "),
        (tn.nn.Module(), TypeError, "Tensor.grad: object"),
    ],
)
def test_a_gradient_set_by_hand_must_be_like_its_tensor(grad, error, words, backend):
    p = tn.nn.Parameter(np.zeros(5, np.float32))
    with pytest.raises(error, match=words):
        p.grad = grad
    assert p.grad is None


def test_a_tensor_is_no_gradient_but_its_data_are(backend):
    p = tn.nn.Parameter(np.zeros(2, np.float32))
    with pytest.raises(TypeError, match="is a Tensor already; use .detach.*or its .data"):
        p.grad = tn.Tensor([1.0, 2.0])
    p.grad = np.array([[1, 9], [2, 9]], np.float32)[:, 0]  # strided
    assert p.grad.tolist() == [1, 2] and p.grad.flags.c_contiguous
    p.grad *= 2
    assert p.grad.tolist() == [2, 4]


def test_a_tensor_that_requires_a_gradient_owns_its_data(backend):
    array = np.array([1, 2], np.float32)
    for make in (tn.nn.Parameter, lambda a: tn.Tensor(a, requires_grad=True)):
        p = make(array)
        p.grad = np.ones(2, np.float32)
        tn.optim.SGD([p], lr=1).step()
        assert p.numpy().tolist() == [0, 1] and array.tolist() == [1, 2]
    p.data = array
    p.grad = np.ones(2, np.float32)
    tn.optim.SGD([p], lr=1).step()
    assert p.numpy().tolist() == [0, 1] and array.tolist() == [1, 2]


def test_a_read_only_array_can_be_trained(backend):
    array = np.broadcast_to(np.float32(1), (2,))
    p = tn.nn.Parameter(array)
    (p * 3).sum().backward()
    tn.optim.SGD([p], lr=1).step()
    assert p.numpy().tolist() == [-2, -2]


def test_requires_grad_can_be_set_on_leaves_of_floats_only():
    p = tn.Tensor([1.0])
    p.requires_grad = True
    (p * 2).sum().backward()
    assert p.grad.tolist() == [2]
    p.requires_grad = False
    assert not (p * 2).requires_grad
    with pytest.raises(ValueError, match="int64 tensor cannot require"):
        tn.Tensor([1]).requires_grad = True
    with pytest.raises(RuntimeError, match="an op computed this tensor.*detach"):
        (leaf(1) * 2).requires_grad = False


def test_a_masked_array_is_refused():
    with pytest.raises(TypeError, match=r"masked array would lose its mask; give array.filled"):
        tn.Tensor(np.ma.masked_array([1.0, 2.0], [True, False]))


def test_a_list_that_holds_a_tensor_with_a_gradient_is_refused():
    loss = tn.Tensor(1.0, requires_grad=True)
    with pytest.raises(TypeError, match="would be lost; join the tensors"):
        tn.Tensor([[loss * 2, 1.0]])
    np.testing.assert_array_equal(tn.Tensor([loss.detach(), 2.0]).numpy(), [1, 2])


def test_ragged_lists_are_refused():
    with pytest.raises(ValueError, match="Tensor: lists of several lengths"):
        tn.Tensor([[1.0], [1.0, 2.0]])


def test_backward_adds_to_a_gradient_that_was_set_to_a_read_only_array():
    array = np.ones(3, np.float32)
    array.flags.writeable = False
    leaf = tn.Tensor(array, requires_grad=True)
    leaf.grad = array
    leaf.sum().backward()
    np.testing.assert_array_equal(leaf.grad, 2)
