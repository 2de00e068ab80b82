"""The progress of a training: one live line on a terminal, plain lines in a pipe."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

import tinynet as tn
from alexnet.evaluation.metrics import Metrics
from alexnet.training import progress
from alexnet.training.progress import Progress, clock
from alexnet.training.run_folder import RunFolder


class Batches(SimpleNamespace):
    def __len__(self):
        return 10


def make_run(tmp_path, classes=10):
    return SimpleNamespace(
        classes=list(range(classes)), batches=Batches(waited=0.0), epoch=1, step=0,
        total_steps=40, val_set=range(12), folder=RunFolder(tmp_path), steps_left=lambda: 20,
        ranks=tn.parallel.Single(), options=SimpleNamespace(epochs=4), means=lambda: (2.0, 0.25),
    )  # fmt: skip


@pytest.fixture
def seconds(monkeypatch):
    """A clock that stands still until it is moved."""
    now = SimpleNamespace(value=100.0)
    monkeypatch.setattr(progress.time, "monotonic", lambda: now.value)
    return now


def take_step(run, display, seconds, duration, waiting, loss, rank):
    seconds.value += duration
    run.batches.waited += waiting
    run.step += 1
    return display.step(loss, np.array(rank), 0.02)


@pytest.mark.parametrize(
    ("value", "text"), [(0.4, "0:00"), (67, "1:07"), (3599.6, "1:00:00"), (7384, "2:03:04")]
)
def test_a_clock_shows_minutes_and_hours(value, text):
    assert clock(value) == text


def test_the_line_shows_means_and_speed_without_the_first_step(tmp_path, seconds):
    run = make_run(tmp_path)
    with Progress(run, Console(file=io.StringIO())) as display:
        take_step(run, display, seconds, 60.0, 50.0, 9.0, [9, 9, 9, 9])
        assert display.line() == "the first step took 60 s, its loss is 9.000"
        take_step(run, display, seconds, 1.0, 0.5, 2.0, [0, 1, 4, 5])
        take_step(run, display, seconds, 3.0, 0.5, 1.0, [0, 0, 9, 9])
        line = display.line()
    assert "epoch 2/4 step 3/40 loss 1.500 top-1 37.5% top-5 62.5% 2 images/s" in line
    assert "waiting 25% lr 0.02" in line
    # 20 steps of 2 seconds, 2 validations of 12 images at 6 images a second
    assert line.endswith("left 0:44")


def test_step_returns_its_own_speed(tmp_path, seconds):
    run = make_run(tmp_path)
    with Progress(run, Console(file=io.StringIO())) as display:
        speeds = [
            take_step(run, display, seconds, duration, 0.0, 2.5, [0, 1, 4, 5])
            for duration in (2.0, 0.5)
        ]
    assert speeds == [2.0, 8.0]


def test_validation_time_is_not_charged_to_the_next_step(tmp_path, seconds):
    run = make_run(tmp_path)
    with Progress(run, Console(file=io.StringIO())) as display:
        take_step(run, display, seconds, 2.0, 0.0, 2.5, [0])
        display.validating()
        seconds.value += 100
        display.validated(Metrics(1.25, 0.5, 0.75, None, None))
        assert take_step(run, display, seconds, 2.0, 0.0, 2.5, [0]) == 0.5


def test_an_epochs_line_has_the_means_of_training_and_validation(tmp_path, seconds, capsys):
    run = make_run(tmp_path)
    with Progress(run, Console(file=io.StringIO())) as display:
        take_step(run, display, seconds, 2.0, 0.0, 2.5, [0, 1, 4, 5])
        display.validating()
        assert "validating" in display.line()
        display.validated(Metrics(1.25, 0.5, 0.75, None, None))
    assert (
        "epoch 2/4 step 1: training loss 2.000 top-1 25.0%; validation" in capsys.readouterr().out
    )


def test_after_the_last_epoch_no_other_one_is_shown(tmp_path, seconds):
    run = make_run(tmp_path)
    with Progress(run, Console(file=io.StringIO())) as display:
        for _ in range(2):
            take_step(run, display, seconds, 2.0, 0.0, 2.5, [0])
        run.epoch = 4  # of 4: the run has counted its last epoch, and saves
        assert display.line().startswith("epoch 4/4 step 2/40 ")


def test_a_pipe_gets_a_line_every_few_seconds(tmp_path, seconds, capsys):
    run = make_run(tmp_path)
    with Progress(run, Console(file=io.StringIO())) as display:
        for _ in range(12):
            take_step(run, display, seconds, 1.0, 0.0, 2.0, [0])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("the first step; with an empty cache the kernels are compiled")
    assert [line.split()[3] for line in lines[1:]] == ["5/40", "10/40"]


def test_a_terminal_gets_one_live_line(tmp_path):
    run, screen = make_run(tmp_path, classes=3), io.StringIO()
    console = Console(file=screen, force_terminal=True, width=200)
    with Progress(run, console) as display:
        for _ in range(3):
            run.step += 1
            display.step(2.0, np.array([0, 2]), 0.02)
        display._live.refresh()
        display.say("a line that stays")
    text = screen.getvalue()
    assert "step 3/40 loss 2.000 top-1 50.0% top-3 100.0%" in text
    assert "a line that stays\n" in text
