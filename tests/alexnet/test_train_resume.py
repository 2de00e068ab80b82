"""A resumed training: what may change, and what must be as it was."""

import numpy as np
import pytest

import tinynet as tn
from alexnet.train import main
from alexnet.weights import checkpoint
from tests.alexnet.small_training import FLAGS, last_line, lines, make_images

pytestmark = pytest.mark.usefixtures("backend_as_before", "quick_picture")


def test_a_run_is_never_overwritten(images, unbroken, capsys):
    before = (unbroken / "last.npz").read_bytes()
    assert main([images, *FLAGS, "--out", str(unbroken)]) == 2
    assert f"--resume {unbroken}" in last_line(capsys)
    assert (unbroken / "last.npz").read_bytes() == before


def test_a_resumed_run_takes_more_epochs_and_another_rate(images, tmp_path):
    out = tmp_path / "run"
    assert main([images, *FLAGS, "--out", str(out), "--max-steps", "4"]) == 0
    assert main(["--resume", str(out), "--epochs", "2", "--lr", "0.005"]) == 0
    assert lines(out)[-1]["epoch"] == 2
    assert lines(out)[-2]["lr"] == 0.005


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--batch-size", "4"], "--batch-size 4 does not fit: this run began with 8"),
        (["--width", "0.1"], "--width 0.1 does not fit"),
        (["--out", "elsewhere"], "--out does not go with --resume"),
        ([], "has all its 3 epochs; to go on, say --epochs 6"),
    ],
)
def test_a_resumed_run_stays_the_same_run(unbroken, capsys, flags, words):
    assert main(["--resume", str(unbroken), *flags]) == 2
    assert words in last_line(capsys)


def test_best_npz_holds_no_velocities_and_no_run_resumes_from_it(unbroken, capsys):
    assert not any(name.startswith("velocity") for name in tn.load(unbroken / "best.npz"))
    assert main(["--resume", str(unbroken / "best.npz")]) == 2
    assert f"--resume {unbroken}" in last_line(capsys)


def test_other_data_than_the_run_began_with_is_an_error(images, unbroken, tmp_path, capsys):
    other = make_images(tmp_path / "images", train=5, val=1)
    assert main([str(other), "--resume", str(unbroken), "--epochs", "4"]) == 3
    assert "15 training images, the run began with 3 and 36" in last_line(capsys)


@pytest.fixture
def stopped(tmp_path, capsys):
    """(images, run folder) of a run that was stopped in its first epoch."""
    images, out = make_images(tmp_path / "images"), tmp_path / "run"
    assert main([str(images), *FLAGS, "--out", str(out), "--max-steps", "2"]) == 0
    capsys.readouterr()
    return images, out


def test_images_may_move_to_another_folder_between_stop_and_resume(stopped, tmp_path, capsys):
    images, out = stopped
    images.rename(tmp_path / "elsewhere")
    assert main([str(tmp_path / "elsewhere"), "--resume", str(out), "--max-steps", "3"]) == 0
    assert "resumed" not in capsys.readouterr().out


@pytest.mark.parametrize("split", ["train", "val"])
def test_an_image_that_moved_to_another_class_is_an_error(stopped, capsys, split):
    images, out = stopped
    (images / split / "red" / "00.png").rename(images / split / "blue" / "99.png")
    assert main(["--resume", str(out), "--skip-bad-images", "5"]) == 3
    message = last_line(capsys)
    which, count = ("training", 12) if split == "train" else ("validation", 4)
    assert f"has {which} images in other classes" in message
    assert f"blue {count + 1} (before: {count}), red {count - 1} (before: {count})" in message
    assert "--skip-bad-images" not in message  # none is missing


def test_images_that_changed_their_places_are_an_error(stopped, capsys):
    """Each class has as many images as before."""
    images, out = stopped
    (images / "train" / "red" / "00.png").rename(images / "train" / "blue" / "99.png")
    (images / "train" / "blue" / "00.png").rename(images / "train" / "red" / "99.png")
    assert main(["--resume", str(out)]) == 3
    assert "training images with other names, or in other classes" in last_line(capsys)


def test_other_classes_are_an_error_that_names_them(stopped, capsys):
    images, out = stopped
    for split in ("train", "val"):
        (images / split / "red").rename(images / split / "pink")
    assert main(["--resume", str(out)]) == 3
    assert "new classes: pink; missing classes: red" in last_line(capsys)


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("gone", [True, False])
def test_an_image_that_is_gone_or_broken_since_is_left_out_on_request(stopped, capsys, split, gone):
    images, out = stopped
    path = images / split / "red" / "00.png"
    path.unlink() if gone else path.write_bytes(b"no image")
    code = main(["--resume", str(out)])
    if gone or split == "train":  # a broken validation image is not read before the next epoch
        assert code == 3 and "--skip-bad-images" in last_line(capsys)
    assert main(["--resume", str(out), "--skip-bad-images", "1"]) == 0
    text = capsys.readouterr().out
    which = "training images, the run began with 3 and 36" if split == "train" else "validation"
    assert which in text and "no longer have the bits of an unbroken run" in text
    assert lines(out)[-1]["epoch"] == 3
    assert main(["--resume", str(out), "--epochs", "4"]) == 0  # from now on this is the list
    assert "unbroken" not in capsys.readouterr().out


def test_a_run_goes_on_when_so_many_images_are_gone_that_epochs_are_shorter(stopped, capsys):
    images, out = stopped
    for number in range(5):
        (images / "train" / "red" / f"{number:02}.png").unlink()
    assert main(["--resume", str(out), "--skip-bad-images", "4"]) == 3
    assert "--skip-bad-images 5" in last_line(capsys)
    assert main(["--resume", str(out), "--skip-bad-images", "5"]) == 0  # 31 images: 3 steps
    assert checkpoint.load(out / "last.npz").training["epoch"] == 3
    assert [line["step"] for line in lines(out) if "val_loss" in line] == [3, 6, 9]


def test_a_checkpoint_without_lists_of_images_resumes(stopped, capsys):
    """Older versions compared the number of training images only."""
    images, out = stopped
    saved = checkpoint.load(out / "last.npz")
    del saved.training["lists"]
    saved.save(out / "last.npz")
    assert main(["--resume", str(out), "--max-steps", "3"]) == 0
    saved.save(out / "last.npz")
    (images / "train" / "red" / "00.png").unlink()
    assert main(["--resume", str(out)]) == 3
    assert "35 training images, the run began with 36" in last_line(capsys)


def test_a_learning_rate_that_more_epochs_change_is_told(images, tmp_path, capsys):
    flags = [images, *FLAGS, "--schedule", "cosine", "--out", str(tmp_path / "run")]
    assert main(flags) == 0
    assert main(["--resume", str(tmp_path / "run"), "--epochs", "6", "--max-steps", "13"]) == 0
    before, now = (0.02 * (1 + np.cos(np.pi * share)) / 2 for share in (11 / 12, 12 / 24))
    assert (
        f"learning rate: {before:.3g} in the last step so far, {now:.3g} in the next"
        in capsys.readouterr().out
    )
    assert lines(tmp_path / "run")[-2]["lr"] == pytest.approx(now)
    assert main(["--resume", str(tmp_path / "run"), "--max-steps", "14"]) == 0
    assert "learning rate:" not in capsys.readouterr().out


def test_a_bad_line_in_the_log_is_left_out_and_told(stopped, capsys):
    _, out = stopped
    with open(out / "log.jsonl", "ab") as file:
        file.write(b"\0\0\0\n")
    assert main(["--resume", str(out), "--max-steps", "3"]) == 0
    assert "unreadable lines left out of log.jsonl: 1" in capsys.readouterr().out
    assert [line["step"] for line in lines(out) if "val_loss" not in line] == [1, 2, 3]
