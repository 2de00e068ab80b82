"""Tensor: its data, the recording of ops, and the errors of backward."""

import threading

import numpy as np
import pytest

import tinynet as tn
from tests.oracles.cases import on_host
from tinynet.graph import version_of


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


@pytest.mark.parametrize("decorator", [tn.no_grad(), tn.no_grad], ids=["with ()", "without ()"])
def test_no_grad_decorates_a_generator_function(decorator):
    x = leaf(1, 2)

    @decorator
    def rows():
        try:
            received = yield x * 2
            yield x * received
        except ValueError:
            yield x * 5

    generator = rows()
    assert not next(generator).requires_grad
    assert (x * 2).requires_grad  # between two items the caller's ops are recorded
    third = generator.send(3)
    assert not third.requires_grad and third.numpy().tolist() == [3, 6]
    fifth = generator.throw(ValueError())
    assert not fifth.requires_grad and fifth.numpy().tolist() == [5, 10]
    with pytest.raises(StopIteration):
        next(generator)


def test_no_grad_refuses_what_it_cannot_decorate():
    async def later():
        return 1

    for wrong in (later, tn.nn.ReLU, 3):
        with pytest.raises(TypeError, match="no_grad: "):
            tn.no_grad()(wrong)


# --- .grad, .data, requires_grad by hand ----------------------------------------------------------


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


# --- memory that tensors share --------------------------------------------------------------------


def alias_by_detach(w):
    return w.detach()


def alias_by_data(w):
    return tn.Tensor(w.data)


def alias_by_a_view_of_data(w):
    return tn.Tensor(w.data.reshape(1, 2)[0])


def alias_by_a_view_without_recording(w):
    with tn.no_grad():
        return w.reshape(1, 2).flatten(0)


def alias_by_a_detached_view(w):
    return w.reshape(1, 2).detach()


def alias_by_dropout_in_test(w):
    with tn.no_grad():
        return tn.dropout(w, training=False)


ALIASES = [
    alias_by_detach, alias_by_data, alias_by_a_view_of_data, alias_by_a_view_without_recording,
    alias_by_a_detached_view, alias_by_dropout_in_test,
]  # fmt: skip


def in_place(parameter):
    with tn.no_grad():
        parameter -= 0.5


@pytest.mark.parametrize("change", [step, in_place])
@pytest.mark.parametrize("alias", ALIASES)
def test_a_change_behind_an_alias_is_an_error(alias, change, backend):
    w, x = leaf(2, 3), leaf(1, 1)
    loss = (x * alias(w)).sum()
    change(w)
    with pytest.raises(RuntimeError, match="a tensor that multiply read was changed since"):
        loss.backward()
    loss = (x * alias(w)).sum()  # of the new numbers
    loss.backward()
    assert np.array_equal(on_host(x.grad), w.numpy())


@pytest.mark.parametrize("alias", ALIASES)
def test_a_change_of_an_alias_is_an_error_for_the_tensor(alias, backend):
    w, x = leaf(2, 3), leaf(1, 1)
    hidden = w * 1
    other = alias(hidden)
    if alias.__name__ == "alias_by_a_view_of_data" and other.data is hidden.data:
        pytest.skip("the backend copies the array")
    loss = (x * hidden).sum()
    with tn.no_grad():
        other += 1
    with pytest.raises(RuntimeError, match="multiply read was changed"):
        loss.backward()


def test_assigned_data_are_a_copy_so_other_tensors_of_the_old_array_are_unchanged(backend):
    w, x = leaf(2, 3), leaf(1, 1)
    loss = (x * w.detach()).sum()
    w.data = np.zeros(2, np.float32)
    step(w)
    loss.backward()
    assert x.grad.tolist() == [2, 3]


def test_the_memory_of_a_dead_array_passes_no_change_to_the_next_one():
    versions = [version_of(np.ones(2, np.float32)) for _ in range(10)]  # often at one address
    assert len(set(versions)) == 10


# --- backward -------------------------------------------------------------------------------------


def test_retain_graph_allows_a_second_backward(backend):
    x = leaf(1, 2)
    loss = (x * x).sum()
    loss.backward(retain_graph=True)
    loss.backward()
    assert x.grad.tolist() == [4, 8]
    with pytest.raises(RuntimeError, match=r"already walked.*retain_graph=True"):
        loss.backward()


def test_retain_grad_leaves_the_whole_gradient_of_an_activation(backend):
    x = leaf(1, 2)
    hidden = x * 3
    hidden.retain_grad()
    (hidden * hidden + hidden).sum().backward()
    assert hidden.grad.tolist() == [7, 13] and x.grad.tolist() == [21, 39]
    hidden, grad = x * 3, np.array([1, 2], np.float32)
    hidden.retain_grad()
    hidden.backward(grad)
    grad[:] = 0
    assert hidden.grad.tolist() == [1, 2]  # its own array
    x.retain_grad()  # a leaf keeps its gradient anyway
    with pytest.raises(RuntimeError, match="retain_grad: .* no gradient"):
        hidden.detach().retain_grad()


def test_the_gradient_of_backward_may_be_a_tensor(backend):
    x = leaf(1, 2)
    (x * 3).backward(tn.Tensor([1.0, 10.0]))
    assert x.grad.tolist() == [3, 30]
