"""A run that is stopped after every step, or killed at any moment, is the unbroken run."""

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from alexnet import train
from alexnet.train import main
from tests.alexnet.small_training import FLAGS, assert_same_run, lines, make_images

pytestmark = pytest.mark.usefixtures("backend_as_before", "quick_picture")
ROOT = Path(__file__).resolve().parents[2]

STEPS = 20  # 5 epochs of 12 images
RUNS = {
    "plateau": "--epochs 5 --workers 0",
    "paper": "--epochs 5 --workers 1 --augment alexnet --schedule multistep --milestones 2,4 "
    "--warmup 1.5 --bias-lr 2x --no-decay-biases --keep 2",
    "batch norm": "--epochs 5 --workers 4 --norm batch --schedule cosine --save-interval 3",
}


@pytest.fixture(scope="module")
def few_images(tmp_path_factory):
    return str(make_images(tmp_path_factory.mktemp("few"), train=4, val=1))


@pytest.fixture(scope="module", params=RUNS)
def flags(few_images, request):
    return [few_images, *FLAGS, "--batch-size", "3", *RUNS[request.param].split()]


@pytest.fixture(scope="module")
def unbroken_20(flags, tmp_path_factory):
    """A run of 20 steps that was never stopped; tests only read it."""
    out = tmp_path_factory.mktemp("unbroken") / "run"
    assert main([*flags, "--out", str(out)]) == 0
    assert lines(out)[-1]["step"] == STEPS
    return out


def commands(flags, out, most):
    """Start the run and go on with it until it ends. Returns the exit codes."""
    codes = [main([*flags, "--out", str(out)])]
    while codes[-1] != 0:
        assert len(codes) < most, codes
        codes.append(main(["--resume", str(out)]))
    return codes


def test_a_run_stopped_after_each_step_and_in_each_validation_is_the_unbroken_run(
    flags, unbroken_20, tmp_path, monkeypatch
):
    """Each command validates, takes a step, or ends: signals come in turn."""
    take_step, evaluate = train.take_step, train.evaluate
    numbers, validated = itertools.cycle([signal.SIGTERM, signal.SIGINT, signal.SIGHUP]), set()

    def stopped_step(*arguments):
        os.kill(os.getpid(), next(numbers))
        return take_step(*arguments)

    def stopped_validation(*arguments):
        step = lines(out)[-1]["step"]
        if step not in validated:
            validated.add(step)
            os.kill(os.getpid(), next(numbers))
        return evaluate(*arguments)

    out = tmp_path / "run"
    monkeypatch.setattr(train, "take_step", stopped_step)
    monkeypatch.setattr(train, "evaluate", stopped_validation)
    codes = commands(flags, out, most=40)
    assert len(codes) == STEPS + 5 + 1
    assert set(codes) == {143, 130, 129, 0}
    assert_same_run(unbroken_20, out)


class Killed(BaseException):
    """Ends the command as SIGKILL does: nothing is saved."""


@pytest.mark.parametrize("flags", ["paper"], indirect=True)
def test_a_run_killed_again_and_again_is_the_unbroken_run(
    flags, unbroken_20, tmp_path, monkeypatch
):
    """After each fourth step, before anything of it is counted or saved."""
    take_step, taken, out = train.take_step, itertools.count(1), tmp_path / "run"

    def killed_step(*arguments):
        result = take_step(*arguments)
        if next(taken) % 4 == 0:
            raise Killed
        return result

    with monkeypatch.context() as patch:
        patch.setattr(train, "take_step", killed_step)
        patch.setattr("alexnet.training.saving.save_interval", lambda text: (2, None))
        kills, words = 0, [*flags, "--out", str(out)]
        while words:
            try:
                assert main(words) == 0
                words = None
            except Killed:
                kills, words = kills + 1, ["--resume", str(out)]
    assert kills > 4
    assert_same_run(unbroken_20, out)


def test_processes_that_are_killed_and_stopped_leave_the_unbroken_run(images, unbroken, tmp_path):
    """Signals at different steps of real processes; the last command ends by itself."""
    out = tmp_path / "run"
    words = [images, *FLAGS, "--out", str(out)]
    for step, number in ((2, signal.SIGKILL), (5, signal.SIGTERM), (7, signal.SIGINT)):
        command = [sys.executable, "-m", "alexnet.train", *words]
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while process.poll() is None:
            if (out / "log.jsonl").exists() and len(lines_so_far(out)) >= step:
                process.send_signal(number)
                break
            time.sleep(0.005)
        assert process.wait(timeout=60) in (-number, 128 + number, 0)
        words = ["--resume", str(out)]
    assert main(words) in (0, 2)  # 2: all epochs were done before the last signal came
    assert_same_run(unbroken, out)


def lines_so_far(out):
    """The whole lines of a log that is being written."""
    return (out / "log.jsonl").read_bytes().split(b"\n")[:-1]
