"""Tensor: its data, the recording of ops, and the errors of backward."""

import threading

import numpy as np
import pytest

import tinynet as tn
from tests.oracles.cases import on_host


def leaf(*numbers):
    return tn.Tensor(np.array(numbers, np.float32), requires_grad=True)


# --- tensors --------------------------------------------------------------------------------------


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


# --- errors and versions --------------------------------------------------------------------------


def test_a_second_backward_is_an_error_that_says_so(backend):
    loss = (leaf(1, 2) * 2).sum()
    loss.backward()
    with pytest.raises(RuntimeError, match="already walked and freed; compute the loss again"):
        loss.backward()


def test_a_second_backward_through_a_shared_part_is_an_error():
    x = leaf(1, 2)
    shared = x * x
    shared.sum().backward()
    with pytest.raises(RuntimeError, match="already walked"):
        (shared * 2).sum().backward()


def test_backward_needs_a_gradient_of_the_correct_shape_and_dtype():
    y = leaf(1, 2) * 2
    with pytest.raises(ValueError, match=r"\(2,\); give grad"):
        y.backward()
    with pytest.raises(ValueError, match=r"grad is float32 \(3,\), the tensor float32 \(2,\)"):
        y.backward(np.ones(3, np.float32))
    with pytest.raises(ValueError, match="grad is float64"):
        y.backward(np.ones(2))
    with pytest.raises(RuntimeError, match="requires a gradient"):
        tn.Tensor([1.0]).backward()


def assign(parameter):
    parameter.data = parameter.numpy() + 1


def step(parameter):
    before, parameter.grad = parameter.grad, tn.Tensor(np.ones(parameter.shape, np.float32)).data
    tn.optim.SGD([parameter], lr=0.1).step()
    parameter.grad = before


def load_state(parameter):
    layer = tn.nn.Module()
    layer.weight = parameter
    layer.load_state_dict({"weight": parameter.numpy() + 1})


@pytest.mark.parametrize("change", [assign, step, load_state])
def test_a_parameter_changed_between_forward_and_backward_is_an_error(change, backend):
    weight = tn.nn.Parameter(np.ones((2, 3), np.float32))
    x = tn.Tensor(np.ones((4, 3), np.float32))
    loss = tn.linear(x, weight).sum()
    change(weight)
    with pytest.raises(RuntimeError, match="a tensor that linear read was changed"):
        loss.backward()
    weight.grad = None
    tn.linear(x, weight).sum().backward()  # a new forward sees the new value
    assert np.array_equal(on_host(weight.grad), np.full((2, 3), 4))


def test_a_change_seen_through_a_view_of_the_parameter_is_an_error_too():
    weight = leaf(1, 2)
    loss = (weight.reshape(2, 1) * weight.reshape(1, 2)).sum()
    step(weight)
    with pytest.raises(RuntimeError, match="was changed"):
        loss.backward()


def test_an_activation_assigned_between_forward_and_backward_is_an_error():
    x = leaf(1, 2)
    hidden = x * 2
    loss = (hidden * hidden).sum()
    hidden.data = np.zeros(2, np.float32)
    with pytest.raises(RuntimeError, match="multiply read was changed"):
        loss.backward()


def test_assigned_data_keep_shape_and_dtype():
    x = leaf(1, 2)
    with pytest.raises(ValueError, match=r"float32 \(3,\) does not replace float32 \(2,\)"):
        x.data = np.ones(3, np.float32)
    with pytest.raises(ValueError, match="float64"):
        x.data = np.ones(2)


# --- recording ------------------------------------------------------------------------------------


def test_no_grad_records_nothing_and_ends_with_its_block_even_after_an_error():
    x = leaf(1, 2)
    with pytest.raises(ZeroDivisionError), tn.no_grad():
        assert not (x * 2).requires_grad
        with tn.no_grad():
            pass
        assert not (x * 2).requires_grad
        raise ZeroDivisionError
    assert (x * 2).requires_grad


def test_no_grad_decorates_a_function():
    x = leaf(1, 2)

    @tn.no_grad()
    def doubled():
        return x * 2

    assert not doubled().requires_grad
    assert (x * 2).requires_grad


def test_no_grad_of_one_thread_does_not_stop_another():
    x, inside, done = leaf(1, 2), threading.Event(), threading.Event()

    def other():
        with tn.no_grad():
            inside.set()
            done.wait(10)

    thread = threading.Thread(target=other)
    thread.start()
    assert inside.wait(10)
    try:
        assert (x * 2).requires_grad
        with tn.no_grad():
            assert not (x * 2).requires_grad
        assert (x * 2).requires_grad
    finally:
        done.set()
        thread.join()
