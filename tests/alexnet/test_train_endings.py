"""However a training ends, it goes on: kills between two file operations, signals, closed pipes."""

import builtins
import errno
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import tinynet as tn
from alexnet import train
from alexnet.train import main
from alexnet.weights import checkpoint
from tests.alexnet.small_training import FLAGS, make_images

ROOT = Path(__file__).resolve().parents[2]
SHORT = [*FLAGS, "--batch-size", "16", "--epochs", "2"]  # 2 epochs of 2 steps


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return str(make_images(tmp_path_factory.mktemp("images")))


@pytest.fixture(scope="module")
def whole(images, tmp_path_factory):
    """The folder of a run that nothing ended early."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    assert main([images, *SHORT, "--out", str(out)]) == 0
    return out


@pytest.fixture(autouse=True)
def backend_as_before():
    before = tn.get_backend().name
    yield
    tn.use_backend(before)


def log(folder):
    """The lines of log.jsonl without the speed, which no two runs share."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "images_per_second"} for line in lines]


def assert_same_run(one, other):
    for name in ("last.npz", "best.npz", "options.json", "classes.json"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    assert log(one) == log(other)


def start(arguments, **options):
    command = [sys.executable, "-m", "alexnet.train", *arguments]
    options = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE} | options
    return subprocess.Popen(command, cwd=ROOT, text=True, **options)


def wait_for_a_step(process, out):
    while not (out / "log.jsonl").exists() and process.poll() is None:
        time.sleep(0.01)


# --- kills ---


def test_a_kill_between_any_two_file_operations_changes_nothing(
    images, tmp_path, monkeypatch, capsys
):
    """Before each operation the folder is copied as a killed process would leave it; each copy is
    resumed, and ends as the run that was never killed."""
    out, states = tmp_path / "run", {}

    def watched(function):
        def first_copy(*arguments, **keywords):
            if out.exists():
                state = {path.name: path.read_bytes() for path in out.iterdir()}
                unfinished = [name.count(".") for name in state if name.startswith(".")]
                whole = [state[name] for name in sorted(state) if not name.startswith(".")]
                states.setdefault((*whole, *unfinished), state)
            return function(*arguments, **keywords)

        return first_copy

    monkeypatch.setattr("alexnet.training.run_state.SECONDS_BETWEEN_SAVES", 0)
    monkeypatch.setattr("alexnet.training.curves._draw", lambda folder: "not here")
    with monkeypatch.context() as patch:
        for module, name in ((os, "open"), (os, "fsync"), (os, "chmod"), (os, "replace"),
                             (os, "unlink"), (builtins, "open")):  # fmt: skip
            patch.setattr(module, name, watched(getattr(module, name)))
        assert main([images, *SHORT, "--out", str(out)]) == 0
    assert len(states) > 20
    for number, state in enumerate(states.values()):
        copy = tmp_path / f"copy-{number}"
        copy.mkdir()
        for name, content in state.items():
            (copy / name).write_bytes(content)
        if "last.npz" not in state:  # the run had not begun: its folder can be used again
            assert main([images, *SHORT, "--out", str(copy)]) == 0
        else:
            code = main(["--resume", str(copy)])
            finished = checkpoint.load(copy / "last.npz").training["epoch"] == 2
            assert code == 0 or (code == 2 and finished)
        assert_same_run(out, copy)
        assert {path.name for path in copy.iterdir()} == {path.name for path in out.iterdir()}
        shutil.rmtree(copy)


def test_best_npz_itself_says_what_it_holds(images, tmp_path, capsys):
    """A best.npz that was written after last.npz is kept; a lost one is made anew."""
    out = tmp_path / "run"
    assert main([images, *SHORT, "--out", str(out), "--max-steps", "2"]) == 0
    ahead = checkpoint.load(out / "best.npz")
    ahead.training |= {"best": {"top1": 1.0, "epoch": 2}, "epoch": 2, "step": 4}
    ahead.save(out / "best.npz")
    before = (out / "best.npz").read_bytes()
    capsys.readouterr()
    assert main(["--resume", str(out)]) == 0
    assert (out / "best.npz").read_bytes() == before
    last = capsys.readouterr().out.splitlines()[-1]
    assert "best.npz: best validation top-1 100.0% after epoch 2, step 4" in last
    (out / "best.npz").unlink()
    assert main(["--resume", str(out), "--epochs", "3"]) == 0
    assert "best.npz cannot be read: No such file" in capsys.readouterr().out
    assert checkpoint.load(out / "best.npz").training["best"]["epoch"] == 3


def test_a_better_validation_inside_an_epoch_is_kept_and_changes_no_later_step(
    images, tmp_path, monkeypatch, capsys
):
    """--max-steps ends inside the second epoch, with the best validation of the run."""
    top1 = {2: 0.5, 3: 0.75, 4: 0.625}  # by step
    evaluate = train.evaluate

    def measured(model, batches, classes):
        metrics = evaluate(model, batches, classes)
        object.__setattr__(metrics, "top1", top1[watched[-1].step])
        return metrics

    watched, whole, run = [], tmp_path / "whole", tmp_path / "run"
    monkeypatch.setattr(train, "evaluate", measured)
    monkeypatch.setattr(
        train.Progress, "validating", lambda progress: watched.append(progress._run)
    )
    assert main([images, *SHORT, "--out", str(whole)]) == 0
    assert "top-1 62.5% after epoch 2, step 4" in capsys.readouterr().out.splitlines()[-1]
    assert main([images, *SHORT, "--out", str(run), "--max-steps", "3"]) == 0
    assert "top-1 75.0% in epoch 2, step 3" in capsys.readouterr().out.splitlines()[-1]
    assert main(["--resume", str(run)]) == 0
    assert "top-1 75.0% in epoch 2, step 3" in capsys.readouterr().out.splitlines()[-1]
    assert (run / "last.npz").read_bytes() == (whole / "last.npz").read_bytes()
    assert checkpoint.load(run / "best.npz").training["step"] == 3
    assert log(run) == log(whole)


@pytest.mark.parametrize("inside", [0.75, 0.5])  # as good as the whole epoch, or worse
def test_a_validation_inside_an_epoch_that_is_not_better_leaves_no_trace(
    images, tmp_path, monkeypatch, inside
):
    top1 = {2: 0.5, 3: inside, 4: 0.75}
    evaluate = train.evaluate

    def measured(model, batches, classes):
        metrics = evaluate(model, batches, classes)
        object.__setattr__(metrics, "top1", top1[watched[-1].step])
        return metrics

    watched, whole, run = [], tmp_path / "whole", tmp_path / "run"
    monkeypatch.setattr(train, "evaluate", measured)
    monkeypatch.setattr(
        train.Progress, "validating", lambda progress: watched.append(progress._run)
    )
    assert main([images, *SHORT, "--out", str(whole)]) == 0
    assert main([images, *SHORT, "--out", str(run), "--max-steps", "3"]) == 0
    assert main(["--resume", str(run)]) == 0
    assert_same_run(whole, run)


def test_best_npz_is_written_before_the_next_epoch_begins(images, tmp_path, monkeypatch):
    out, seen = tmp_path / "run", []
    train_epoch = train.train_epoch

    def watched(run, *arguments):
        seen.append(run.folder.best.exists())
        train_epoch(run, *arguments)

    monkeypatch.setattr(train, "train_epoch", watched)
    assert main([images, *SHORT, "--out", str(out)]) == 0
    assert seen == [False, True]


def test_an_epoch_is_saved_before_its_validation(images, tmp_path, monkeypatch):
    out = tmp_path / "run"

    def killed(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "evaluate", killed)
    monkeypatch.setattr("alexnet.training.run_state.SAVES_BETWEEN", 0)
    assert main([images, *SHORT, "--out", str(out)]) == 130
    assert checkpoint.load(out / "last.npz").training["step"] == 2


def test_an_error_in_the_last_epoch_is_not_hidden_by_another(images, tmp_path, monkeypatch, capsys):
    out = tmp_path / "run"

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    def fails(*arguments):
        monkeypatch.setattr(os, "fsync", full)
        raise train.NotFinite("the first error")

    monkeypatch.setattr(train, "record", fails)
    assert main([images, *SHORT, "--out", str(out)]) == 5
    assert "the first error" in capsys.readouterr().err


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

    monkeypatch.setattr("alexnet.training.run_state.SAVES_BETWEEN", 1e9)
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

    monkeypatch.setattr(train.Run, "measure_normalization", signalled)
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
        patch.setattr(train, "print", lambda *arguments, **keywords: None, raising=False)
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
