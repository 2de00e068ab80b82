"""Limits of a training: --max-time, and memory that is full."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

import tinynet as tn
from alexnet import train
from alexnet.train import main
from alexnet.training import memory
from alexnet.weights import checkpoint
from tests.alexnet.small_training import FLAGS, assert_same_run, last_line, make_run

pytestmark = pytest.mark.usefixtures("backend_as_before", "quick_picture")


@pytest.fixture
def clock(monkeypatch):
    """A clock that only steps and validations move: by 10 and by 30 seconds."""
    now, take_step, evaluate = [0.0], train.take_step, train.evaluate

    def step(*arguments):
        now[0] += 10
        return take_step(*arguments)

    def validation(*arguments):
        now[0] += 30
        return evaluate(*arguments)

    monkeypatch.setattr(train, "take_step", step)
    monkeypatch.setattr(train, "evaluate", validation)
    monkeypatch.setattr(train, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr("alexnet.training.progress.time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def step_of(folder):
    return checkpoint.load(folder / "last.npz").training["step"]


def test_max_time_stops_saves_and_says_how_to_go_on(images, unbroken, tmp_path, clock, capsys):
    out = tmp_path / "run"
    assert main([images, *FLAGS, "--max-time", "20s", "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert "stopped by --max-time 20s after step 2, which is saved" in text
    assert f"python -m alexnet.train --resume {out}" in text
    assert step_of(out) == 2
    # It counts for each command: 2 more steps, then the validation and 2 steps.
    assert main(["--resume", str(out), "--max-time", "15s"]) == 0
    assert step_of(out) == 4
    assert main(["--resume", str(out), "--max-time", "1m"]) == 0
    assert step_of(out) == 7
    assert main(["--resume", str(out)]) == 0
    assert_same_run(unbroken, out)


def test_no_validation_begins_that_would_not_end_in_time(images, unbroken, tmp_path, clock):
    out = tmp_path / "run"
    # 4 steps and a validation end after 70 s, the next 4 after 110: it would end after 140.
    assert main([images, *FLAGS, "--max-time", "135s", "--out", str(out)]) == 0
    saved = checkpoint.load(out / "last.npz").training
    assert (saved["epoch"], saved["batch"]) == (1, 4)
    assert clock == [110]
    assert main(["--resume", str(out)]) == 0
    assert_same_run(unbroken, out)


def test_the_last_save_is_counted(images, tmp_path, clock, monkeypatch):
    out, times = tmp_path / "run", itertools.count(step=15)  # a save takes 15 s
    monkeypatch.setattr(
        "alexnet.training.saving.time", SimpleNamespace(monotonic=lambda: next(times))
    )
    assert main([images, *FLAGS, "--max-time", "35s", "--out", str(out)]) == 0
    assert step_of(out) == 2


def test_a_command_without_time_for_a_validation_says_so(
    images, tmp_path, clock, capsys, monkeypatch
):
    out = tmp_path / "run"
    assert main([images, *FLAGS, "--max-time", "40s", "--out", str(out)]) == 0
    assert "no step was taken" not in capsys.readouterr().out
    evaluate = train.evaluate

    def slow(*arguments):
        clock[0] += 1000
        return evaluate(*arguments)

    monkeypatch.setattr(train, "evaluate", slow)
    assert main(["--resume", str(out), "--max-time", "40s"]) == 0
    assert "no step was taken: validating takes longer" in capsys.readouterr().out


# --- memory ---


def test_full_memory_names_a_batch_that_may_fit_and_keeps_the_checkpoint(
    images, unbroken, tmp_path, monkeypatch, capsys
):
    out, taken, take_step = tmp_path / "run", [], train.take_step

    def full(*arguments):
        taken.append(0)
        if len(taken) == 4:
            raise MemoryError("an array (8, 96) takes 5 GB")
        return take_step(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(train, "take_step", full)
        assert main([images, *FLAGS, "--save-interval", "2", "--out", str(out)]) == 2
    message = last_line(capsys)
    assert "the memory is full (an array (8, 96) takes 5 GB); an image of a batch takes" in message
    assert "instead of 8 images try --batch-size 4, in a new run (--out)" in message
    assert f"the last good checkpoint is {out / 'last.npz'}" in message
    assert step_of(out) == 2
    assert main(["--resume", str(out), "--save-interval", "2m"]) == 0
    assert_same_run(unbroken, out)


@pytest.mark.parametrize(
    ("images_that_fit", "words"),
    [(100, "--batch-size 4,"), (3, "--batch-size 2,"), (1, "--batch-size 1,"),
     (0, "a smaller --image-size or --width")],
)  # fmt: skip
def test_the_batch_is_at_most_half_as_large_and_fits_the_machine(
    images, tmp_path, monkeypatch, numpy_backend, images_that_fit, words
):
    run = make_run(images, tmp_path)
    size = memory.network_bytes(run) + images_that_fit * memory.image_bytes(run)
    monkeypatch.setattr(memory, "whole", lambda: (size, "this machine"))
    assert words in memory.remedy(run, MemoryError())


def test_an_image_takes_the_outputs_of_all_layers_twice(images, tmp_path, numpy_backend):
    run = make_run(images, tmp_path)
    x, outputs = tn.Tensor(next(run.batches.epoch(0))[0][:1].astype(np.float32)), 0
    for _, layer in run.model:
        x = layer(x)
        outputs += x.numpy().nbytes
    assert memory.image_bytes(run) == 2 * outputs


def test_a_limit_of_the_process_counts_in_place_of_the_machine(monkeypatch, numpy_backend):
    machine, place = memory.whole()
    assert place == "this machine" and machine > 10**9
    monkeypatch.setattr(memory.resource, "getrlimit", lambda kind: (10**8, -1))
    assert memory.whole() == (10**8, "this process")


def test_memory_is_told_in_words():
    assert [memory.in_words(n) for n in (212_000, 12_300_000, 3_440_000_000)] == [
        "0.21 MB", "12 MB", "3.4 GB",
    ]  # fmt: skip
    assert memory.peak() > 10_000_000
