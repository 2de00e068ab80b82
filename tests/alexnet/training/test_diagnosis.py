"""The diagnosis: the first layer whose output is not finite, dead ReLUs, and dead starts."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

import alexnet
import tinynet as tn
from alexnet.evaluation.metrics import Metrics
from alexnet.training import diagnosis

pytestmark = pytest.mark.usefixtures("numpy_backend")


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


def metrics(images, correct):
    images, correct = np.array(images), np.array(correct)
    return Metrics(2.0, correct.sum() / images.sum(), 1.0, images, correct)


def test_the_loss_of_guessing_is_the_entropy_of_the_class_frequencies():
    assert diagnosis.guessing_loss(np.array([0, 1, 2, 3] * 5), 4) == pytest.approx(math.log(4))
    # 3/4 ln(4/3) + 1/4 ln 4; class 1 has no image
    assert diagnosis.guessing_loss(np.array([2, 0, 0, 0]), 3) == pytest.approx(0.5623351)


@pytest.mark.parametrize(
    ("loss", "dead"), [(2.0, True), (1.991, True), (1.989, False), (2.2, True), (9.0, True)]
)
def test_a_dead_start_is_a_loss_that_is_no_better_than_guessing(loss, dead):
    assert diagnosis.is_dead_start(loss, 2.0) == dead
    healthy = metrics([10, 5, 5], [8, 0, 1])
    assert diagnosis.is_dead_start(loss, 2.0, healthy) == dead


def test_a_loss_at_the_entropy_of_unequal_classes_is_dead_although_it_is_far_from_ln_classes():
    labels = np.repeat(np.arange(10), [106, 54, 200, 81, 206, 128, 87, 89, 49, 350])
    guessing = diagnosis.guessing_loss(labels, 10)
    assert guessing == pytest.approx(2.11679, abs=1e-5) and math.log(10) - guessing > 0.18
    assert diagnosis.is_dead_start(2.117, guessing)


@pytest.mark.parametrize(
    ("correct", "loss", "dead"),
    [
        ([10, 0, 0], 1.91, True),
        ([10, 0, 0], 1.89, False),
        ([0, 0, 0], 1.91, True),  # the one class has no validation image
        ([9, 0, 0], 1.91, False),
        ([10, 1, 0], 1.91, False),
    ],
)
def test_with_one_class_for_all_validation_images_a_slightly_better_loss_is_dead_too(
    correct, loss, dead
):
    assert diagnosis.is_dead_start(loss, 2.0, metrics([10, 5, 5], correct)) == dead


@pytest.mark.parametrize(
    ("steps", "steps_per_epoch", "judged"),
    [(200, 1000, [200, 400, 800, 1600]), (200, 9, [45, 90, 180, 360, 720, 1440]), (3, 1, [3])],
)
def test_a_start_is_judged_by_steps_or_epochs_and_then_rarely(steps, steps_per_epoch, judged):
    last = 2000 if steps == 200 else 5
    found = [s for s in range(1, last) if diagnosis.is_step_to_judge(s, steps, steps_per_epoch)]
    assert found == judged


def dead_run(model, init, lr, validated=None):
    model = alexnet.build(**(model.build_arguments | {"init": init}))
    return SimpleNamespace(
        model=model, head=model, classes=list("ab"), options=SimpleNamespace(lr=lr), step=45,
        guessing_loss=0.6, validated=validated,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("init", "lr", "bias", "words"),
    [
        (None, 0.01, 1e6, "--init he"),
        (None, 0.001, 1e6, "--init he, or a larger rate, --lr 0.01"),
        (None, 0.01, -1e9, "--init he, or a smaller rate, --lr 0.001"),
        ("he", 0.01, 1e6, "a larger rate, --lr 0.02"),
        ("he", 1e-9, 1e6, "a larger rate, --lr 0.01"),
        ("he", 0.01, -1e9, "a smaller rate, --lr 0.001"),
        ("he", 5.0, -1e9, "a smaller rate, --lr 0.01"),
    ],
)
def test_the_remedy_is_a_flag_that_the_run_does_not_use(model, x, init, lr, bias, words):
    run = dead_run(model, init, lr)
    for name, parameter in run.model.named_parameters():
        if name.endswith("bias"):
            set_values(parameter, 1e6)  # no ReLU is dead
    set_values(run.model.conv4.bias, bias)
    text = diagnosis.describe_dead_start(run, tn.Tensor(x), 0.61, usual_lr=0.01)
    assert text.splitlines()[-1] == f"  what to change, in a new run: {words}"
    assert ("relu4 100%" in text) == (bias < 0)


@pytest.mark.parametrize(
    ("bias", "remedy"), [("conv4", "a larger rate, --lr 0.02"), ("conv5", "a smaller rate, --lr")]
)
def test_the_rate_is_no_cause_of_dead_relus_below_the_first_trained_layer(model, x, bias, remedy):
    run = dead_run(model, "he", 0.01)
    for name, parameter in run.model.named_parameters():
        parameter.requires_grad = name >= "conv5"
        if name.endswith("bias"):
            set_values(parameter, -1e9 if name.startswith(bias) else 1e6)
    last = diagnosis.describe_dead_start(run, tn.Tensor(x), 0.61, usual_lr=0.01).splitlines()[-1]
    assert remedy in last and last.endswith(", or fewer layers in --freeze")


def test_the_report_names_both_losses_and_a_validation_in_one_class(model, x):
    text = diagnosis.describe_dead_start(dead_run(model, "he", 0.01), tn.Tensor(x), 0.61, 0.01)
    assert text.startswith("dead start: after 45 steps the loss is 0.6100; ")
    assert "guessing the classes by their frequency is 0.6000, and ln(2) = 0.6931" in text
    assert "one class" not in text
    run = dead_run(model, "he", 0.01, metrics([3, 5], [0, 5]))
    text = diagnosis.describe_dead_start(run, tn.Tensor(x), 0.61, 0.01)
    assert "all validation images get one class" in text
