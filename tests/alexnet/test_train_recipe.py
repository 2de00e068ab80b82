"""Runs with a published recipe: the change of colour, rates of biases, milestones; resuming."""

import json

import numpy as np
import pytest

import tinynet as tn
from alexnet.train import main
from alexnet.weights import checkpoint
from tests.alexnet.small_training import FLAGS, last_line, lines, log

pytestmark = pytest.mark.usefixtures("backend_as_before", "quick_picture")

# The flags of FLAGS win over the recipe's, so those that the recipe sets are left out.
RECIPE = [
    *"--image-size 67 --width 0.03 --batch-size 8 --epochs 3 --backend numpy --threads 1".split(),
    *"--recipe caffe --augment alexnet --milestones 1,2 --warmup 0.5 --bias-lr 0.02".split(),
]


@pytest.fixture(scope="module")
def whole(images, tmp_path_factory):
    """A run with RECIPE, unbroken, and one worker."""
    folder = tmp_path_factory.mktemp("recipe") / "run"
    with tn.use_backend("numpy"):
        assert main([images, *RECIPE, "--workers", "1", "--out", str(folder)]) == 0
    return folder


@pytest.mark.parametrize("workers", ["0", "4"])
@pytest.mark.parametrize("stop", ["1", "4"])
def test_a_run_that_changes_colours_resumes_with_the_same_bits(
    images, whole, tmp_path, workers, stop
):
    out = tmp_path / "run"
    flags = ["--workers", workers, "--out", str(out), "--max-steps", stop]
    assert main([images, *RECIPE, *flags]) == 0
    assert main(["--resume", str(out), "--workers", "1"]) == 0
    assert (out / "last.npz").read_bytes() == (whole / "last.npz").read_bytes()
    assert log(out) == log(whole)


def test_colours_and_rates_follow_the_flags(whole):
    saved = checkpoint.load(whole / "last.npz")
    assert np.linalg.norm(saved.training["colours"]["components"][0]) > 10
    rates = [line["lr"] for line in lines(whole) if "lr" in line]
    # Four steps an epoch: half an epoch of warmup, then a tenth after each of two epochs.
    assert rates == pytest.approx([0.005] + [0.01] * 3 + [0.001] * 4 + [0.0001] * 4)
    options = json.loads((whole / "options.json").read_text())
    assert (options["recipe"], options["bias_lr"], options["decay_biases"]) == (
        "caffe", "0.02", False,
    )  # fmt: skip


def test_the_first_lines_tell_what_was_resolved(images, tmp_path, capsys):
    flags = [*RECIPE, "--workers", "0", "--out", str(tmp_path / "run"), "--max-steps", "1"]
    assert main([images, *flags]) == 0
    text = capsys.readouterr().out
    assert "recipe    caffe, as published; flags beside it win" in text
    assert "augment alexnet" in text
    assert "lr 0.01 (multistep after epochs 1,2, warmup 0.5 epochs), momentum 0.9" in text
    assert "biases: lr 0.02 throughout, no weight decay" in text


def test_biases_without_decay_end_with_other_bits(images, tmp_path):
    runs = []
    for flag in ("--decay-biases", "--no-decay-biases"):
        out = tmp_path / flag
        flags = [*FLAGS, flag, "--out", str(out), "--max-steps", "2", "--weight-decay", "0.5"]
        assert main([images, *flags, "--init", "published"]) == 0
        runs.append(checkpoint.load(out / "last.npz").model)
    decayed, kept = (run["conv2.bias"].mean() for run in runs)  # they start at 1
    assert decayed < kept - 0.01


@pytest.mark.parametrize("change", ["lost", "damaged"])
def test_a_file_without_its_change_of_colour_is_an_error(images, whole, tmp_path, capsys, change):
    arrays = tn.load(whole / "last.npz")
    record = json.loads(arrays["record"].tobytes())
    if change == "lost":
        del record["training"]["colours"]
    else:
        record["training"]["colours"]["components"][0][0] = None
    arrays["record"] = np.frombuffer(json.dumps(record).encode(), np.uint8)
    tn.save(tmp_path / "last.npz", arrays)
    assert main(["--resume", str(tmp_path / "last.npz"), "--epochs", "4"]) == 3
    assert "training.colours is " in last_line(capsys)
