"""--dry-run measures and leaves nothing behind."""

import os
import re
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

import tinynet as tn
from alexnet.cli import dry_run
from alexnet.train import main
from tests.alexnet.small_training import FLAGS, last_line

pytestmark = pytest.mark.usefixtures("backend_as_before", "quick_picture")


@pytest.fixture(autouse=True)
def one_measured_step(monkeypatch):
    monkeypatch.setattr(dry_run, "SECONDS", 1e-9)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    "flags",
    [
        [], ["--workers", "0", "--out", "new/run"], ["--max-steps", "2"],
        ["--save-interval", "3", "--keep", "2"],
        ["--freeze", "conv1-conv3", "--augment", "none", "--keep-features"],
        ["--augment", "alexnet", "--schedule", "multistep", "--milestones", "1"],
        ["--batch-size", "36", "--epochs", "1"],
    ],
)  # fmt: skip
def test_memory_and_time_are_printed_and_nothing_is_left(
    images, tmp_path, monkeypatch, capsys, flags
):
    monkeypatch.chdir(tmp_path)
    assert main([images, *FLAGS, *flags, "--dry-run"]) == 0
    assert os.listdir(tmp_path) == []
    text = capsys.readouterr().out
    assert re.search(r"dry run   first step [\d.]+ s, loss \d\.\d{3}\n", text)
    assert re.search(r" +last.npz [\d.]+ MB, written in [\d.]+ s, read in [\d.]+ s\n", text)
    assert re.search(r"memory    at most [\d.]+ (MB|GB) in this process\n", text)
    assert re.search(
        r"time      about [\d:]+: \d+ steps [\d:]+, \d validations [\d:]+, \d+ saves", text
    )
    assert "written to" not in text


def test_the_estimate_counts_steps_validations_and_saves(images, tmp_path, capsys, monkeypatch):
    def take(run, step, batches):
        next(batches)
        return 10.0, 1.0

    monkeypatch.setattr(dry_run, "_step", take)
    monkeypatch.setattr(dry_run, "_validate", lambda run, batches: 60.0)
    monkeypatch.setattr(dry_run, "_save_and_load", lambda run: (2e6, 5.0, 1.0))
    monkeypatch.setattr(dry_run, "time", SimpleNamespace(monotonic=lambda: 0.0))
    flags = ["--save-interval", "3", "--max-time", "2m", "--out", str(tmp_path / "run")]
    assert main([images, *FLAGS, *flags, "--dry-run"]) == 0
    # 12 steps of 10 s; 3 validations of 2 batches, and the images are read once as long; a save
    # after each 3 steps, and at the end.
    assert 12 * 10 + 3 * 120 + 120 + 5 * 5 == 10 * 60 + 25
    assert (
        "about 10:25: 12 steps 2:00, 3 validations 6:00, 5 saves 0:25; with --max-time 2m about 6 "
        "commands" in capsys.readouterr().out
    )


def test_a_run_that_would_go_on_is_not_touched(unbroken, tmp_path, capsys):
    out = shutil.copytree(unbroken, tmp_path / "run")
    before = contents(out)
    assert main(["--resume", str(out), "--epochs", "5", "--dry-run"]) == 0
    assert contents(out) == before
    assert "8 steps" in capsys.readouterr().out
    assert main(["--resume", str(out), "--dry-run"]) == 2  # it has all its epochs
    assert contents(out) == before


def test_errors_of_a_run_come_in_its_dry_run(images, tmp_path, unbroken, capsys):
    assert main([images, *FLAGS, "--dry-run", "--out", str(unbroken)]) == 2
    assert "holds a run" in last_line(capsys)
    assert main([images, *FLAGS, "--dry-run", "--image-size", "32"]) == 2
    out = str(tmp_path / "run")
    with np.errstate(all="ignore"):
        assert main([images, *FLAGS, "--dry-run", "--lr", "1e30", "--out", out]) == 5
    assert "try a smaller rate" in last_line(capsys)
    assert os.listdir(tmp_path) == []


def test_full_memory_names_a_batch_that_may_fit(images, tmp_path, monkeypatch, capsys):
    def full(*arguments):
        raise MemoryError

    monkeypatch.setattr("alexnet.train.take_step", full)
    assert main([images, *FLAGS, "--dry-run", "--out", str(tmp_path / "run")]) == 2
    assert "instead of 8 images try --batch-size 4" in last_line(capsys)
    assert os.listdir(tmp_path) == []


def test_on_a_gpu_its_pool_is_told(images, tmp_path, capsys, on_gpu):
    with tn.use_backend("cupy"):
        flags = ["--backend", "cupy", "--out", str(tmp_path / "run")]
        assert main([images, *FLAGS, *flags, "--dry-run"]) == 0
    assert re.search(r"in CuPy's pool; in all [\d.]+ (MB|GB) of the GPU's", capsys.readouterr().out)
    assert os.listdir(tmp_path) == []
