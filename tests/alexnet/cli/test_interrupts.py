"""Ctrl-C: the batch in work is finished, a second one ends at once."""

import os
import signal
import threading

import pytest

from alexnet.cli.interrupts import Interrupted, Interrupts


def ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_lets_the_batch_in_work_be_finished():
    finished = []
    with pytest.raises(Interrupted), Interrupts() as interrupts:
        for batch in interrupts.between(range(10)):
            if batch == 2:
                ctrl_c()
            finished.append(batch)
    assert finished == [0, 1, 2]


def test_ctrl_c_in_the_last_batch_is_not_lost():
    with pytest.raises(Interrupted), Interrupts() as interrupts:
        for _ in interrupts.between(range(1)):
            ctrl_c()


def test_ctrl_c_while_a_batch_is_waited_for_does_not_begin_it():
    def batches():
        yield 0
        ctrl_c()
        yield 1

    begun = []
    with pytest.raises(Interrupted), Interrupts() as interrupts:
        for batch in interrupts.between(batches()):
            begun.append(batch)
    assert begun == [0]


def test_a_second_ctrl_c_is_at_once():
    finished = []
    with pytest.raises(KeyboardInterrupt), Interrupts() as interrupts:
        for batch in interrupts.between(range(10)):
            ctrl_c()
            ctrl_c()
            finished.append(batch)
    assert finished == []


def test_afterwards_ctrl_c_is_what_it_was():
    before = signal.getsignal(signal.SIGINT)
    with Interrupts():
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) == before


def test_in_another_thread_nothing_is_caught():
    found = []

    def work():
        with Interrupts() as interrupts:
            found.extend(interrupts.between(range(3)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [0, 1, 2]
