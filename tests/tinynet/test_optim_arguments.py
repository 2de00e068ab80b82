"""SGD: arguments, groups and states that do not fit are refused in words."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import nn


def parameter():
    made = nn.Parameter(np.ones(3, np.float32))
    made.grad = np.ones(3, np.float32)
    return made


@pytest.mark.parametrize(
    "make",
    [
        lambda: {parameter(), parameter()},
        lambda: [{"parameters": {parameter()}}],
        lambda: [{"parameters": parameter()}],
        lambda: [{"parameters": nn.Linear(2, 2).parameters}],
        lambda: [{"parameters": 5}],
    ],
)
def test_parameters_are_a_list_since_velocities_go_by_their_order(make):
    with pytest.raises(TypeError, match="a list of Tensors fits"):
        tn.optim.SGD(make(), lr=0.1)


@pytest.mark.parametrize("rule", ["paper", "pytorch"])
@pytest.mark.parametrize("name", ["momentum", "weight_decay", "lr_scale", "lr"])
@pytest.mark.parametrize(
    "value, error", [(-1, ValueError), (np.nan, ValueError), ("2", TypeError), (None, TypeError)]
)
def test_a_groups_number_that_was_changed_is_checked_before_the_step(rule, name, value, error):
    moved = parameter()
    groups = [{"parameters": [moved]}, {"parameters": [parameter()]}]
    sgd = tn.optim.SGD(groups, lr=0.1, rule=rule)
    sgd.groups[1][name] = value  # the first group, which comes before it, does not move either
    with pytest.raises(error, match=f"SGD: {name} must"):
        sgd.step()
    np.testing.assert_array_equal(moved.numpy(), 1)


def test_a_group_that_lacks_a_number_is_refused():
    sgd = tn.optim.SGD([parameter()], lr=0.1)
    sgd.groups.append({"parameters": [parameter()], "lr": 0.1})
    with pytest.raises(ValueError, match="no lr_scale, momentum, own_lr, weight_decay"):
        sgd.step()


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda groups: groups.append(groups[0]), ValueError, "a parameter is passed twice"),
        (lambda groups: groups[1]["parameters"].append(np.ones(3)), TypeError, "must be a Tensor"),
        (lambda groups: groups[1].update(parameters={parameter()}), TypeError, "a list of Tensors"),
        (lambda groups: groups[1]["parameters"].append(parameter() * 2), TypeError, "a leaf"),
        (
            lambda groups: groups[1]["parameters"].append(nn.Parameter(np.ones(3))),
            TypeError,
            "make a group for each",
        ),
    ],
)
def test_parameters_of_a_changed_group_are_checked_before_the_step(change, error, words):
    moved = parameter()
    sgd = tn.optim.SGD([{"parameters": [moved]}, {"parameters": [parameter()]}], lr=0.1)
    change(sgd.groups)
    for p in sgd.groups[1]["parameters"]:
        if isinstance(p, nn.Parameter):
            p.grad = np.ones(p.shape, p.dtype)
    with pytest.raises(error, match=words):
        sgd.step()
    np.testing.assert_array_equal(moved.numpy(), 1)


def test_a_groups_list_stays_the_list_that_a_step_reads():
    first, later = parameter(), parameter()
    given = [first]
    sgd = tn.optim.SGD(given, lr=0.1)
    held = sgd.groups[0]["parameters"]
    sgd.step()
    held.append(later)
    given.append(parameter())  # the caller's own list was copied
    sgd.step()
    assert later.numpy()[0] < 1 and len(sgd.groups[0]["parameters"]) == 2


@pytest.mark.parametrize("rule", ["paper", "pytorch"])
def test_a_rate_is_one_number(rule, backend):
    moved = nn.Parameter(np.ones(3, np.float32))
    moved.sum().backward()
    sgd = tn.optim.SGD([moved], lr=0.1, rule=rule)
    with pytest.raises(ValueError, match=r"shape \(3,\); shape \(\) fits"):
        sgd.step(lr=tn.Tensor([0.1, 0.2, 0.3]))
    np.testing.assert_array_equal(moved.numpy(), 1)


@pytest.mark.parametrize("state", [None, [np.ones(3, np.float32)], "last.npz"])
def test_a_state_is_a_dict(state):
    with pytest.raises(TypeError, match="a dict of arrays fits"):
        tn.optim.SGD([parameter()], lr=0.1).load_state_dict(state)


def test_a_number_is_no_name_of_a_velocity():
    with pytest.raises(ValueError, match=r"named \[0\]; \['0'\] fit"):
        tn.optim.SGD([parameter()], lr=0.1).load_state_dict({0: np.ones(3, np.float32)})


@pytest.mark.parametrize("value", [1, None, "yes"])
def test_whether_a_group_keeps_its_own_rate_is_true_or_false(value):
    with pytest.raises(TypeError, match="own_lr must be True or False, got"):
        tn.optim.SGD([{"parameters": [parameter()], "own_lr": value}], lr=0.1)
    sgd = tn.optim.SGD([parameter()], lr=0.1)
    sgd.groups[0]["own_lr"] = value
    with pytest.raises(TypeError, match="own_lr must be True or False, got"):
        sgd.step(0.1)
