"""studies/study_files.py: the picture shows what the claim measures, at its place."""

import math

import pytest

from alexnet.studies import study_files
from alexnet.studies.claims import CLAIMS
from alexnet.studies.measures import thinned
from alexnet.studies.outcome import Trial

figure = pytest.importorskip("matplotlib.figure", reason="matplotlib draws")


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are saved."""
    figures = []
    monkeypatch.setattr(figure.Figure, "savefig", lambda self, *_, **__: figures.append(self))
    return figures


def trial(arm, seed, errors, losses):
    return Trial(arm, seed, 1.0, True, errors, errors[::-1], thinned(losses), len(losses), 60.0)


def test_steps_at_chance_are_drawn_as_losses_over_the_steps(drawn, tmp_path):
    first = trial("he", 0, [50.0], [1.0] * 250)  # 84 means over 3 steps, the last over 1
    second = trial("he", 1, [50.0], [3.0] * 250)
    study_files.draw(tmp_path, "a", CLAIMS["initialisation"], [first, second], 7)
    (axes,) = drawn[0].axes
    curve, chance = axes.lines
    assert list(curve.get_xdata()[:3]) == [1.5, 4.5, 7.5] and len(curve.get_xdata()) == 84
    assert set(curve.get_ydata()) == {2.0}
    assert curve.get_label() == "he (2 seeds)"
    assert set(chance.get_ydata()) == {math.log(7)}


def test_errors_are_drawn_over_the_epochs_and_the_target_where_there_is_one(drawn, tmp_path):
    trials = [trial("relu", 0, [60.0, 20.0], [1.0]), trial("relu", 1, [40.0, 30.0], [1.0])]
    study_files.draw(tmp_path, "a", CLAIMS["relu-vs-tanh"], trials, 10)
    left, right = drawn[0].axes
    curve, target = left.lines
    assert list(curve.get_xdata()) == [0.5, 1.5] and list(curve.get_ydata()) == [50, 25]
    assert set(target.get_ydata()) == {25.0}
    (curve,) = right.lines
    assert list(curve.get_xdata()) == [1, 2] and list(curve.get_ydata()) == [25, 50]
    others = [trial("3 over 2", 0, [60.0, 20.0], [1.0])]
    study_files.draw(tmp_path, "b", CLAIMS["overlapping-pooling"], others, 10)
    assert len(drawn[1].axes[0].lines) == 1  # no target
