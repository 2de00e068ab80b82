"""The diagnosis: the first layer whose output is not finite, and the share of dead ReLUs."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

import alexnet
import tinynet as tn
from alexnet.training import diagnosis


@pytest.fixture(autouse=True)
def numpy_backend():
    with tn.use_backend("numpy"):
        yield


@pytest.fixture
def model():
    tn.seed(0)
    return alexnet.build("paper", 10, 67, width=0.03, init="he")


@pytest.fixture
def x():
    return np.random.default_rng(0).standard_normal((4, 3, 67, 67)).astype(np.float32)


def set_values(parameter, values):
    array = parameter.numpy().copy()
    array[...] = values
    parameter.data = array


def first(model, x):
    return diagnosis.first_not_finite(model, tn.Tensor(x), tn.random.get_state())


def test_the_layer_whose_weights_are_not_finite_is_named(model, x):
    set_values(model.conv3.bias, np.nan)
    set_values(model.fc6.weight, np.inf)
    text = first(model, x)
    assert "the first layer whose output is not finite is conv3, whose bias" in text


def test_a_layer_that_overflows_with_finite_weights_is_named(model, x):
    set_values(model.conv2.weight, 1e38)
    with np.errstate(all="ignore"):
        text = first(model, 1e3 * x)
    assert text == "the first layer whose output is not finite is conv2"


def test_images_that_are_not_finite_are_named(model, x):
    x[1, 2, 3, 4] = np.inf
    assert "images" in first(model, x)


def test_the_diagnosis_uses_the_dropout_masks_of_the_step(model, x):
    """fc6 has one unit that makes fc7 overflow; the mask of the draw keeps or drops this unit."""
    set_values(model.fc6.weight, 0.0)
    set_values(model.fc6.bias, [3e38] + [0.0] * (len(model.fc6.bias.numpy()) - 1))
    set_values(model.fc7.weight, 3.0)
    outcomes = set()
    for draw in range(0, 20, 2):
        state = {"seed": 0, "dropout_draws": draw}
        tn.random.set_state(state)
        with tn.no_grad(), np.errstate(all="ignore"):
            finite = bool(np.isfinite(model.train()(tn.Tensor(x[:1])).numpy()).all())
            text = diagnosis.first_not_finite(model, tn.Tensor(x[:1]), state)
        assert ("every layer's output is finite" in text) == finite
        outcomes.add(finite)
    assert outcomes == {True, False}


def test_a_relu_is_dead_if_it_is_0_for_the_whole_batch(model, x):
    bias = model.conv1.bias.numpy().copy()
    bias[0] = -1e6
    model.conv1.bias.data = bias
    model.norm1.eval()
    shares = diagnosis.dead_relus(model, tn.Tensor(x))
    assert list(shares) == [f"relu{number}" for number in range(1, 8)]
    channels = len(bias)
    assert 1 / channels <= shares["relu1"] < 1 / channels + 0.2
    assert model.training and not model.norm1.training and model.relu1.training


@pytest.mark.parametrize(("distance", "dead"), [(0.0, True), (0.009, True), (-0.011, False)])
def test_a_dead_start_is_a_loss_within_a_hundredth_of_ln_classes(distance, dead):
    assert diagnosis.is_dead_start(math.log(10) + distance, 10) == dead


@pytest.mark.parametrize(
    ("init", "bias", "words"),
    [
        (None, 1e6, "--init he"),
        (None, -1e9, "--init he, or a smaller rate, --lr 0.001"),
        ("he", 1e6, "a larger rate, --lr 0.02"),
        ("he", -1e9, "a smaller rate, --lr 0.001"),
    ],
)
def test_the_remedy_depends_on_initial_weights_and_dead_relus(model, x, init, bias, words):
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            set_values(parameter, 1e6)  # no ReLU is dead
    set_values(model.conv4.bias, bias)
    options = SimpleNamespace(init=init, lr=0.01)
    text = diagnosis.describe_dead_start(model, tn.Tensor(x), 2.3, 200, options)
    assert text.splitlines()[-1] == f"  what to change: {words}"
    assert ("relu4 100%" in text) == (bias < 0)
