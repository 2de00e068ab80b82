"""Which rank is slow: own seconds without waits, compared once a minute."""

from types import SimpleNamespace

import pytest

from alexnet.training import pace
from alexnet.training.pace import Pace


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(value=100.0)
    monkeypatch.setattr(pace, "time", SimpleNamespace(monotonic=lambda: now.value))
    return now


def make(size=3):
    ranks = SimpleNamespace(size=size, waited=0.0, hosts=["a", "b", "c"][:size])
    loader = SimpleNamespace(waited=0.0)
    return Pace(ranks, loader), ranks, loader


def test_own_seconds_leave_out_waits_for_ranks_and_for_images(clock):
    own, ranks, loader = make()
    clock.value += 5
    ranks.waited += 1.5
    loader.waited += 0.5
    assert own.own_seconds() == pytest.approx(3.0)
    clock.value += 2
    own.restart()  # a validation is no part of a step
    clock.value += 1
    assert own.own_seconds() == pytest.approx(1.0)


def test_the_slow_rank_is_named_once_a_minute(clock):
    own, _, _ = make()
    said = []
    for _ in range(130):
        clock.value += 1
        said.append(own.report([1.0, 2.0, 1.0]))
    assert [second for second, line in enumerate(said, 1) if line] == [60, 120]
    assert said[59].startswith("rank 1 on b is slow: its steps take 2.0 times")


def test_small_differences_are_not_told(clock):
    own, _, _ = make(2)
    clock.value += 61
    assert own.report([1.0, 1.2]) == ""
