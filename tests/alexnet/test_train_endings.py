"""However a training is asked to end, it saves: signals, closed pipes, two processes."""

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from alexnet import train
from alexnet.train import main
from alexnet.training import run_inputs
from alexnet.weights import checkpoint
from tests.alexnet.small_training import SHORT, assert_same_run, log

pytestmark = pytest.mark.usefixtures("backend_as_before", "quick_picture")
ROOT = Path(__file__).resolve().parents[2]


def start(arguments, **options):
    command = [sys.executable, "-m", "alexnet.train", *arguments]
    options = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE} | options
    return subprocess.Popen(command, cwd=ROOT, text=True, **options)


def wait_for_a_step(process, out):
    while not (out / "log.jsonl").exists() and process.poll() is None:
        time.sleep(0.01)


# --- signals and pipes ---


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_finishes_the_batch_saves_and_is_told_at_once(
    images, whole, tmp_path, monkeypatch, capfd, number, code
):
    out = tmp_path / "run"
    record, told = train.record, []

    def signalled(run, *arguments):
        if run.step == 1:
            capfd.readouterr()
            os.kill(os.getpid(), number)
            told.append(capfd.readouterr().err)
        record(run, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(train, "record", signalled)
        assert main([images, *SHORT, "--out", str(out)]) == code
    name = "Ctrl-C" if number == signal.SIGINT else number.name
    assert f"{name}: finishing this batch, then saving; " in told[0]
    error = capfd.readouterr().err.splitlines()[-1]
    assert "after step 2, which is saved" in error and f"--resume {out}" in error
    assert checkpoint.load(out / "last.npz").training["step"] == 2
    assert main(["--resume", str(out)]) == 0
    assert_same_run(whole, out)


def test_a_signal_during_validation_saves_the_epoch(images, tmp_path, monkeypatch):
    out = tmp_path / "run"
    evaluate = train.evaluate

    def signalled(*arguments):
        os.kill(os.getpid(), signal.SIGTERM)
        return evaluate(*arguments)

    monkeypatch.setattr("alexnet.training.saving.SAVES_BETWEEN", 1e9)
    monkeypatch.setattr(train, "evaluate", signalled)
    assert main([images, *SHORT, "--out", str(out)]) == 143
    assert checkpoint.load(out / "last.npz").training["step"] == 2


def test_a_second_signal_ends_at_once(images, tmp_path, monkeypatch):
    def twice(*arguments):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.6)  # longer than one request takes to arrive twice
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
        pytest.fail("went on")

    out = tmp_path / "run"
    monkeypatch.setattr(train, "ranks", twice)
    assert main([images, *SHORT, "--out", str(out)]) == 143
    assert checkpoint.load(out / "last.npz").training["step"] == 0


def test_a_signal_before_the_run_begins_leaves_nothing(images, tmp_path, monkeypatch):
    def signalled(run):
        assert (tmp_path / "new" / "run").exists()
        os.kill(os.getpid(), signal.SIGHUP)
        time.sleep(5)
        pytest.fail("went on")

    monkeypatch.setattr(train.Run, "choose_inputs", signalled)
    assert main([images, *SHORT, "--out", str(tmp_path / "new" / "run")]) == 129
    assert not (tmp_path / "new").exists()


def test_under_nohup_a_closing_terminal_changes_nothing(images, tmp_path):
    out = tmp_path / "run"
    process = start([images, *SHORT, "--out", str(out)],
                    preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))  # fmt: skip
    wait_for_a_step(process, out)
    process.send_signal(signal.SIGHUP)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="/dev/full is a device of Linux")
def test_a_stdout_on_a_full_disk_ends_with_6_after_saving(
    images, whole, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "run"
    monkeypatch.setattr("alexnet.training.progress.SECONDS_BETWEEN_LINES", 0)
    with open("/dev/full", "w") as full, monkeypatch.context() as patch:
        patch.setattr(train.report, "print_recipe", lambda run: None)
        for module in (train, run_inputs):
            patch.setattr(module, "print", lambda *arguments, **keywords: None, raising=False)
        patch.setattr(sys, "stdout", full)
        assert main([images, *SHORT, "--out", str(out)]) == 6
    error = capsys.readouterr().err.splitlines()[-1]
    assert "No space left on device" in error and f"--resume {out}" in error
    assert main(["--resume", str(out)]) == 0
    assert_same_run(whole, out)


def test_a_closed_pipe_saves_and_ends_without_a_traceback(images, whole, tmp_path):
    out = tmp_path / "run"
    process = start([images, *SHORT, "--out", str(out)], stdout=subprocess.PIPE)
    for line in process.stdout:
        if line.startswith("the first step"):
            break
    process.stdout.close()
    errors = process.stderr.read()
    assert process.wait(timeout=60) == 141
    assert len(errors.splitlines()) == 1 and f"--resume {out}" in errors
    assert main(["--resume", str(out)]) == 0
    assert_same_run(whole, out)


@pytest.mark.parametrize(
    "command",
    [
        "alexnet.train IMAGES FLAGS --out NEW/run",  # closed before the run begins
        "alexnet.train --help",
        "alexnet.evaluate --help",
        "alexnet.predict --help",
        "alexnet.summary",
        "alexnet.summary --json",
        "alexnet.summary --help",
        "benchmarks.readme --help",
    ],
)
def test_a_pipe_that_closes_early_is_quiet(images, tmp_path, command):
    command = command.replace("NEW", str(tmp_path / "new")).replace("FLAGS", shlex.join(SHORT))
    reader, writer = os.pipe()
    os.close(reader)
    words = shlex.split(command.replace("IMAGES", images))
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, text=True
    )
    os.close(writer)
    assert done.stderr == ""
    assert done.returncode in (0, 141)
    assert not (tmp_path / "new").exists()


# --- two processes ---


def test_a_run_folder_belongs_to_one_process_until_that_ends(images, whole, tmp_path, capsys):
    out = tmp_path / "run"
    process = start([images, *SHORT, "--epochs", "500", "--out", str(out)])
    try:
        wait_for_a_step(process, out)
        assert main(["--resume", str(out)]) == 2
        assert f"in use by process {process.pid} on " in capsys.readouterr().err.splitlines()[-1]
        assert main([images, *SHORT, "--out", str(out)]) == 2
        process.kill()
        process.wait()
        assert main(["--resume", str(out), "--max-steps", "1"]) == 0
    finally:
        process.kill()
        process.communicate()


def test_of_two_processes_that_begin_in_one_folder_one_trains(images, tmp_path):
    out = tmp_path / "run"
    processes = [start([images, *SHORT, "--out", str(out)]) for _ in range(3)]
    errors = [process.communicate(timeout=120)[1] for process in processes]
    codes = [process.returncode for process in processes]
    assert sorted(codes) == [0, 2, 2], errors
    assert len(log(out)) == 6
