"""Turns, times and best rates, by a clock that is told its times and by the processor's own."""

import os

import numpy as np
import pytest
import threadpoolctl

from benchmarks import clocks
from tests.benchmarks.told_clock import ToldClock


def test_every_other_round_goes_backwards():
    turns = list(clocks.alternating({"a": 1, "b": 2}, 3))
    assert turns == [(0, "a"), (0, "b"), (1, "b"), (1, "a"), (2, "a"), (2, "b")]


def test_the_time_of_a_part_lies_between_its_marks():
    calls = []
    clock = ToldClock(ticks=[1.0, 3.0, 3.5], behind=2)
    timed = clocks.seconds(clock, lambda: calls.append("a"), lambda: calls.append("b"))
    assert (timed.seconds, timed.device_bound, calls) == ([2.0, 0.5], False, ["a", "b"])
    assert clocks.seconds(ToldClock([1, 2], behind=2), lambda: None, behind=2).device_bound


def test_a_rate_is_the_median_run_after_an_untimed_one():
    clock = ToldClock(ticks=[0, 9, 0, 10, 14, 22])  # 9 untimed, then 10, 4 and 8 seconds
    assert clocks.product_rate(clock, runs=3) == 1000 / 8
    clock = ToldClock(ticks=[0, 9, 0, 10, 14, 22])
    assert clocks.copy_rate(clock, runs=3) == 2 * 60 / 8 and clock.released


def test_the_processors_product_and_copy_do_their_work(monkeypatch):
    clock = clocks.HostClock(threads=2, size=50)
    clock.product()
    a, b, c = clock._matrices
    np.testing.assert_allclose(c, a @ b, rtol=1e-4, atol=1e-4)
    assert clock.product_flop == 2 * 50**3
    monkeypatch.setattr(clocks.HostClock, "copy_bytes", 1 << 20)
    copied = []
    monkeypatch.setattr(np, "copyto", lambda target, source: copied.append(source.nbytes))
    size, copy = clock.copies()
    copy()
    assert size == 1 << 20 and copied == [size // 2] * 2


def test_products_run_on_the_clocks_threads_and_leave_them_as_they_were(monkeypatch):
    libraries = threadpoolctl.ThreadpoolController().select(user_api="blas").lib_controllers
    inside = []

    def sgemm(*arguments, **more):
        inside.append({library.get_num_threads() for library in libraries})

    import scipy.linalg.blas

    monkeypatch.setattr(scipy.linalg.blas, "sgemm", sgemm)
    with threadpoolctl.threadpool_limits(2):
        clocks.HostClock(threads=1, size=8).product()
        assert inside == [{1}]
        assert {library.get_num_threads() for library in libraries} == {2}


def test_the_processors_clock_tells_seconds_and_memory():
    clock = clocks.HostClock()
    timed = clocks.seconds(clock, lambda: np.ones(10**6), behind=3)
    assert timed.seconds[0] > 0 and timed.host_seconds > 0 and timed.device_bound
    peak = clock.peak_bytes(lambda: np.ones(20 * 10**6))
    if peak is None:
        pytest.skip("this system does not tell the memory of a process")
    assert peak > 160e6
    if os.access("/proc/self/clear_refs", os.W_OK):  # then the count begins anew
        assert clock.peak_bytes(lambda: None) < peak - 100e6


def test_the_matrices_of_a_gpus_best_rate_hold_no_zeros():
    a, b = clocks.square_matrices(600)
    assert a.shape == b.shape == (600, 600) and a.dtype == np.float32
    assert np.abs(a).min() > 0 and not np.array_equal(a, b)
