"""Runs with --freeze and --lr-scale: bits that stay, resuming, exit codes, the recipe."""

import numpy as np
import pytest

import alexnet
import tinynet as tn
from alexnet import evaluate, predict
from alexnet.train import main
from alexnet.weights import checkpoint
from tests.alexnet.small_training import SHORT, assert_same_run, last_line

pytestmark = pytest.mark.usefixtures("backend_as_before", "quick_picture")
FROZEN = [*SHORT, "--norm", "batch", "--freeze", "conv1-norm3", "--lr-scale", "conv5=0.1,fc8=10"]
NUMPY = ["--backend", "numpy", "--threads", "1"]


@pytest.fixture(scope="module")
def frozen(images, tmp_path_factory):
    """The folder of a run with frozen and with scaled layers; tests only read it."""
    out = tmp_path_factory.mktemp("runs") / "frozen"
    before = tn.get_backend().name
    assert main([images, *FROZEN, "--out", str(out)]) == 0
    tn.use_backend(before)
    return out


def test_frozen_layers_keep_their_bits_over_a_run(frozen):
    saved = checkpoint.load(frozen / "last.npz")
    tn.seed(0)
    first = alexnet.build(**saved.build).state_dict()
    moved = {"conv4", "norm4", "conv5", "norm5", "fc6", "fc7", "fc8"}
    for name, array in saved.model.items():
        assert np.array_equal(array, first[name]) == (name.split(".")[0] not in moved), name
    assert saved.frozen == ["conv1", "norm1", "conv2", "norm2", "conv3", "norm3"]
    assert len(saved.velocities) == 2 * len(moved)


@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_resumed_frozen_run_is_the_unbroken_one_bit_for_bit(images, frozen, tmp_path, step):
    out = tmp_path / "run"
    assert main([images, *FROZEN, "--max-steps", str(step), "--out", str(out)]) == 0
    assert main(["--resume", str(out)]) == 0
    assert_same_run(out, frozen)


def test_both_checkpoints_of_a_frozen_run_are_evaluated_and_predict(images, frozen, capsys):
    for name in ("best.npz", "last.npz"):
        assert evaluate.main([str(frozen / name), *NUMPY]) == 0
        assert predict.main([str(frozen / name), f"{images}/val/red/00.png", *NUMPY]) == 0


def test_the_recipe_names_frozen_layers_trained_parameters_and_rates(images, tmp_path, capsys):
    out = tmp_path / "run"
    assert main([images, *FROZEN, "--max-steps", "1", "--out", str(out)]) == 0
    text = capsys.readouterr().out
    saved = checkpoint.load(out / "last.npz")
    trained = sum(velocity.size for velocity in saved.velocities.values())
    assert f"\n          {trained:,} of them trained; frozen: conv1-norm3\n" in text
    assert "\n          rates: 0.1 lr in conv5, 10 lr in fc8, lr in the others\n" in text


def test_a_run_without_the_flags_says_nothing_of_them(images, tmp_path, capsys):
    assert main([images, *SHORT, "--max-steps", "1", "--out", str(tmp_path / "run")]) == 0
    text = capsys.readouterr().out
    assert "frozen" not in text and "rates" not in text
    assert checkpoint.load(tmp_path / "run" / "last.npz").frozen == []


def test_rates_of_layers_may_change_in_a_resumed_run_which_says_so(images, tmp_path, capsys):
    out = tmp_path / "run"
    assert main([images, *FROZEN, "--max-steps", "2", "--out", str(out)]) == 0
    assert main(["--resume", str(out), "--lr-scale", "fc7=2", "--max-steps", "3"]) == 0
    text = capsys.readouterr().out
    assert "rates of layers: conv5=0.1,fc8=10 so far, fc7=2 from now on" in text
    assert checkpoint.load(out / "last.npz").options["lr_scale"] == "fc7=2"
    assert main(["--resume", str(out)]) == 0
    assert "rates of layers" not in capsys.readouterr().out


def test_frozen_layers_may_not_change_in_a_resumed_run(frozen, whole, capsys):
    assert main(["--resume", str(frozen), "--epochs", "3", "--freeze", "conv1"]) == 2
    line = last_line(capsys)
    assert "--freeze conv1 does not fit: this run began with conv1-norm3; leave it out" in line
    assert main(["--resume", str(whole), "--epochs", "3", "--freeze", "conv1"]) == 2
    assert "--freeze conv1 does not fit: this run began without; leave" in last_line(capsys)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--freeze", "conv9"], "--freeze: the network has no layer 'conv9'; the layers with "
         "parameters are conv1, conv2, conv3, conv4, conv5, fc6, fc7, fc8"),
        (["--freeze", "conv1-fc8"], "--freeze: every layer is frozen"),
        (["--freeze", "conv3-conv1"], "--freeze: conv3-conv1 is reversed"),
        (["--lr-scale", "fc9=2"], "--lr-scale: the network has no layer 'fc9'; the layers with"),
        (["--lr-scale", "fc8=0"], "--lr-scale: '0' is no factor"),
        (["--lr-scale", "fc8=2", "--freeze", "fc8"], "--lr-scale: frozen by --freeze"),
    ],
)  # fmt: skip
def test_flags_that_do_not_fit_end_with_2_and_leave_nothing(
    images, tmp_path, capsys, flags, message
):
    out = tmp_path / "run"
    assert main([images, *SHORT, *flags, "--out", str(out)]) == 2
    assert message in last_line(capsys)
    assert not out.exists()


def test_one_image_of_1_x_1_needs_no_variance_in_a_frozen_batch_norm(images, tmp_path, capsys):
    flags = "--spec one-weird-trick --norm batch --image-size 39 --width 0.03 --batch-size 1"
    flags = [images, *flags.split(), *NUMPY, "--max-steps", "1", "--out", str(tmp_path / "run")]
    assert main([*flags, "--freeze", "conv1-norm4"]) == 2
    assert "norm5: batch normalisation of maps of 1 x 1 needs" in last_line(capsys)
    assert main([*flags, "--freeze", "conv1-norm5"]) == 0
