"""Frozen layers record nothing and keep their numbers; scaled layers move by their own rate."""

import weakref
from types import SimpleNamespace

import numpy as np
import pytest

import alexnet
import tinynet as tn
from alexnet.evaluation.metrics import evaluate
from alexnet.network.plan import plan
from alexnet.train import take_step
from alexnet.training.frozen import (
    bias_rate,
    freeze,
    frozen_layers,
    parameter_groups,
    rate_factors,
)

pytestmark = pytest.mark.usefixtures("numpy_backend")

LR = 0.01


def built(spec="paper", frozen=None, scale=None, **biases):
    """(model, SGD's groups): a small network with these layers frozen and scaled."""
    tn.seed(3)
    model = alexnet.build(spec, num_classes=7, image_size=67, width=0.05, init="he")
    layers = plan(model.spec, model.num_classes, model.image_size)
    options = SimpleNamespace(freeze=frozen, lr_scale=scale)
    freeze(model, frozen_layers(options, layers))
    return model, parameter_groups(model, rate_factors(options, layers), **biases)


def batch(images=3):
    generator = np.random.default_rng(0)
    x = tn.Tensor(generator.standard_normal((images, 3, 67, 67)).astype(np.float32))
    return x, tn.Labels(generator.integers(0, 7, images), 7)


def step(model, groups, steps=1, lr=LR, **arguments):
    optimizer = tn.optim.SGD(groups, lr, momentum=0.9, weight_decay=5e-4, **arguments)
    for _ in range(steps):
        take_step(model, optimizer, *batch(), lr)
    return model.state_dict()


# --- frozen ---------------------------------------------------------------------------------------


def test_no_op_below_the_first_trained_layer_is_recorded():
    model, _ = built(frozen="conv1-conv4")
    x, _ = batch()
    recorded = {}
    for name, layer in model:
        x = layer(x)
        recorded[name] = x.requires_grad
        assert (x._node is not None) == x.requires_grad
    names = list(recorded)
    first = names.index("conv5")
    assert not any(recorded[name] for name in names[:first])
    assert all(recorded[name] for name in names[first:])


def alive_after_forward(monkeypatch, frozen):
    """The names of the layers whose output lives after the forward pass, and for each max-pool,
    whether its switches do."""
    model, _ = built(frozen=frozen)
    kernels, switches = tn.get_backend("numpy"), []
    pool = kernels.max_pool2d

    def max_pool2d(x, window, stride, padding, y, where):
        switches.append(weakref.ref(where))
        pool(x, window, stride, padding, y, where)

    x, _ = batch()
    outputs = {}
    with monkeypatch.context() as patch:
        patch.setattr(kernels, "max_pool2d", max_pool2d)
        for name, layer in model:
            x = layer(x)
            outputs[name] = weakref.ref(x.data)
    alive = [name for name, output in outputs.items() if output() is not None]
    return alive, [where() is not None for where in switches]


def test_activations_and_switches_below_the_first_trained_layer_are_released(monkeypatch):
    alive, switches = alive_after_forward(monkeypatch, None)
    assert {"relu1", "pool1", "relu5", "relu7"} <= set(alive)
    assert switches == [True, True, True]
    alive, switches = alive_after_forward(monkeypatch, "conv1-conv4")
    assert alive[0] == "relu4" and "relu5" in alive  # conv5 reads relu4's output
    assert switches == [False, False, True]
    alive, switches = alive_after_forward(monkeypatch, "conv1-fc7")
    assert alive == ["dropout7", "fc8"] and switches == [False] * 3


def test_frozen_layers_keep_their_bits_and_the_others_move():
    before = built()[0].state_dict()
    model, groups = built(frozen="conv1-conv3,fc6")  # fc6: between trained layers
    after = step(model, groups, steps=3)
    moved = {name for name, array in after.items() if not np.array_equal(array, before[name])}
    assert moved == {
        f"{layer}.{kind}" for layer in ("conv4", "conv5", "fc7", "fc8")
        for kind in ("weight", "bias")
    }  # fmt: skip
    assert all(p.grad is None for p in model.parameters() if not p.requires_grad)


def test_a_frozen_layer_passes_the_gradient_to_the_layers_below_it():
    x, labels = batch()
    gradients = []
    for frozen in (None, "fc6-fc8"):
        model, _ = built(frozen=frozen)
        tn.seed(5)  # the same dropout masks
        tn.softmax_cross_entropy(model(x), labels).backward()
        gradients.append(model.conv1.weight.grad)
    assert np.abs(gradients[0]).max() > 0
    assert np.array_equal(*gradients)


def test_a_frozen_batch_norm_keeps_its_statistics_also_after_a_validation():
    before = built("batch-norm")[0].state_dict()
    model, groups = built("batch-norm", frozen="conv1-norm2,norm4")
    step(model, groups)
    evaluate(model, [batch()], 7)
    after = step(model, groups)
    for number in range(1, 6):
        for name in ("running_mean", "running_var", "weight", "bias"):
            name = f"norm{number}.{name}"
            assert np.array_equal(after[name], before[name]) == (number in (1, 2, 4)), name


def test_a_frozen_batch_norm_computes_with_its_running_statistics():
    model, _ = built("batch-norm", frozen="norm1")
    x, _ = batch()
    y = model.relu1(model.conv1(x))
    expected = y.numpy() / np.sqrt(np.float32(1 + 1e-3))  # mean 0, variance 1 at first
    assert model.norm1(y).numpy() == pytest.approx(expected, rel=1e-5)


def test_dropout_between_frozen_layers_goes_on_as_in_training():
    model, groups = built(frozen="conv1-fc7")
    draws = tn.random.get_state()["dropout_draws"]
    dropped = model.dropout6(tn.Tensor(np.ones((4, 50), np.float32))).numpy() == 0
    assert 0.2 < dropped.mean() < 0.8
    step(model, groups)
    assert tn.random.get_state()["dropout_draws"] == draws + 3


def test_the_velocities_of_trained_parameters_keep_the_order_of_the_network():
    model, groups = built(frozen="conv2,fc7", scale="conv3=2,fc6=2,fc8=10")
    shapes = [p.shape for p in model.parameters() if p.requires_grad]
    velocities = tn.optim.SGD(groups, LR).state_dict()
    assert list(velocities) == [str(number) for number in range(12)]
    assert [array.shape for array in velocities.values()] == shapes
    # Without conv2 conv1 has no neighbour of its rate, nor conv3.
    scales = [(len(group["parameters"]), group["lr_scale"]) for group in groups]
    assert scales == [(2, 1.0), (2, 2.0), (4, 1.0), (2, 2.0), (2, 10.0)]


def test_without_factors_all_parameters_are_one_group():
    model, groups = built()
    assert groups == [{"parameters": model.parameters(), "lr_scale": 1.0}]


# --- a rate of its own ----------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["paper", "pytorch"])
@pytest.mark.parametrize("factor", [10.0, 0.1])
def test_the_first_step_of_a_scaled_layer_is_the_step_at_that_rate(rule, factor):
    scaled = step(*built(scale=f"conv2-conv3={factor}"), rule=rule)
    plain = step(*built(), rule=rule)
    faster = step(*built(), lr=float(np.float32(LR) * np.float32(factor)), rule=rule)
    for name in scaled:
        expected = faster if name.startswith(("conv2", "conv3")) else plain
        assert np.array_equal(scaled[name], expected[name]), name
    assert not np.array_equal(plain["conv2.weight"], faster["conv2.weight"])


@pytest.mark.parametrize("rule", ["paper", "pytorch"])
def test_a_factor_of_4_makes_the_first_move_4_times_as_large(rule):
    """Powers of two round nothing, so the moves have the same digits. Weights of 0 show them."""
    moves = []
    for scale in (None, "fc8=4"):
        model, groups = built(scale=scale)
        model.fc8.bias.data = np.zeros(7, np.float32)
        moves.append(step(model, groups, rule=rule)["fc8.bias"])
    assert np.abs(moves[0]).min() > 0
    assert np.array_equal(moves[1], 4 * moves[0])


# --- biases ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"), [("2x", (2, None)), ("0x", (0, None)), ("0.02", (1, 0.02)), ("0", (1, 0))]
)
def test_a_rate_of_biases_is_a_factor_or_a_number(text, expected):
    assert bias_rate(text) == expected


@pytest.mark.parametrize("text", ["", "x", "-1x", "nan", "inf", "infx", "2X", "twice", "2xx"])
def test_another_rate_of_biases_is_an_error(text):
    with pytest.raises(ValueError, match="fits, got"):
        bias_rate(text)


def test_biases_have_groups_of_their_own_in_the_order_of_the_network():
    model, groups = built(frozen="conv1", scale="fc8=10", bias_lr="2x", decay_biases=False)
    trained = [p for p in model.parameters() if p.requires_grad]
    assert [p for group in groups for p in group["parameters"]] == trained
    sgd = tn.optim.SGD(groups, LR, weight_decay=5e-4)
    settings = [(group["lr_scale"], group["weight_decay"]) for group in sgd.groups]
    assert settings == [(1, 5e-4), (2, 0)] * 6 + [(10, 5e-4), (20, 0)]


def test_biases_with_a_constant_rate_keep_it_and_their_layers_factor():
    _, groups = built(scale="fc8=10", bias_lr="0.02")
    sgd = tn.optim.SGD(groups, LR)
    rates = [(group["lr"], group["own_lr"], group["lr_scale"]) for group in sgd.groups[-3:]]
    assert rates == [(0.02, True, 1), (LR, False, 10), (0.02, True, 10)]


def test_the_shift_of_a_batch_norm_is_a_bias_and_its_scale_is_a_weight():
    model, groups = built("batch-norm", decay_biases=False)
    decays = {id(p): group.get("weight_decay") for group in groups for p in group["parameters"]}
    assert decays[id(model.norm1.weight)] is None and decays[id(model.norm1.bias)] == 0


def test_a_step_of_scaled_biases_is_the_step_at_that_rate():
    doubled, plain = step(*built(bias_lr="2x")), step(*built())
    faster, constant = step(*built(), lr=2 * LR), step(*built(bias_lr=str(2 * LR)))
    for name in plain:
        expected = faster if name.endswith(".bias") else plain
        assert np.array_equal(doubled[name], expected[name]), name
        assert np.array_equal(constant[name], expected[name]), name
    assert not np.array_equal(plain["conv2.bias"], faster["conv2.bias"])


# --- choices that do not fit ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frozen", "scale", "message"),
    [
        ("conv1-fc8", None, "every layer is frozen; leave one to train, for example fc8"),
        ("conv1-pool5,fc6-fc8", None, "every layer is frozen"),
        ("conv9", None, "no layer 'conv9'"),
        ("conv1-conv3", "conv3-conv4=2", "frozen by --freeze, so without a rate: conv3; leave"),
        (None, "conv9=2", "no layer 'conv9'"),
    ],
)
def test_a_choice_that_does_not_fit_is_an_error_in_words(frozen, scale, message):
    with pytest.raises(ValueError, match=message):
        built(frozen=frozen, scale=scale)
