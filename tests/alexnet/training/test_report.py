"""The report after a training: the seconds since the start."""

import time

import pytest

from alexnet.training import report


def test_seconds_since_start_follow_the_clock():
    first, start = report.seconds_since_start(), time.monotonic()
    time.sleep(0.05)
    elapsed = time.monotonic() - start
    assert first > 0
    assert report.seconds_since_start() - first == pytest.approx(elapsed, abs=0.02)
