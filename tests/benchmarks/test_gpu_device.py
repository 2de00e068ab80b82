"""Times and rates of a GPU, by a clock that is told what to say."""

import numpy as np

from benchmarks import (
    gpu_device,
)
from tests.benchmarks.gpu_clock import Clock


def test_the_time_of_a_part_is_that_between_its_marks():
    queued = []
    device = Clock(ticks=[1.0, 3.0, 3.5], behind=2)
    timed = gpu_device.seconds(device, lambda: queued.append("a"), lambda: queued.append("b"))
    assert (timed.seconds, timed.device_bound, queued) == ([2.0, 0.5], False, ["a", "b"])
    device = Clock(ticks=[1.0, 2.0], behind=2)
    assert gpu_device.seconds(device, lambda: None, behind=2).device_bound


def test_rates_are_those_of_the_faster_library():
    # Each library runs once before it is timed: marks 0 and 9.
    slow = Clock(ticks=[0, 9, 0, 10, 14, 22])  # 1000 FLOP in 10, 4 and 8 seconds
    fast = Clock(ticks=[0, 9, 0, 3, 7, 9])
    assert gpu_device.product_rate([slow, fast], runs=3) == 1000 / 2
    slow = Clock(ticks=[0, 9, 0, 10, 14, 22])
    fast = Clock(ticks=[0, 9, 0, 3, 7, 9])
    assert gpu_device.copy_rate([slow, fast], size=60, runs=3) == 2 * 60 / 3  # the median run
    assert slow.copied == 60 and slow.released == 1


def test_products_last_as_long_as_they_are_wanted_to():
    assert gpu_device.products_lasting(Clock(), 0.0, 500.0) == 1
    assert gpu_device.products_lasting(Clock(), 4.1, 500.0) == 3  # of two seconds each


def test_the_matrices_of_the_best_rate_hold_no_zeros():
    a, b = gpu_device.square_matrices(600)
    assert a.shape == b.shape == (600, 600) and a.dtype == np.float32
    assert np.abs(a).min() > 0 and not np.array_equal(a, b)
