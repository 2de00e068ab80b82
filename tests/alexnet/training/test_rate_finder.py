"""The sweep of the rate: its rates, where it stops, the smoothed loss, the suggestion."""

import io
import itertools
from types import SimpleNamespace

import numpy as np
import pytest

import tinynet as tn
from alexnet.errors import NotFinite
from alexnet.train import take_step
from alexnet.training import rate_finder
from alexnet.training.features import batches_for
from tests.alexnet.small_training import make_run

pytestmark = pytest.mark.usefixtures("numpy_backend")


def swept(loss_at, steps=40):
    """What a sweep yields whose step has this loss: loss_at(number of the step)."""
    taken = itertools.count()

    def step(model, optimizer, x, labels, lr):
        return tn.Tensor(np.float32(loss_at(next(taken)))), None

    class Batches:
        def epoch(self, number):
            return iter([(f"{number}.{batch}", None) for batch in range(3)])

    run = SimpleNamespace(head=None, optimizer=None, guessing_loss=1.0)
    return list(rate_finder.sweep(run, step, Batches(), steps))


def found(losses):
    """The Sweep of these losses, up to the last rate."""
    rates = np.geomspace(1e-6, 10, len(losses))
    return rate_finder.smooth(list(zip(rates, losses, strict=True)), len(losses))


def test_rates_rise_by_one_factor_over_as_many_epochs_as_it_takes():
    rates = [rate for rate, _ in swept(lambda step: 1.0)]
    assert rates == pytest.approx(np.geomspace(1e-6, 10, 40))


@pytest.mark.parametrize(("start", "limit"), [(3.0, 6.0), (0.5, 2.0)])  # guessing has 1.0
def test_a_sweep_stops_when_five_losses_are_twice_the_start_or_guessing(start, limit):
    for above, count in ((1.01, 15), (0.99, 40)):
        level = [start] * 10 + [above * limit] * 30
        pairs = swept(lambda step, level=level: level[step])
        assert len(pairs) == count
    assert found(level).end == "last"


@pytest.mark.parametrize("loss", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_stops_a_sweep_and_is_left_out(loss):
    pairs = swept(lambda step: loss if step == 12 else 1.0)
    assert len(pairs) == 13
    result = rate_finder.smooth(pairs, 40)
    assert len(result.losses) == 12 and np.isfinite(result.smoothed).all()
    assert result.end == "exploded"


def test_a_first_loss_that_is_not_finite_is_an_error():
    with pytest.raises(NotFinite, match="the loss of the first step, .* is nan"):
        rate_finder.smooth(swept(lambda step: np.nan), 40)


def test_a_sweep_stops_when_the_images_are_learned_by_heart():
    pairs = swept(lambda step: 2.0 if step < 20 else 0.039)
    assert len(pairs) == 25
    assert rate_finder.smooth(pairs, 40).end == "learned"


def test_the_smoothed_loss_is_a_mean_by_hand_and_does_not_lag():
    losses = np.random.default_rng(0).normal(1, 0.1, 30)
    smoothed = found(losses).smoothed
    for k in (0, 3, 15, 29):
        near = [j for j in range(-8, 9) if 0 <= k + j < 30]
        weights = [1 - abs(j) / 9 for j in near]
        assert smoothed[k] == pytest.approx(
            np.average(losses[[k + j for j in near]], None, weights)
        )
    valley = found(np.abs(np.arange(61) - 40.0))
    assert valley.smoothed.argmin() == 40


def test_the_suggestion_is_a_tenth_of_the_rate_at_the_smallest_smoothed_loss():
    steps = np.arange(201)
    losses = np.where(steps < 60, 1.0, 1 - (steps - 60) / 100)
    losses = np.where(steps > 150, 0.1 + (steps - 150) ** 2.0, losses)
    result = found(losses)
    assert 130 < result.best() <= 150
    assert result.suggestion() == float(f"{result.rates[result.best()] / 10:.1e}")
    assert result.start() == 1.0


def test_of_a_flat_valley_the_largest_rate_counts():
    """Its floor differs by less than the noise at the start; the wall behind it does not count."""
    steps, noise = np.arange(200), np.random.default_rng(0).normal(0, 0.08, 200)
    floor = np.where(steps < 100, 1.0, 1.005)  # a little lower at its beginning
    losses = np.where(steps < 60, 2.0 + noise, np.where(steps < 150, floor, 3.0))
    assert 130 < found(losses).best() < 150
    assert found(np.where(steps < 60, 2.0, losses)).best() < 100


def test_a_loss_that_falls_by_noise_alone_suggests_nothing():
    for seed in range(20):
        noise = np.random.default_rng(seed).normal(1.1, 0.05, 200)
        assert found(noise).suggestion() is None
    assert found(np.full(200, 1.1) - 0.02 * (np.arange(200) > 100)).suggestion() is None
    assert found(np.full(200, 1.1) - 0.03 * (np.arange(200) > 100)).suggestion() is not None
    assert found(noise - 0.2 * (np.arange(200) > 100)).suggestion() is not None


def test_the_curve_as_text_has_rates_losses_and_bars():
    rows = rate_finder.lines(found(np.linspace(2, 1, 100)))
    assert len(rows) == rate_finder.ROWS
    rate, loss, bar = rows[0].split(maxsplit=2)
    assert (float(rate), float(loss)) == (1e-6, pytest.approx(2, abs=0.05))
    assert bar.startswith("#" * rate_finder.BAR)
    assert rows[-1].split()[:1] == ["1.0e+01"] and "#" not in rows[-1]
    assert len(rate_finder.lines(found(np.ones(3)))) == 3


def test_the_picture_is_a_png():
    pytest.importorskip("matplotlib")
    for losses in (np.linspace(2, 1, 100), np.ones(5)):
        file = io.BytesIO()
        rate_finder.draw(found(losses), file)
        assert file.getvalue()[:4] == b"\x89PNG"


# --- small networks ---

NETWORKS = {
    "paper": "--image-size 67 --width 0.03 --init he",
    "tanh": "--spec cifar10 --image-size 16 --width 0.25 --init glorot --activation tanh "
    "--norm none",
    "batch norm": "--spec cifar10 --image-size 16 --width 0.25 --init he --norm batch",
}


def new_run(images, folder, name):
    """(a run, its training batches)."""
    run = make_run(images, folder, "--workers", "0", *NETWORKS[name].split())
    run.choose_inputs()
    training, _ = batches_for(run, iter)
    return run, training


def swept_network(images, folder, name, steps=40):
    run, training = new_run(images, folder, name)
    return rate_finder.smooth(list(rate_finder.sweep(run, take_step, training, steps)), steps)


def losses_at(rate, images, folder, name):
    """The losses of 16 steps at this rate."""
    run, training = new_run(images, folder, name)
    batches = itertools.chain.from_iterable(map(training.epoch, itertools.count()))
    return [
        take_step(run.head, run.optimizer, x, labels, rate)[0].item()
        for _, (x, labels) in zip(range(16), batches, strict=False)
    ]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_training_at_the_suggested_rate_beats_a_tenth_of_it_and_does_not_diverge(
    images, tmp_path, name
):
    rate = swept_network(images, tmp_path / "sweep", name).suggestion()
    assert 1e-4 < rate < 1
    at, below = (losses_at(lr, images, tmp_path / f"{lr:g}", name) for lr in (rate, rate / 10))
    assert np.isfinite(at).all() and max(at) < 2 * at[0]
    assert np.mean(at[-8:]) < 0.8 * at[0]
    assert np.mean(at[-8:]) < 0.9 * np.mean(below[-8:])


def test_a_sweep_has_the_same_losses_each_time(images, tmp_path):
    one, other = (swept_network(images, tmp_path / name, "tanh", 20) for name in ("a", "b"))
    assert one.losses.tolist() == other.losses.tolist() and len(one.losses) == 20
