"""Runs with --keep-features are the same runs without it; what ends them."""

import os
import signal

import numpy as np
import pytest

import tinynet as tn
from alexnet import train
from alexnet.evaluation import activations
from alexnet.train import main
from alexnet.weights import checkpoint
from tests.alexnet.small_training import FLAGS, assert_same_run, last_line, lines

pytestmark = pytest.mark.usefixtures("backend_as_before", "quick_picture")
PLAIN = [*FLAGS, "--epochs", "2", "--augment", "none", "--freeze", "conv1-conv5"]
KEPT = [*PLAIN, "--keep-features"]


@pytest.fixture(scope="module")
def kept(images, tmp_path_factory):
    """The folder of a run with kept features; tests only read it."""
    out, before = tmp_path_factory.mktemp("runs") / "kept", tn.get_backend().name
    assert main([images, *KEPT, "--out", str(out)]) == 0
    tn.use_backend(before)
    return out


def test_losses_and_weights_are_those_of_the_run_without_it(images, kept, tmp_path):
    """To the last bits only: a batch of other images may be multiplied in another order."""
    out = tmp_path / "run"
    assert main([images, *PLAIN, "--out", str(out)]) == 0
    ours, theirs = lines(kept), lines(out)
    assert len(ours) == len(theirs) == 10
    for name in ("train_loss", "val_loss"):
        values = [[x[name] for x in run if name in x] for run in (ours, theirs)]
        assert values[0] == pytest.approx(values[1], rel=1e-5)
    ours, theirs = (checkpoint.load(folder / "last.npz").model for folder in (kept, out))
    for name in theirs:
        assert ours[name] == pytest.approx(theirs[name], rel=1e-4, abs=1e-6), name


@pytest.mark.parametrize("step", [3, 4])
def test_a_run_resumed_in_an_epoch_or_at_its_end_is_the_unbroken_one(images, kept, tmp_path, step):
    out = tmp_path / "run"
    assert main([images, *KEPT, "--max-steps", str(step), "--out", str(out)]) == 0
    assert main(["--resume", str(out)]) == 0
    assert_same_run(out, kept)


def test_the_checkpoint_is_one_of_the_whole_network(images, kept):
    saved = checkpoint.load(kept / "best.npz")
    assert saved.options["keep_features"] is True
    assert {name.split(".")[0] for name in saved.model} >= {"conv1", "fc8"}


def test_kept_features_of_a_frozen_batch_norm_train_as_without_it(images, tmp_path):
    flags = [*FLAGS, "--epochs", "1", "--norm", "batch", "--augment", "none"]
    flags += ["--freeze", "conv1-norm5"]
    losses = []
    for name, more in (("plain", []), ("kept", ["--keep-features"])):
        assert main([images, *flags, *more, "--out", str(tmp_path / name)]) == 0
        losses.append([line["train_loss"] for line in lines(tmp_path / name)])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--augment", "crop"], "--keep-features: --augment crop cuts images out anew"),
        (["--freeze", "conv2-fc7"], "--keep-features: conv1, the first layer, is trained"),
        (["--freeze", "conv1-fc8"], "--freeze: every layer is frozen"),
        (["--cuda-graph"], "--cuda-graph records a step that reads one array, --keep-features"),
    ],
)
def test_flags_that_do_not_go_together_end_with_2_and_leave_nothing(
    images, tmp_path, capsys, flags, message
):
    out = tmp_path / "run"
    assert main([images, *KEPT, *flags, "--out", str(out)]) == 2
    assert message in last_line(capsys)
    assert not out.exists()


def test_it_needs_frozen_layers(images, tmp_path, capsys):
    flags = [*FLAGS, "--augment", "none", "--keep-features", "--out", str(tmp_path / "run")]
    assert main([images, *flags]) == 2
    assert "--freeze conv1-... fits" in last_line(capsys)


def test_too_many_features_for_the_memory_end_with_2_before_anything_is_computed(
    images, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(activations, "_memory", lambda: 1000)
    out = tmp_path / "run"
    assert main([images, *KEPT, "--out", str(out)]) == 2
    captured = capsys.readouterr()
    assert "--keep-features: activations (" in captured.err.splitlines()[-1]
    assert captured.out == "" and not out.exists()


def test_a_run_does_not_begin_to_keep_features_in_its_middle(whole, capsys):
    assert main(["--resume", str(whole), "--epochs", "3", "--keep-features"]) == 2
    message = "--keep-features does not fit: this run began without; leave it out"
    assert message in last_line(capsys)


def test_ctrl_c_while_features_are_computed_stops_at_once_and_the_run_can_go_on(
    images, kept, tmp_path, monkeypatch, capsys
):
    out, seen = tmp_path / "run", []
    outputs = activations.outputs

    def signalled(*arguments):
        seen.append(1)
        if len(seen) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return outputs(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(activations, "outputs", signalled)
        patch.setattr(train, "take_step", None)  # no step is taken
        assert main([images, *KEPT, "--out", str(out)]) == 130
    assert len(seen) == 2
    line = last_line(capsys)
    assert "interrupted after step 0, which is saved" in line and f"--resume {out}" in line
    assert not (out / "log.jsonl").exists() and not (out / "best.npz").exists()
    assert main(["--resume", str(out)]) == 0
    assert_same_run(out, kept)


def test_frozen_weights_do_not_move(kept):
    model = checkpoint.load(kept / "last.npz").model
    first = checkpoint.load(kept / "best.npz").model
    assert all(np.array_equal(model[n], first[n]) for n in model if n.startswith("conv"))
    assert not np.array_equal(model["fc6.weight"], first["fc6.weight"])
