"""studies/measures.py: one number from the lines of a log."""

import math

import pytest

from alexnet.studies.measures import MEASURES, WINDOW, thinned


def epochs(training, validation=None):
    """The lines of epochs with these errors in %."""
    validation = validation or training
    return [
        {"train_top1": 1 - train / 100, "val_top1": 1 - val / 100}
        for train, val in zip(training, validation, strict=True)
    ]


def steps(losses):
    return [{"train_loss": loss, "images_per_second": 1.0} for loss in losses]


def test_errors_are_those_of_the_last_epoch():
    lines = [*steps([9.0]), *epochs([60, 40], [70, 55])]
    assert MEASURES["validation error"].of(lines, 10).number == pytest.approx(55)
    assert MEASURES["training error"].of(lines, 10).number == pytest.approx(40)


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ([45, 35, 15], 2.0),  # half-way between the middles of epochs 2 and 3
        ([45, 25], 1.5),
        ([20], 0.5 * (90 - 25) / (90 - 20)),  # from chance at 0 to the middle of epoch 1
        ([30, 20, 40, 10], 1.0),  # the first time
    ],
)
def test_the_target_is_reached_on_the_line_between_two_epochs(errors, expected):
    value = MEASURES["epochs to 25 % training error"].of(epochs(errors), 10)
    assert value.reached and value.number == pytest.approx(expected)


def test_a_target_that_is_not_reached_is_no_number_of_epochs():
    value = MEASURES["epochs to 25 % training error"].of(epochs([60, 26]), 10)
    assert not value.reached and value.number == 2


def test_steps_at_chance_end_where_the_mean_loss_of_a_window_leaves_it():
    chance = math.log(10)
    measure = MEASURES["steps at ln(classes)"].of
    value = measure(steps([chance] * 100 + [chance - 0.5] * 100), 10)
    # 50 steps of which more than a fifth are 0.5 lower: from 11 of them on
    assert value.reached and value.number == 100 + 11 - WINDOW
    assert measure(steps([0.5] * 60), 10).number == 0
    dead = measure(steps([chance, chance - 0.15] * 100), 10)  # 0.075 below: noise
    assert not dead.reached and dead.number == 200
    assert measure(steps([math.log(3)] * 100), 10).reached  # 3 classes are another chance
    assert not measure(steps([math.log(3)] * 100), 3).reached


def test_thinned_numbers_are_means_of_neighbours():
    assert thinned([1.0, 3.0, 5.0, 7.0, 9.0], most=3) == [2.0, 6.0, 9.0]
    assert thinned([1.0, 3.0], most=3) == [1.0, 3.0]
    assert len(thinned([0.0] * 3515)) == 98
