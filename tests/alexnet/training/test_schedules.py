"""The learning rates of each schedule over a training, against their formulas."""

import math

import pytest

from alexnet.training.schedules import PATIENCE, SCHEDULES, milestone_epochs


def rates(name, epochs, steps_per_epoch, lr=0.4, **options):
    schedule = SCHEDULES[name](lr, epochs, steps_per_epoch, **options)
    return [schedule.rate(step) for step in range(epochs * steps_per_epoch)]


def test_constant_stays():
    assert rates("constant", 3, 2) == [0.4] * 6


def test_step_divides_by_ten_after_each_third_of_the_epochs():
    assert rates("step", 6, 2) == pytest.approx([0.4] * 4 + [0.04] * 4 + [0.004] * 4)


def test_step_of_90_epochs_divides_after_30_and_60():
    by_epoch = rates("step", 90, 1)
    assert [by_epoch[e] for e in (29, 30, 59, 60, 89)] == pytest.approx(
        [0.4, 0.04, 0.04, 0.004, 0.004]
    )


def test_multistep_divides_by_ten_after_each_milestone():
    by_step = rates("multistep", 6, 2, milestones=(1, 4))
    assert by_step == pytest.approx([0.4] * 2 + [0.04] * 6 + [0.004] * 4)


def test_the_authors_rates_changed_after_25_51_and_79_epochs():
    by_epoch = rates("multistep", 91, 1, milestones=milestone_epochs("25,51,79"))
    places = (24, 25, 50, 51, 78, 79, 90)
    expected = [0.4, 0.04, 0.04, 0.004, 0.004, 0.0004, 0.0004]
    assert [by_epoch[e] for e in places] == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "0", "3,2", "3,3", "1.5", "-1", "a", "1,,2", "1;2", "٣"])
def test_milestones_are_rising_whole_numbers(text):
    with pytest.raises(ValueError, match="such as 25,51,79"):
        milestone_epochs(text)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("warmup", [0, 0.5, 2])
def test_warmup_rises_to_the_rate_of_every_schedule(name, warmup):
    plain = rates(name, 6, 4, milestones=(4,))
    warmed = rates(name, 6, 4, milestones=(4,), warmup=warmup)
    steps = int(warmup * 4)
    factors = [(step + 1) / steps for step in range(steps)] + [1] * (24 - steps)
    assert warmed == [rate * factor for rate, factor in zip(plain, factors, strict=True)]


def test_cosine_is_half_a_wave_from_lr_to_zero():
    by_step = rates("cosine", 4, 5)
    assert by_step[0] == 0.4 and by_step[10] == pytest.approx(0.2)
    assert by_step[5] == pytest.approx(0.4 * (1 + math.sqrt(0.5)) / 2)
    assert 0 < by_step[-1] < 0.01
    assert by_step == sorted(by_step, reverse=True)


def plateau_after(errors):
    schedule = SCHEDULES["plateau"](1.0, 90, 1)
    by_epoch = []
    for error in errors:
        schedule.epoch_ended(error)
        by_epoch.append(schedule.rate(0))
    return by_epoch


def test_plateau_waits_for_epochs_without_a_smaller_error():
    falling = [0.5 - 0.01 * e for e in range(20)]
    assert plateau_after(falling) == [1.0] * 20
    assert plateau_after([0.5] + [0.5] * PATIENCE) == [1.0] * PATIENCE + [0.1]


def test_plateau_restarts_its_wait_after_a_smaller_error():
    errors = [0.5] + [0.6] * (PATIENCE - 1) + [0.4] + [0.4] * (PATIENCE - 1)
    assert plateau_after(errors) == [1.0] * len(errors)


def test_plateau_divides_three_times_at_most():
    by_epoch = plateau_after([0.5] + [0.5] * (5 * PATIENCE))
    assert by_epoch[-1] == pytest.approx(0.001)
    assert len(set(by_epoch)) == 4


def test_plateau_continues_from_its_state():
    one, other = (SCHEDULES["plateau"](1.0, 90, 1) for _ in range(2))
    for error in [0.5] * PATIENCE:
        one.epoch_ended(error)
    other.set_state(one.state())
    for schedule in (one, other):
        schedule.epoch_ended(0.5)
    assert one.rate(0) == other.rate(0) == 0.1


def test_plateau_never_divides_in_a_dead_start():
    schedule = SCHEDULES["plateau"](1.0, 90, 1)
    for _ in range(5 * PATIENCE):
        schedule.epoch_ended(0.7, dead_start=True)
    assert schedule.rate(0) == 1.0
    # The first epochs that learn may have a larger error than guessing had.
    by_epoch = []
    for error in [0.8] + [0.8] * PATIENCE:
        schedule.epoch_ended(error)
        by_epoch.append(schedule.rate(0))
    assert by_epoch == [1.0] * PATIENCE + [0.1]


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_is_told_of_a_dead_start(name):
    schedule = SCHEDULES[name](0.4, 3, 2)
    before = [schedule.rate(step) for step in range(6)]
    schedule.epoch_ended(0.7, dead_start=True)
    assert [schedule.rate(step) for step in range(6)] == before
