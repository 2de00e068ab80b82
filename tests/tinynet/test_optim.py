"""SGD: both rules against loops over single numbers and PyTorch, what stays, the state."""

import numpy as np
import pytest

import tinynet as tn
from tests.oracles.cases import relative_error
from tests.tinynet.sgd_steps import NUMBERS, give_gradients, gradients, parameters


def train(rule, dtype, steps=10, change_after=5):
    """The parameters after ten steps; after five the rate is divided by ten."""
    ours = parameters(dtype)
    sgd = tn.optim.SGD(ours, rule=rule, **NUMBERS)
    for step in range(steps):
        if step == change_after:
            for group in sgd.groups:
                group["lr"] *= 0.1
        give_gradients(ours, gradients(step, dtype))
        sgd.step()
    return [p.numpy() for p in ours]


def by_hand(rule, weight, slopes, change_after=5):
    """The same for one number. The velocity includes the rate in the paper, not in PyTorch."""
    velocity, lr = 0.0, NUMBERS["lr"]
    momentum, decay = NUMBERS["momentum"], NUMBERS["weight_decay"]
    for step, g in enumerate(slopes):
        lr = lr * 0.1 if step == change_after else lr
        if rule == "paper":
            velocity = momentum * velocity - decay * lr * weight - lr * g
            weight = weight + velocity
        else:
            velocity = momentum * velocity + (g + decay * weight)
            weight = weight - lr * velocity
    return weight


@pytest.mark.parametrize("rule", ["paper", "pytorch"])
def test_ten_steps_match_the_formula_for_single_numbers(rule, backend, dtype):
    arrays = [gradients(step) for step in range(10)]
    for i, (after, before) in enumerate(zip(train(rule, dtype), parameters(), strict=True)):
        expected = np.empty(before.shape)
        for p in np.ndindex(before.shape):
            expected[p] = by_hand(rule, float(before.numpy()[p]), [g[i][p] for g in arrays])
        assert after.dtype == dtype
        assert relative_error(after, expected) < (1e-5 if dtype == np.float32 else 1e-13)


def test_ten_steps_are_pytorchs(backend, dtype):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    theirs = [torch.tensor(p.numpy().copy(), requires_grad=True) for p in parameters(dtype)]
    sgd = torch.optim.SGD(theirs, **NUMBERS)
    for step in range(10):
        if step == 5:
            sgd.param_groups[0]["lr"] *= 0.1
        for parameter, gradient in zip(theirs, gradients(step, dtype), strict=True):
            parameter.grad = torch.tensor(gradient)
        sgd.step()
    for a, b in zip(train("pytorch", dtype), theirs, strict=True):
        assert relative_error(a, b.detach().numpy()) < (1e-5 if dtype == np.float32 else 1e-13)


def test_the_rules_agree_until_the_rate_changes(backend):
    same = zip(train("paper", np.float64, steps=5), train("pytorch", np.float64, 5), strict=True)
    assert all(relative_error(a, b) < 1e-13 for a, b in same)
    other = zip(train("paper", np.float64, steps=6), train("pytorch", np.float64, 6), strict=True)
    assert all(relative_error(a, b) > 1e-3 for a, b in other)


def test_a_parameter_without_gradient_stays_where_it_is(backend):
    a, b = (tn.Tensor(np.array([2.0]), requires_grad=True) for _ in range(2))
    sgd = tn.optim.SGD([a, b], lr=0.1, momentum=0.9, weight_decay=0.5)
    give_gradients([a], [np.ones(1)])
    sgd.step()
    assert a.item() != 2 and b.item() == 2
    sgd.zero_grad()
    assert a.grad is None


def test_a_step_goes_down_the_hill(backend, dtype):
    x = tn.Tensor(np.array([3, -4], dtype), requires_grad=True)
    sgd = tn.optim.SGD([x], lr=0.1, momentum=0.5)
    for _ in range(100):
        sgd.zero_grad()
        (x * x).sum().backward()
        sgd.step()
    assert np.abs(x.numpy()).max() < 1e-6


@pytest.mark.parametrize("rule", ["paper", "pytorch"])
def test_a_run_that_continues_from_a_state_equals_the_unbroken_run(rule, backend):
    def steps(sgd, ours, numbers):
        for step in numbers:
            give_gradients(ours, gradients(step))
            sgd.step()

    unbroken = parameters()
    steps(tn.optim.SGD(unbroken, rule=rule, **NUMBERS), unbroken, range(6))

    first = parameters()
    sgd = tn.optim.SGD(first, rule=rule, **NUMBERS)
    steps(sgd, first, range(3))
    state = sgd.state_dict()
    second = [tn.Tensor(p.numpy().copy(), requires_grad=True) for p in first]
    resumed = tn.optim.SGD(second, rule=rule, **NUMBERS)
    resumed.load_state_dict(state)
    steps(sgd, first, range(3, 6))  # the state is a copy, which these steps do not change
    steps(resumed, second, range(3, 6))
    for a, b in zip(unbroken, second, strict=True):
        assert a.numpy().tobytes() == b.numpy().tobytes()


def test_a_state_that_does_not_fit_is_refused():
    sgd = tn.optim.SGD(parameters(), lr=0.1)
    with pytest.raises(ValueError, match="1 velocities for 3 parameters"):
        sgd.load_state_dict({"0": np.zeros((3, 7))})
    state = {**sgd.state_dict(), "1": np.zeros(4)}
    with pytest.raises(ValueError, match=r"velocity 1 is float64 \(4,\).*\(5,\)"):
        sgd.load_state_dict(state)


def test_a_parameter_passed_twice_is_refused():
    p = tn.nn.Parameter([1.0])
    with pytest.raises(ValueError, match="passed twice"):
        tn.optim.SGD([p, p], lr=0.1)
    with pytest.raises(ValueError, match="passed twice"):
        tn.optim.SGD([{"parameters": [p]}, {"parameters": [p]}], lr=0.1)


def test_a_new_parameter_never_moves_by_the_velocity_of_a_dead_one():
    for _ in range(50):
        old, kept = (tn.nn.Parameter([1.0]) for _ in range(2))
        sgd = tn.optim.SGD([old, kept], lr=1, momentum=0.9)
        give_gradients([old, kept], [np.ones(1, np.float32)] * 2)
        sgd.step()
        sgd.groups[0]["parameters"].remove(old)
        del old
        new = tn.nn.Parameter([1.0])  # perhaps at the same address
        sgd.groups[0]["parameters"].append(new)
        give_gradients([new], [np.zeros(1, np.float32)])
        sgd.step()
        assert new.item() == 1
        assert len(sgd._velocities) == 2  # the dead one's is freed


def test_frozen_parameters_stay_where_they_are(backend):
    moving, frozen = tn.nn.Parameter([1.0]), tn.nn.Parameter([1.0])
    frozen.requires_grad = False
    sgd = tn.optim.SGD([moving, frozen, tn.Tensor([1.0])], lr=1, weight_decay=0.5)
    give_gradients([moving, frozen], [np.ones(1, np.float32)] * 2)
    sgd.step()
    assert (moving.item(), frozen.item()) == (-0.5, 1)
    frozen.requires_grad = True
    sgd.step()
    assert frozen.item() == -0.5


def test_a_state_is_taken_over_whole_or_not_at_all():
    ours = parameters()
    sgd = tn.optim.SGD(ours, **NUMBERS)
    give_gradients(ours, gradients(0))
    sgd.step()
    before = sgd.state_dict()
    for wrong in (
        {"0": np.zeros((3, 7)), "1": np.zeros(5), "2": np.zeros(3)},
        {"0": np.zeros((3, 7)), "1": np.zeros(5), "3": np.zeros(())},
        {"0": np.zeros((3, 7)), "1": np.zeros(5), "2": "text"},
    ):
        with pytest.raises(ValueError, match="SGD: velocit"):
            sgd.load_state_dict(wrong)
    for name, velocity in sgd.state_dict().items():
        assert np.array_equal(velocity, before[name])


NO_PARAMETERS = {
    "a tensor": lambda: tn.nn.Parameter([1.0, 2.0]),
    "a model": lambda: tn.nn.Linear(2, 2),
    "a state": lambda: tn.nn.Linear(2, 2).state_dict(),
    "arrays": lambda: [np.ones(3, np.float32)],
    "names with parameters": lambda: tn.nn.Linear(2, 2).named_parameters(),
    "an activation": lambda: [tn.nn.Parameter([1.0]) * 2],
    "labels": lambda: [tn.nn.Parameter([1.0]), tn.Tensor([1])],
    "a group and a parameter": lambda: [{"parameters": [tn.nn.Parameter([1.0])]}, tn.Tensor([1.0])],
}


@pytest.mark.parametrize("name", NO_PARAMETERS)
def test_what_cannot_be_moved_is_refused(name):
    with pytest.raises(TypeError, match="SGD: (parameters is a|a parameter|a group is a)"):
        tn.optim.SGD(NO_PARAMETERS[name](), lr=0.1)


def test_numbers_of_another_kind_are_refused():
    for wrong in ({"lr": "0.1"}, {"lr": 0.1, "momentum": None}, {"lr": [0.1]}):
        with pytest.raises(TypeError, match="must be a number"):
            tn.optim.SGD([tn.nn.Parameter([1.0])], **wrong)


def test_a_parameter_in_a_read_only_array_is_refused():
    p = tn.Tensor(np.frombuffer(np.ones(2, np.float32).tobytes(), np.float32))
    if p.backend == "cupy":
        pytest.skip("a GPU has copied it")
    p.requires_grad = True
    with pytest.raises(ValueError, match=r"SGD: .*read-only array; tn.nn.Parameter"):
        tn.optim.SGD([p], lr=0.1)
