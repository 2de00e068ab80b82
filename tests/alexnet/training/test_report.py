"""What is said after a training."""

import time

import pytest

from alexnet.training import report


def test_seconds_since_start_go_on_with_the_clock():
    one, began = report.seconds_since_start(), time.monotonic()
    time.sleep(0.05)
    passed = time.monotonic() - began
    assert one > 0
    assert report.seconds_since_start() - one == pytest.approx(passed, abs=0.02)
