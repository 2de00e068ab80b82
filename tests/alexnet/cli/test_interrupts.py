"""Ctrl-C: the current batch is finished; a second Ctrl-C ends the loop at once."""

import os
import signal
import threading

import pytest

from alexnet.cli.interrupts import Interrupted, Interrupts


def ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_lets_the_current_batch_finish():
    batches = []
    with pytest.raises(Interrupted), Interrupts() as interrupts:
        for batch in interrupts.between(range(10)):
            if batch == 2:
                ctrl_c()
            batches.append(batch)
    assert batches == [0, 1, 2]


def test_ctrl_c_in_the_last_batch_is_not_lost():
    with pytest.raises(Interrupted), Interrupts() as interrupts:
        for _ in interrupts.between(range(1)):
            ctrl_c()


def test_ctrl_c_during_the_wait_for_a_batch_does_not_start_it():
    def batches():
        yield 0
        ctrl_c()
        yield 1

    numbers = []
    with pytest.raises(Interrupted), Interrupts() as interrupts:
        for batch in interrupts.between(batches()):
            numbers.append(batch)
    assert numbers == [0]


def test_a_second_ctrl_c_ends_at_once():
    batches = []
    with pytest.raises(KeyboardInterrupt), Interrupts() as interrupts:
        for batch in interrupts.between(range(10)):
            ctrl_c()
            ctrl_c()
            batches.append(batch)
    assert batches == []


def test_the_old_handler_of_ctrl_c_is_restored():
    before = signal.getsignal(signal.SIGINT)
    with Interrupts():
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) == before


def test_in_another_thread_nothing_is_caught():
    numbers = []

    def work():
        with Interrupts() as interrupts:
            numbers.extend(interrupts.between(range(3)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert numbers == [0, 1, 2]
