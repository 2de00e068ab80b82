"""SGD: groups of parameters, and the rates of a step."""

import numpy as np
import pytest

import tinynet as tn
from tests.oracles.cases import relative_error
from tests.tinynet.sgd_steps import NUMBERS, give_gradients, gradients, parameters


def test_a_group_has_its_own_rate_and_decay(backend):
    weight, bias = (tn.Tensor(np.array([2.0]), requires_grad=True) for _ in range(2))
    sgd = tn.optim.SGD(
        [{"parameters": [weight]}, {"parameters": [bias], "lr": 0.2, "weight_decay": 0.0}],
        lr=0.1,
        weight_decay=0.5,
    )
    give_gradients([weight, bias], [np.ones(1), np.ones(1)])
    sgd.step()
    assert weight.item() == pytest.approx(2 - 0.1 * (1 + 0.5 * 2))
    assert bias.item() == pytest.approx(2 - 0.2)
    assert [(g["lr"], g["weight_decay"], g["momentum"]) for g in sgd.groups] == [
        (0.1, 0.5, 0.0), (0.2, 0.0, 0.0)
    ]  # fmt: skip


@pytest.mark.parametrize("rule", ["paper", "pytorch"])
def test_the_rate_of_a_step_replaces_every_groups_rate(rule, backend, dtype):
    """step(lr) does the same as setting each group's lr, but leaves the groups unchanged."""
    ours, theirs = parameters(dtype), parameters(dtype)
    by_step = tn.optim.SGD(ours, rule=rule, **NUMBERS)
    by_group = tn.optim.SGD(theirs, rule=rule, **NUMBERS)
    for step, lr in enumerate((0.2, 0.2, 0.01)):
        for each in (ours, theirs):
            give_gradients(each, gradients(step, dtype))
        by_step.step(lr)
        by_group.groups[0]["lr"] = lr
        by_group.step()
    for a, b in zip(ours, theirs, strict=True):
        assert a.numpy().tobytes() == b.numpy().tobytes()
    assert by_step.groups[0]["lr"] == NUMBERS["lr"]


@pytest.mark.parametrize("rule", ["paper", "pytorch"])
@pytest.mark.parametrize("of_step", [True, False])
def test_a_group_with_a_scale_learns_at_a_multiple_of_the_rate(rule, of_step, backend):
    """For example Caffe's biases, at twice the rate of the weights."""
    weight, bias, alone = (tn.Tensor(np.array([2.0]), requires_grad=True) for _ in range(3))
    numbers = {"momentum": 0.9, "weight_decay": 0.5, "rule": rule}
    groups = [{"parameters": [weight]}, {"parameters": [bias], "lr_scale": 2}]
    sgd, twice = tn.optim.SGD(groups, 0.1, **numbers), tn.optim.SGD([alone], 0.2, **numbers)
    for _ in range(3):
        give_gradients([weight, bias, alone], [np.ones(1)] * 3)
        sgd.step(0.1) if of_step else sgd.step()
        twice.step()
    assert bias.item() == alone.item() != weight.item()


@pytest.mark.parametrize("lr", [-0.1, float("nan")])
def test_an_invalid_rate_is_an_error_before_anything_moves(lr, backend):
    (p,) = [tn.Tensor(np.array([2.0]), requires_grad=True)]
    sgd = tn.optim.SGD([p], lr=0.1)
    give_gradients([p], [np.ones(1)])
    with pytest.raises(ValueError, match="SGD: lr must not be negative, got"):
        sgd.step(lr)
    sgd.groups[0]["lr"] = lr
    with pytest.raises(ValueError, match="SGD: lr must not be negative, got"):
        sgd.step()
    assert p.item() == 2
    with pytest.raises(ValueError, match="SGD: lr_scale must not be negative, got -1"):
        tn.optim.SGD([{"parameters": [p], "lr_scale": -1}], lr=0.1)


def test_a_group_of_two_dtypes_or_backends_is_refused_before_a_kernel_sees_it():
    a, b = tn.nn.Parameter([1.0]), tn.nn.Parameter(np.ones(1))
    with tn.use_backend("numpy"):
        c = tn.nn.Parameter([1.0])
    for mixed in ([a, b], [a, c]) if a.backend != "numpy" else ([a, b],):
        sgd = tn.optim.SGD(mixed, lr=0.1)
        for p in mixed:
            p.grad = np.ones(1, p.dtype)
        with pytest.raises(TypeError, match="make a group for each"):
            sgd.step()


@pytest.mark.parametrize("rule", ["paper", "pytorch"])
def test_a_group_with_its_own_rate_keeps_it_whatever_the_step_is_told(rule, backend):
    weight, bias, other = (tn.Tensor(np.ones(3), requires_grad=True) for _ in range(3))
    groups = [
        {"parameters": [weight]},
        {"parameters": [bias], "lr": 0.25, "own_lr": True, "lr_scale": 2},
        {"parameters": [other], "lr": 0.25},
    ]
    sgd = tn.optim.SGD(groups, lr=0.1, rule=rule)
    give_gradients([weight, bias, other], [np.ones(3)] * 3)
    sgd.step(0.125)
    moves = [1 - t.numpy()[0] for t in (weight, bias, other)]
    assert moves == [0.125, 0.5, 0.125]


@pytest.mark.parametrize("rule", ["paper", "pytorch"])
def test_the_last_update_is_the_difference_that_the_last_step_made(rule, backend):
    """In two groups: one at three times the rate of the step, one at its own rate."""
    ours, rates = parameters(), (0.2, 0.01)
    sgd = tn.optim.SGD(
        [
            {"parameters": ours[:1], "lr_scale": 3.0},
            {"parameters": ours[1:], "own_lr": True, "lr": 0.07},
        ],
        rule=rule, **NUMBERS,
    )  # fmt: skip
    assert sgd.last_update(ours[0], 0.2) is None
    for step, rate in enumerate(rates):
        before = [p.numpy().copy() for p in ours]
        give_gradients(ours, gradients(step))
        sgd.step(rate)
        for parameter, old in zip(ours, before, strict=True):
            update = sgd.last_update(parameter, rate).numpy()
            assert relative_error(update, parameter.numpy() - old) < 1e-9
    assert sgd.last_update(tn.Tensor(np.ones(3)), 0.2) is None
