"""A request to stop finishes the current batch; a second signal ends the loop at once."""

import errno
import io
import os
import signal
import sys
import threading

import pytest

from alexnet.cli import interrupts as module
from alexnet.cli.interrupts import Interrupted, Interrupts, Terminated, end_at_once, handled_by


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


# --- SIGTERM and SIGHUP ---


@pytest.fixture
def terminated():
    """SIGTERM and SIGHUP raise, as in every command (cli/ending.py)."""
    with handled_by(end_at_once, [signal.SIGTERM, signal.SIGHUP]):
        yield


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_let_the_current_batch_finish_too(number, terminated, capfd):
    batches = []
    with pytest.raises(Interrupted), Interrupts() as interrupts:
        for batch in interrupts.between(range(10)):
            if batch == 2:
                os.kill(os.getpid(), number)
                assert f"{number.name}: finishing this batch" in capfd.readouterr().err
            batches.append(batch)
    assert batches == [0, 1, 2]
    assert interrupts.cause == number


def test_a_signal_that_arrives_twice_within_a_moment_is_one_request(terminated):
    """`timeout` sends SIGTERM to the process and to its group."""
    with pytest.raises(Interrupted), Interrupts() as interrupts:
        for _ in interrupts.between(range(10)):
            for _ in range(3):
                os.kill(os.getpid(), signal.SIGTERM)


def test_a_second_sigterm_ends_at_once(terminated, monkeypatch):
    monkeypatch.setattr(module, "SECONDS_OF_ONE_REQUEST", 0)
    with pytest.raises(Terminated) as ending, Interrupts():
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        pytest.fail("went on")
    assert ending.value.number == signal.SIGTERM


def test_an_ignored_sighup_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupts() as interrupts:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not interrupts.asked
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


# --- stdout ---


class Broken(io.StringIO):
    def __init__(self, number):
        super().__init__()
        self.number = number

    def write(self, text):
        raise OSError(self.number, os.strerror(self.number))


@pytest.mark.parametrize("number", [errno.EPIPE, errno.ENOSPC, errno.EIO])
def test_a_stdout_that_cannot_be_written_is_a_request_to_stop(monkeypatch, number):
    monkeypatch.setattr(sys, "stdout", Broken(number))
    batches = []
    with pytest.raises(Interrupted), Interrupts() as interrupts:
        for batch in interrupts.between(range(10)):
            print("a line")
            batches.append(batch)
    assert batches == [0]
    assert interrupts.cause.errno == number


def test_a_stdout_whose_reader_is_slow_is_no_request_to_stop(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Broken(errno.EAGAIN))
    with Interrupts() as interrupts:
        print("a line")
    assert not interrupts.asked


def test_stdout_is_as_before_afterwards(monkeypatch):
    before = sys.stdout
    with Interrupts():
        assert sys.stdout.isatty() == before.isatty()
        print("a line")
    assert sys.stdout is before


def test_a_program_without_stdout_can_be_interrupted(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    with Interrupts() as interrupts:
        print("a line")
        assert not interrupts.asked
        signal.raise_signal(signal.SIGINT)
        assert interrupts.cause == signal.SIGINT
    assert sys.stdout is None
