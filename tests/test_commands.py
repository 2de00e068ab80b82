"""How commands end: exit codes, the last line, Ctrl-C."""

import errno
import os
import signal
import threading
import time

import pytest

from alexnet import commands
from alexnet.commands import DiskError, Interrupted, Interrupts, NotFinite, UsageError
from alexnet.data import DataError
from alexnet.run_folder import RunFolder
from tinynet import BackendError


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("say this instead"), 2),
        (DataError("say this instead"), 3),
        (BackendError("say this instead"), 4),
        (NotFinite("say this instead"), 5),
        (DiskError("say this instead"), 6),
    ],
)
def test_an_error_becomes_its_exit_code_and_the_last_line(error, code, capsys):
    def fails():
        raise error

    assert commands.run(fails, "alexnet.train") == code
    assert capsys.readouterr().err == "alexnet.train: say this instead\n"


def test_full_memory_is_a_matter_of_usage(capsys):
    def too_large():
        raise MemoryError("80 GB asked for")

    assert commands.run(too_large, "alexnet.train") == 2
    error = capsys.readouterr().err
    assert "the memory is full (80 GB asked for); a smaller --batch-size" in error


def test_ctrl_c_ends_with_130(capsys):
    def interrupted():
        raise KeyboardInterrupt

    assert commands.run(interrupted, "alexnet.predict") == 130
    assert "interrupted" in capsys.readouterr().err


def test_a_file_that_may_not_be_read_ends_with_3_and_its_path(capsys):
    def forbidden():
        raise PermissionError(errno.EACCES, "Permission denied", "/data/labels")

    assert commands.run(forbidden, "alexnet.train") == 3
    assert "/data/labels: Permission denied" in capsys.readouterr().err


def test_a_mistake_in_the_program_is_not_hidden():
    def wrong():
        raise ValueError("of the program's own")

    with pytest.raises(ValueError, match="own"):
        commands.run(wrong, "alexnet.train")


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(DiskError, match="a.npz: No space left.*--out"):
        with commands.writing(tmp_path / "a.npz"):
            raise OSError(errno.ENOSPC, "No space left on device")


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


def test_seconds_since_start_go_on_with_the_clock():
    one, began = commands.seconds_since_start(), time.monotonic()
    time.sleep(0.05)
    passed = time.monotonic() - began
    assert one > 0
    assert commands.seconds_since_start() - one == pytest.approx(passed, abs=0.02)


def test_a_new_run_gets_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("time.strftime", lambda form: "20120904-101112")
    paths = [str(RunFolder.create(None, "paper-synthetic").path) for _ in range(3)]
    first = "runs/paper-synthetic-20120904-101112"
    assert paths == [first, f"{first}-2", f"{first}-3"]


def test_a_folder_without_a_run_in_it_can_become_one(tmp_path):
    (tmp_path / "notes.txt").write_text("")
    assert RunFolder.create(tmp_path, "any").path == tmp_path
    (tmp_path / "last.npz").write_text("")
    with pytest.raises(UsageError, match=r"last.npz.*--resume"):
        RunFolder.create(tmp_path, "any")
