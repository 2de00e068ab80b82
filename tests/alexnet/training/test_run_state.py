"""The parts of a run: batches in another order each epoch, normalisation, number of steps."""

import numpy as np
import pytest

from alexnet.data.normalization import normalization_of
from alexnet.data.pixel_sums import sums_of
from alexnet.data.principal_colours import PrincipalColours
from alexnet.evaluation.metrics import Metrics
from alexnet.training.schedules import PATIENCE
from tests.alexnet.small_training import make_run

pytestmark = pytest.mark.usefixtures("numpy_backend")


def test_each_epoch_has_another_order_and_only_full_batches(images, tmp_path):
    run = make_run(images, tmp_path)
    orders = [[labels.tolist() for _, labels in run.batches.epoch(number)] for number in (0, 1)]
    assert orders[0] != orders[1]
    assert [len(labels) for labels in orders[0]] == [8] * 4
    assert all(len(set(labels)) > 1 for labels in orders[0])


def test_validation_uses_the_middle_of_the_images_that_training_crops(images, tmp_path):
    run = make_run(images, tmp_path)
    assert run.batches.stored_size == run.validation.stored_size == 76
    assert run.batches.augment == "crop" and run.validation.augment == "none"


def test_with_he_the_inputs_have_mean_0_and_deviation_1(images, tmp_path):
    run = make_run(images, tmp_path)
    run.choose_inputs()
    assert run.normalization.mean.shape == (3, 67, 67)
    batches = [run.normalization(x) for x, _ in run.batches.epoch(0)]
    x = np.concatenate(batches)
    assert x.mean(axis=(0, 2, 3)) == pytest.approx(0, abs=0.2)
    assert x.std(axis=(0, 2, 3)) == pytest.approx(1, abs=0.1)


def test_with_the_published_weights_the_inputs_are_not_divided(images, tmp_path):
    run = make_run(images, tmp_path, "--init", "published")
    run.choose_inputs()
    assert run.normalization.divisor.tolist() == np.ones((3, 1, 1)).tolist()


def test_a_spec_with_its_own_mean_and_deviation_is_normalised_with_them(images, tmp_path):
    run = make_run(images, tmp_path, "--spec", "torchvision")
    run.choose_inputs()
    expected = 255 * np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])
    assert run.normalization.mean.ravel() == pytest.approx(expected[0])
    assert run.normalization.divisor.ravel() == pytest.approx(expected[1])


@pytest.mark.parametrize("mean", ["image", "channel", "imagenet"])
def test_another_mean_than_the_specs_is_taken_from_the_flag(images, tmp_path, mean):
    spec, init = ("torchvision", "published") if mean != "imagenet" else ("paper", "he")
    run = make_run(images, tmp_path, "--spec", spec, "--init", init, "--mean", mean)
    run.choose_inputs()
    own = normalization_of(sums_of(run.train_set, 76), 67)
    assert run.normalization.mean.shape == ((3, 67, 67) if mean == "image" else (3, 1, 1))
    expected = {"imagenet": 255 * np.array([0.485, 0.456, 0.406])}
    measured = run.normalization.mean.mean(axis=(1, 2))
    assert measured == pytest.approx(expected.get(mean, own.mean.mean(axis=(1, 2))))
    assert (run.normalization.divisor == 1).all() == (mean != "imagenet")


def test_the_change_of_colour_follows_the_training_images(images, tmp_path):
    run = make_run(images, tmp_path, "--augment", "alexnet")
    run.choose_inputs()
    colours = PrincipalColours.of(sums_of(run.train_set, 76).covariance)
    assert run.colours.components.tolist() == colours.components.tolist()
    assert run.colours.divisor == 1
    authors = make_run(images, tmp_path / "authors", "--augment", "alexnet", "--spec", "code-2012")
    authors.choose_inputs()
    assert authors.colours.divisor == 1.1
    other = make_run(images, tmp_path / "other", "--augment", "crop")
    other.choose_inputs()
    assert other.colours is None
    assert np.array_equal(other.normalization.mean, run.normalization.mean)


def test_a_data_set_smaller_than_a_batch_is_one_batch(images, tmp_path):
    run = make_run(images, tmp_path, "--batch-size", "1000")
    assert [len(labels) for _, labels in run.batches.epoch(0)] == [36]


@pytest.mark.parametrize(
    ("flags", "total"), [([], 12), (["--max-steps", "5"], 5), (["--max-steps", "99"], 12)]
)
def test_steps_end_with_the_epochs_or_max_steps(images, tmp_path, flags, total):
    run = make_run(images, tmp_path, *flags)
    assert (run.total_steps, run.steps_left()) == (total, total)


@pytest.mark.parametrize(
    ("loss", "correct", "rate"),
    [
        (1.1, [4, 0, 0], 0.02),  # ln(3) = 1.0986
        (1.06, [4, 0, 0], 0.02),
        (1.1, [2, 1, 1], 0.02),
        (1.06, [2, 1, 1], 0.002),
        (1.0, [4, 0, 0], 0.002),
    ],
)
def test_a_plateau_divides_the_rate_only_once_the_network_does_more_than_guess(
    images, tmp_path, loss, correct, rate
):
    run = make_run(images, tmp_path, "--epochs", "90")
    metrics = Metrics(1.1, sum(correct) / 12, 1.0, np.array([4, 4, 4]), np.array(correct))
    for _ in range(PATIENCE + 1):
        run.sums = {"images": 32, "loss": 32 * loss, "top1": 11}
        run.count_epoch(metrics)
    assert run.schedule.rate(run.step) == pytest.approx(rate)
    assert run.validated is metrics
