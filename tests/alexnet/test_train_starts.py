"""Starts that are dead are reported; photos are learned with the defaults."""

import pytest

from alexnet.train import main
from tests.alexnet.small_training import FLAGS, lines, make_images, make_photos

pytestmark = pytest.mark.usefixtures("backend_as_before", "quick_picture")


def test_a_dead_start_is_reported_with_dead_relus_and_what_to_change(images, tmp_path, capsys):
    flags = [*FLAGS, "--init", "published", "--lr", "1e-9", "--dead-start-steps", "8"]
    assert main([images, *flags, "--out", str(tmp_path / "run"), "--max-steps", "9"]) == 0
    text = capsys.readouterr().out
    assert text.count("dead start: after 8 steps") == 1
    assert "ln(3) = 1.0986" in text and "relu1 " in text and "relu7 " in text
    assert "--init he" in text


def test_a_dead_start_of_unequal_classes_is_reported_after_five_epochs_and_then_rarely(
    tmp_path, capsys
):
    images = make_images(tmp_path / "images", train=4)
    for index in range(16):  # blue 20, green 4, red 4
        name = images / "train" / "blue" / f"{index:02}.png"
        name.with_name(f"copy{index:02}.png").write_bytes((name.parent / "00.png").read_bytes())
    flags = [*FLAGS, "--init", "published", "--lr", "1e-3", "--epochs", "21"]
    assert main([str(images), *flags, "--out", str(tmp_path / "run")]) == 0
    text = capsys.readouterr().out
    reports = [line for line in text.splitlines() if line.startswith("dead start")]
    assert [line.split()[3] for line in reports] == ["15", "30", "60"]
    assert all("by their frequency is 0.7963, and ln(3) = 1.0986" in line for line in reports)
    assert "all validation images get one class" in text
    assert {line["lr"] for line in lines(tmp_path / "run") if "lr" in line} == {1e-3}


def test_a_start_that_is_not_dead_is_not_reported(images, tmp_path, capsys):
    out = str(tmp_path / "run")
    assert main([images, *FLAGS, "--out", out, "--dead-start-steps", "5"]) == 0
    assert "dead start" not in capsys.readouterr().out


def test_two_classes_of_forty_photos_are_learned_at_the_first_try(tmp_path, capsys):
    folder, out = make_photos(tmp_path / "photos"), tmp_path / "run"
    flags = "--image-size 67 --width 0.1 --backend numpy --threads 1 --max-steps 72".split()
    assert main([str(folder), *flags, "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert "90 epochs of 9 steps, at most 72 steps, batch 8" in text and "init he" in text
    assert "dead start" not in text
    accuracies = [line["val_top1"] for line in lines(out) if "val_top1" in line]
    assert accuracies[-1] == 1.0  # guessing has 0.5
