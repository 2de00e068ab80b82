"""Times and intervals as a user writes them."""

import pytest

from alexnet.training.durations import save_interval, seconds_of


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("45s", 45), ("90m", 5400), ("2h", 7200), ("1h30m", 5400), ("1h1m1s", 3661), ("1.5h", 5400),
     ("0.5s", 0.5)],
)  # fmt: skip
def test_hours_minutes_and_seconds_are_added(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "h", "0s", "0h0m", "-1s", "30m1h", "1h 30m", "2d", "1.2.3h", ".h", "1e3s", "９s",
     "9" * 20 + "h"],
)  # fmt: skip
def test_what_is_no_time_is_an_error_that_shows_one(text):
    with pytest.raises(ValueError, match="does not fit; a time, such as 45s, 90m"):
        seconds_of(text)


def test_a_number_without_a_unit_is_no_time():
    with pytest.raises(ValueError, match="'500' has no unit; a time, such as"):
        seconds_of("500")


def test_an_interval_between_saves_is_in_steps_or_in_time():
    assert save_interval("500") == (500, None)
    assert save_interval("10m") == (None, 600)


@pytest.mark.parametrize("text", ["0", "9" * 30, "５", "5 steps", "m"])
def test_what_is_no_interval_is_an_error(text):
    with pytest.raises(ValueError, match="does not fit"):
        save_interval(text)
