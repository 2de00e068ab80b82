"""How commands end: exit codes and the last line."""

import errno
import io
import os
import signal
import subprocess
import sys
import time

import pytest

from alexnet.cli import ending
from alexnet.errors import RUN_ELSEWHERE, DataError, DiskError, NotFinite, UsageError, writing
from tests.alexnet.small_training import FLAGS, make_images
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

    assert ending.run(fails, "alexnet.train") == code
    assert capsys.readouterr().err == "alexnet.train: say this instead\n"


def test_without_stderr_a_message_is_not_printed_among_the_output(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr", None)
    ending.say("alexnet.predict: a fault")
    assert capsys.readouterr().out == ""


def test_full_memory_is_a_usage_error(capsys):
    def too_large():
        raise MemoryError("80 GB asked for")

    assert ending.run(too_large, "alexnet.train") == 2
    error = capsys.readouterr().err
    assert "the memory is full (80 GB asked for); a smaller --batch-size" in error


@pytest.mark.skipif(not hasattr(os, "fork"), reason="memory cannot be limited on this system")
@pytest.mark.parametrize("side", [700, 4000])
def test_a_training_that_does_not_fit_the_memory_ends_with_2_and_one_line(side, tmp_path):
    """At 700 x 700 the activations do not fit, at 4000 x 4000 the weights."""
    script = """
import resource, sys
from alexnet.train import main
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
sys.exit(main(sys.argv[1:]))
"""
    flags = [*FLAGS, "--image-size", str(side), "--width", "0.1", "--batch-size", "36"]
    command = [sys.executable, "-c", script, *flags, "--out", str(tmp_path / "run")]
    data = make_images(tmp_path / "images")
    process = subprocess.run([*command, str(data)], capture_output=True, text=True, timeout=300)
    *_, last = process.stderr.splitlines()
    assert process.returncode == 2, process.stderr
    assert "Traceback" not in process.stderr
    shape = "(36, " if side == 700 else "(161275140,)"
    assert last.startswith("alexnet.train: the memory is full (") and shape in last
    if side == 700:
        assert "and this process has 1.1 GB: instead of 36 images try --batch-size " in last
    else:
        assert last.endswith("a smaller --batch-size or --image-size needs less")


def test_ctrl_c_ends_with_130(capsys):
    def interrupted():
        raise KeyboardInterrupt

    assert ending.run(interrupted, "alexnet.predict") == 130
    assert "interrupted" in capsys.readouterr().err


def test_a_file_that_may_not_be_read_ends_with_3_and_its_path(capsys):
    def forbidden():
        raise PermissionError(errno.EACCES, "Permission denied", "/data/labels")

    assert ending.run(forbidden, "alexnet.train") == 3
    assert "/data/labels: Permission denied" in capsys.readouterr().err


def test_a_mistake_in_the_program_is_not_hidden():
    def wrong():
        raise ValueError("of the program's own")

    with pytest.raises(ValueError, match="own"):
        ending.run(wrong, "alexnet.train")


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    remedies = {"write to another folder": [], "--out for a new run.*--resume": [RUN_ELSEWHERE]}
    for words, remedy in remedies.items():
        with pytest.raises(DiskError, match=f"a.npz: No space left .*; make room, .*{words}"):
            with writing(tmp_path / "a.npz", *remedy):
                raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_a_command_as_ctrl_c_does(capsys, number, code):
    cleaned = []

    def signalled():
        try:
            os.kill(os.getpid(), number)
            time.sleep(5)
        finally:
            cleaned.append(True)

    before = signal.getsignal(number)
    assert ending.run(signalled, "alexnet.evaluate") == code
    assert cleaned and signal.getsignal(number) == before
    assert capsys.readouterr().err == f"alexnet.evaluate: interrupted by {number.name}\n"


def test_an_ignored_signal_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert ending.run(lambda: os.kill(os.getpid(), signal.SIGHUP) or 0, "alexnet.train") == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_closed_pipe_is_quiet(capsys):
    def closed():
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    assert ending.run(closed, "alexnet.predict") == 141
    assert capsys.readouterr().err == ""


def test_a_closed_pipe_that_shows_only_at_the_end_is_quiet(capsys, monkeypatch):
    """Text in stdout's buffer is written when the command has returned."""
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        assert ending.run(lambda: print("a line") or 0, "alexnet.summary") == 141
        assert capsys.readouterr().err == ""  # closing the file would raise BrokenPipeError


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="/dev/full is a device of Linux")
def test_a_stdout_on_a_full_disk_ends_with_6(capsys, monkeypatch):
    with open("/dev/full", "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        assert ending.run(lambda: print("a line") or 0, "alexnet.summary") == 6
    assert "cannot write to stdout: No space left on device" in capsys.readouterr().err


def test_names_that_stdout_cannot_encode_are_escaped(monkeypatch):
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stdout)
    assert ending.run(lambda: print("gr\xfcn \udcff") or 0, "alexnet.train") == 0
    assert stdout.buffer.getvalue() == b"gr\\xfcn \\udcff\n"


def test_messages_show_no_terminal_codes_of_names(capsys):
    def fails():
        raise DataError("class \x1b[31mred holds no images\nfill it")

    assert ending.run(fails, "alexnet.train") == 3
    assert capsys.readouterr().err.splitlines() == [
        "alexnet.train: class \\x1b[31mred holds no images", "fill it",
    ]  # fmt: skip
