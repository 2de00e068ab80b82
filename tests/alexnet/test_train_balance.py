"""Runs with --balance: the samples that they take, resuming, and a dead start of theirs."""

import math

import numpy as np
import pytest

from alexnet import train
from alexnet.train import main
from tests.alexnet.small_training import FLAGS, last_line, log, make_images, make_run

pytestmark = pytest.mark.usefixtures("backend_as_before", "quick_picture")
BALANCED = [*FLAGS, "--balance", "--batch-size", "6", "--epochs", "2"]


@pytest.fixture(scope="module")
def unequal(tmp_path_factory):
    """Training images: 12 blue, 5 green, 2 red; 3 batches of 6 an epoch."""
    folder = make_images(tmp_path_factory.mktemp("unequal"))
    for name, kept in (("green", 5), ("red", 2)):
        for number in range(kept, 12):
            (folder / "train" / name / f"{number:02}.png").unlink()
    return str(folder)


@pytest.fixture
def labels_of_steps(monkeypatch):
    """The labels of each step's batch."""
    record, seen = train.record, []

    def recorded(run, progress, result):
        seen.append(result.labels.host.tolist())
        record(run, progress, result)

    monkeypatch.setattr(train, "record", recorded)
    return seen


@pytest.mark.parametrize(("balance", "counts"), [(True, [6, 6, 6]), (False, None)])
def test_each_class_is_equally_often_in_an_epoch(
    unequal, tmp_path, labels_of_steps, capsys, balance, counts
):
    flags = [*BALANCED, "--out", str(tmp_path / "run")]
    flags = flags if balance else [flag for flag in flags if flag != "--balance"]
    assert main([unequal, *flags]) == 0
    epochs = np.reshape(labels_of_steps, (2, 18))
    assert [[len(labels) for labels in labels_of_steps]] == [[6] * 6]
    for epoch in epochs:
        counted = np.bincount(epoch, minlength=3)
        assert counted.tolist() == counts if balance else counted[0] >= 11
    assert ("every class equally often" in capsys.readouterr().out) == balance


@pytest.mark.parametrize(("workers", "stop"), [("0", "2"), ("3", "4")])
def test_a_balanced_run_that_is_resumed_is_the_unbroken_run(unequal, tmp_path, workers, stop):
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert main([unequal, *BALANCED, "--out", str(whole)]) == 0
    flags = ["--workers", workers, "--max-steps", stop, "--out", str(run)]
    assert main([unequal, *BALANCED, *flags]) == 0
    assert main(["--resume", str(run), "--workers", "1"]) == 0
    assert (whole / "last.npz").read_bytes() == (run / "last.npz").read_bytes()
    assert log(whole) == log(run)
    assert [line["step"] for line in log(run) if "lr" in line] == [1, 2, 3, 4, 5, 6]


def test_a_run_neither_takes_up_balance_nor_leaves_it(unequal, tmp_path, capsys):
    run = tmp_path / "run"
    flags = [flag for flag in BALANCED if flag != "--balance"]
    assert main([unequal, *flags, "--out", str(run), "--max-steps", "1"]) == 0
    assert main(["--resume", str(run), "--balance"]) == 2
    assert "--balance does not fit: this run began without" in last_line(capsys)


@pytest.mark.usefixtures("numpy_backend")
def test_guessing_among_balanced_samples_has_the_loss_of_equal_classes(unequal, tmp_path):
    run = make_run(unequal, tmp_path, "--balance")
    assert run.guessing_loss == pytest.approx(math.log(3))
    run = make_run(unequal, tmp_path / "plain")
    shares = np.array([12, 5, 2]) / 19
    assert run.guessing_loss == pytest.approx(-(shares * np.log(shares)).sum())


@pytest.mark.usefixtures("numpy_backend")
def test_validation_of_a_balanced_run_is_every_image_once(unequal, tmp_path):
    run = make_run(unequal, tmp_path, "--balance")
    labels = np.concatenate([labels for _, labels in run.validation.epoch(0)])
    assert labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
