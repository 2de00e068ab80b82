"""Errors of the training command: exit codes, the last line, and what is left behind."""

import errno
import os

import numpy as np
import pytest

from alexnet import evaluate, predict
from alexnet.train import main
from tests.alexnet.small_training import FLAGS, last_line, lines, make_images

pytestmark = pytest.mark.usefixtures("backend_as_before", "quick_picture")


def test_an_image_size_too_small_ends_with_2(images, tmp_path, capsys):
    assert main([images, "--image-size", "32", "--backend", "numpy"]) == 2
    assert "the smallest that works with spec paper is 67" in last_line(capsys)


def test_batch_norm_of_one_pixel_refuses_batches_of_one_before_it_begins(images, tmp_path, capsys):
    out = tmp_path / "run"
    flags = "--spec one-weird-trick --norm batch --image-size 39 --width 0.03 --backend numpy"
    assert main([images, *flags.split(), "--batch-size", "1", "--out", str(out)]) == 2
    assert "norm5" in (line := last_line(capsys)) and "--batch-size 2" in line
    assert not out.exists()


@pytest.mark.parametrize(
    "flags",
    [
        ["--lr", "nan"], ["--batch-size", "0"], ["--dropout", "1"], ["--spec", "resnet"],
        # The checkpoint of such a run could not be read.
        ["--threads", "4097"], ["--threads", "9" * 30], ["--epochs", "9" * 30],
        ["--batch-size", "9" * 30], ["--skip-bad-images", "9" * 30], ["--pool", "9" * 30, "1"],
    ],
)  # fmt: skip
def test_an_invalid_flag_ends_with_2(flags, capsys):
    with pytest.raises(SystemExit) as ending:
        main(flags)
    assert ending.value.code == 2
    assert flags[0] in last_line(capsys)


def test_missing_data_ends_with_3(tmp_path, capsys):
    assert main([str(tmp_path / "nothing"), *FLAGS]) == 3
    assert "is not there" in last_line(capsys)


def test_a_broken_image_ends_with_3_and_its_path(tmp_path, capsys):
    images = make_images(tmp_path / "images", train=3, val=1)
    (images / "train" / "red" / "01.png").write_bytes(b"no image")
    assert main([str(images), *FLAGS, "--out", str(tmp_path / "run")]) == 3
    assert str(images / "train" / "red" / "01.png") in last_line(capsys)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("spec", ["paper", "torchvision"])  # torchvision's mean is not measured
def test_a_broken_validation_image_shows_before_the_first_step(tmp_path, capsys, spec):
    images, out = make_images(tmp_path / "images", train=3, val=2), tmp_path / "runs" / "run"
    (images / "val" / "red" / "01.png").write_bytes(b"no image")
    assert main([str(images), *FLAGS, "--spec", spec, "--out", str(out)]) == 3
    assert str(images / "val" / "red" / "01.png") in last_line(capsys)
    assert not out.parent.exists()
    assert main([str(images), *FLAGS, "--skip-bad-images", "1", "--out", str(out)]) == 0


def test_an_unknown_backend_ends_with_4(capsys):
    assert main(["--backend", "abacus"]) == 4
    assert "'abacus' is not one of numpy, numba" in last_line(capsys)


def test_a_loss_that_is_not_finite_ends_with_5_and_keeps_the_last_checkpoint(
    images, tmp_path, capsys
):
    out = tmp_path / "run"
    assert main([images, *FLAGS, "--out", str(out), "--max-steps", "4"]) == 0
    before = (out / "last.npz").read_bytes()
    with np.errstate(all="ignore"):
        assert main(["--resume", str(out), "--lr", "1e30"]) == 5
    message = last_line(capsys)
    assert "the first layer whose output is not finite is" in message
    assert "a smaller rate" in message and str(out / "last.npz") in message
    assert (out / "last.npz").read_bytes() == before
    assert lines(out)[-1]["step"] <= 6


@pytest.mark.parametrize("lr", ["1e30", "1e300"])  # the loss overflows; the weights overflow
def test_weights_from_a_step_that_overflowed_are_never_saved(images, tmp_path, capsys, lr):
    out = tmp_path / "run"
    with np.errstate(all="ignore"):
        assert main([images, *FLAGS, "--out", str(out), "--lr", lr, "--max-steps", "1"]) == 5
    assert "a smaller rate" in last_line(capsys)
    assert main(["--resume", str(out), "--lr", "0.02", "--max-steps", "1"]) == 0


def test_weights_that_are_not_finite_are_not_saved_between_two_steps(images, tmp_path, capsys):
    out, flags = tmp_path / "run", ["--save-interval", "1", "--lr", "1e300"]
    with np.errstate(all="ignore"):
        assert main([images, *FLAGS, "--out", str(out), *flags]) == 5
    assert "is not finite" in last_line(capsys)
    assert main(["--resume", str(out), "--lr", "0.02", "--max-steps", "1"]) == 0


def test_a_folder_that_cannot_be_made_ends_with_6(images, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main([images, *FLAGS, "--out", str(tmp_path / "file" / "run")]) == 6
    assert "--out" in last_line(capsys)


def test_a_full_disk_ends_with_6_and_leaves_the_checkpoint_before(
    images, tmp_path, capsys, monkeypatch
):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    out = tmp_path / "run"
    assert main([images, *FLAGS, "--out", str(out), "--max-steps", "1"]) == 0
    before = (out / "last.npz").read_bytes()
    monkeypatch.setattr(os, "fsync", full)
    assert main(["--resume", str(out)]) == 6
    assert "No space left on device" in last_line(capsys)
    assert (out / "last.npz").read_bytes() == before


# --- runs that cannot begin ---


@pytest.mark.parametrize(
    "flags",
    [
        ["nothing"], ["IMAGES", "--image-size", "32"], ["IMAGES", "--cuda-graph"],
        ["IMAGES", "--spec", "cifar10", "--image-size", "3"], ["cifar10:"], ["IMAGES/train/red"],
    ],
)  # fmt: skip
@pytest.mark.parametrize("out", [[], ["--out", "new/run"]])
def test_a_run_that_cannot_begin_leaves_nothing_behind(images, tmp_path, monkeypatch, flags, out):
    monkeypatch.chdir(tmp_path)
    flags = [flag.replace("IMAGES", images) for flag in flags]
    assert main([*flags, "--backend", "numpy", *out]) in (2, 3)
    assert os.listdir(tmp_path) == []


def test_a_full_disk_at_the_first_save_leaves_nothing_behind(images, tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert main([images, *FLAGS, "--out", str(tmp_path / "new" / "run")]) == 6
    assert os.listdir(tmp_path) == []


def test_a_run_in_the_folder_of_its_data_is_refused_and_leaves_nothing(
    tmp_path, monkeypatch, capsys
):
    images = make_images(tmp_path / "images", train=1, val=1)
    monkeypatch.chdir(images)
    assert main([".", *FLAGS]) == 2
    assert "--out ../runs/paper-images-" in last_line(capsys)
    assert sorted(os.listdir(images)) == ["train", "val"]


@pytest.mark.parametrize("flags", [[""], ["--out", ""], ["--resume", ""], ["--backend", ""]])
def test_an_empty_value_is_an_error(flags, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ending:
        main(flags)
    assert ending.value.code == 2
    assert "'' names nothing" in last_line(capsys)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("arguments", [[""], ["best.npz", ""]])
@pytest.mark.parametrize("command", [evaluate.main, predict.main])
def test_an_empty_value_is_an_error_for_the_other_commands_too(command, arguments, capsys):
    if command is predict.main:
        arguments = [*arguments, "photo.jpg"]
    with pytest.raises(SystemExit) as ending:
        command(arguments)
    assert ending.value.code == 2
    assert "'' names nothing" in last_line(capsys)


def test_cifar10_without_a_folder_is_not_the_current_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["cifar10:"]) == 3
    assert "cifar10: names no folder" in last_line(capsys)


def test_resume_of_a_folder_that_is_not_there_names_it(tmp_path, capsys):
    out = tmp_path / "run"
    for name in (out, out / "last.npz"):
        assert main(["--resume", str(name)]) == 3
        assert f"--out {out} begins one" in last_line(capsys)


def test_a_run_in_a_class_folder_of_its_data_names_a_folder_outside(tmp_path, monkeypatch, capsys):
    data = make_images(tmp_path / "photos") / "train"
    monkeypatch.chdir(data / "red")
    assert main(["..", *FLAGS]) == 2
    line = last_line(capsys)
    out = line.partition("--out ")[2].split()[0]
    assert os.path.realpath(out).startswith(str(tmp_path / "photos" / "runs" / "paper-train-"))
    assert main(["..", *FLAGS, "--max-steps", "1", "--out", out]) == 0


def test_resume_without_a_checkpoint_and_out_lead_to_each_other(images, tmp_path, capsys):
    """A run that failed before its first save is begun again."""
    out = tmp_path / "run"
    out.mkdir()
    (out / "options.json").write_text("{}")
    assert main(["--resume", str(out)]) == 3
    assert f"--out {out} begins one" in last_line(capsys)
    assert main([images, *FLAGS, "--out", str(out), "--max-steps", "1"]) == 0
    assert main([images, *FLAGS, "--out", str(out)]) == 2
    assert f"--resume {out}" in last_line(capsys)


@pytest.mark.parametrize("name", ["a$b", "\udcff", "\x1b[31m"])
def test_a_run_folder_of_any_name_is_trained_in(images, tmp_path, capsys, name):
    out = tmp_path / name
    assert main([images, *FLAGS, "--out", str(out), "--max-steps", "1"]) == 0
    assert main(["--resume", str(out), "--max-steps", "2"]) == 0
    text = capsys.readouterr()
    assert "\x1b" not in text.out + text.err
    assert (out / "best.npz").exists()


def test_class_names_with_terminal_codes_are_shown_escaped(tmp_path, capsys):
    images = make_images(tmp_path / "images", train=3, val=1)
    for split in ("train", "val"):
        (images / split / "blue").rename(images / split / "\x1b[34mblue")
    assert main([str(images), *FLAGS, "--out", str(tmp_path / "run"), "--max-steps", "1"]) == 0
    text = capsys.readouterr().out
    assert "\x1b" not in text and "\\x1b[34mblue" in text
