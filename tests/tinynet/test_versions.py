"""A change of memory between forward and backward is an error, whichever tensor made it."""

import numpy as np
import pytest

import tinynet as tn
from tests.oracles.cases import on_host
from tinynet.graph import version_of


def leaf(*numbers):
    return tn.Tensor(np.array(numbers, np.float32), requires_grad=True)


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
