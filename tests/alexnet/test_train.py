"""The training command: it learns, resumes after interruptions, and ends with the correct code."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import tinynet as tn
from alexnet import evaluate, predict, train
from alexnet.train import main
from alexnet.weights import checkpoint
from tests.alexnet.small_training import FLAGS, make_images, make_photos

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return str(make_images(tmp_path_factory.mktemp("images")))


@pytest.fixture(scope="module")
def unbroken(images, tmp_path_factory):
    """The folder of a run that was never interrupted."""
    out = tmp_path_factory.mktemp("runs") / "unbroken"
    assert main([images, *FLAGS, "--out", str(out)]) == 0
    return out


@pytest.fixture(autouse=True)
def backend_as_before():
    before = tn.get_backend().name
    yield
    tn.use_backend(before)


def lines(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def start_process(arguments, **options):
    command = [sys.executable, "-m", "alexnet.train", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, **options)


class Stopped(Exception):
    """Ends a run as a kill does."""


def stop(*arguments):
    raise Stopped


def last_line(capsys):
    return capsys.readouterr().err.splitlines()[-1]


def same_bytes(one, other, name="last.npz"):
    return (one / name).read_bytes() == (other / name).read_bytes()


# --- a run ---


def test_a_run_learns_to_tell_colours_apart(unbroken):
    epochs = [line for line in lines(unbroken) if "val_loss" in line]
    assert epochs[-1]["val_top1"] > 0.6  # by chance a third
    assert epochs[-1]["val_loss"] < epochs[0]["val_loss"] < np.log(3)
    assert epochs[-1]["train_loss"] < 0.75 * epochs[0]["train_loss"]


def test_a_run_folder_holds_options_classes_log_and_checkpoints(unbroken):
    names = {path.name for path in unbroken.iterdir()}
    assert {"options.json", "log.jsonl", "classes.json", "last.npz", "best.npz"} <= names
    assert json.loads((unbroken / "classes.json").read_text()) == ["blue", "green", "red"]
    assert json.loads((unbroken / "options.json").read_text())["batch_size"] == 8


def test_the_log_has_a_line_for_each_step_and_one_for_each_epoch(unbroken):
    steps = [line for line in lines(unbroken) if "val_loss" not in line]
    epochs = [line for line in lines(unbroken) if "val_loss" in line]
    assert [line["step"] for line in steps] == list(range(1, 13))
    assert [line["epoch"] for line in steps] == [1] * 4 + [2] * 4 + [3] * 4
    assert {"train_loss", "train_top1", "images_per_second", "lr"} < set(steps[0])
    assert [(line["epoch"], line["step"]) for line in epochs] == [(1, 4), (2, 8), (3, 12)]
    for epoch in epochs:
        own = [line["train_loss"] for line in steps if line["epoch"] == epoch["epoch"]]
        assert epoch["train_loss"] == pytest.approx(np.mean(own))
        assert epoch["val_top5"] == 1.0  # of three classes


def test_the_curves_are_drawn_where_matplotlib_is_installed(unbroken):
    pytest.importorskip("matplotlib")
    assert (unbroken / "curves.png").read_bytes()[:4] == b"\x89PNG"


def test_the_last_line_has_accuracy_and_time_and_the_commands_before_it_work(
    images, tmp_path, capsys
):
    out = tmp_path / "run"
    assert main([images, *FLAGS, "--out", str(out), "--max-steps", "1"]) == 0
    text = capsys.readouterr().out
    assert "best validation top-1" in text.splitlines()[-1]
    assert "total time since python started" in text.splitlines()[-1]
    commands = [line.split()[2:] for line in text.splitlines() if line.startswith("  python -m")]
    assert [command[0] for command in commands] == [
        "alexnet.train", "alexnet.evaluate", "alexnet.predict",
    ]  # fmt: skip
    for command in commands:
        module = __import__(command[0], fromlist=["main"])
        assert module.main(command[1:]) == 0


def test_the_first_lines_name_data_network_and_recipe(images, tmp_path, capsys):
    out = str(tmp_path / "run")
    assert main([images, *FLAGS, "--out", out, "--max-steps", "1", "--groups", "1"]) == 0
    text = capsys.readouterr().out
    assert "3 classes, 36 images (train)" in text and "12 images (val)" in text
    assert "groups 1" in text and "width 0.03" in text and "init he" in text
    assert "3 epochs of 4 steps" in text and "lr 0.02 (plateau)" in text


def test_every_step_is_taken_at_the_rate_of_the_schedule(images, tmp_path, monkeypatch):
    def step(optimizer, lr):
        rates.append(lr)
        move(optimizer, lr)

    rates, out, move = [], tmp_path / "run", tn.optim.SGD.step
    monkeypatch.setattr(tn.optim.SGD, "step", step)
    assert main([images, *FLAGS, "--out", str(out), "--schedule", "cosine"]) == 0
    assert rates == [0.02 * (1 + np.cos(np.pi * step / 12)) / 2 for step in range(12)]
    assert rates == [line["lr"] for line in lines(out) if "lr" in line]


# --- the same bits ---


def test_a_run_ended_by_max_steps_and_resumed_equals_the_unbroken_run(images, unbroken, tmp_path):
    out = tmp_path / "run"
    assert main([images, *FLAGS, "--out", str(out), "--max-steps", "6"]) == 0
    assert checkpoint.load(out / "last.npz").training["step"] == 6
    assert main(["--resume", str(out)]) == 0
    assert same_bytes(unbroken, out) and same_bytes(unbroken, out, "best.npz")
    assert [line["step"] for line in lines(out) if "val_loss" not in line] == list(range(1, 13))


def test_a_run_resumed_without_a_step_is_unchanged(images, tmp_path):
    out = tmp_path / "run"
    assert main([images, *FLAGS, "--out", str(out), "--max-steps", "6"]) == 0
    before = (out / "last.npz").read_bytes()
    assert main(["--resume", str(out), "--max-steps", "6"]) == 0
    assert (out / "last.npz").read_bytes() == before


def test_a_run_interrupted_by_ctrl_c_and_resumed_equals_the_unbroken_run(
    images, unbroken, tmp_path
):
    out = tmp_path / "run"
    process = start_process([images, *FLAGS, "--out", str(out)], stdout=subprocess.PIPE)
    while not (out / "log.jsonl").exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"--resume {out}" in errors.splitlines()[-1]
    assert main(["--resume", str(out)]) == 0
    assert same_bytes(unbroken, out) and same_bytes(unbroken, out, "best.npz")


def test_ctrl_c_during_validation_loses_nothing(images, unbroken, tmp_path, monkeypatch):
    def interrupted(*arguments):
        os.kill(os.getpid(), signal.SIGINT)
        return evaluate(*arguments)

    out = tmp_path / "run"
    evaluate = train.evaluate
    monkeypatch.setattr(train, "evaluate", interrupted)
    assert main([images, *FLAGS, "--out", str(out)]) == 130
    assert len(lines(out)) == 4
    monkeypatch.undo()
    assert main(["--resume", str(out)]) == 0
    assert same_bytes(unbroken, out)


def test_a_run_killed_between_two_steps_resumes_from_its_last_checkpoint(
    images, unbroken, tmp_path, monkeypatch
):
    out = tmp_path / "run"
    monkeypatch.setattr("alexnet.training.run_state.SECONDS_BETWEEN_SAVES", 0)
    with monkeypatch.context() as patch:
        patch.setattr(train.Progress, "validating", stop)
        with pytest.raises(Stopped):
            main([images, *FLAGS, "--out", str(out)])
    monkeypatch.undo()
    assert main(["--resume", str(out)]) == 0
    assert same_bytes(unbroken, out)


def test_a_second_ctrl_c_ends_at_once_and_keeps_the_last_checkpoint(images, tmp_path, monkeypatch):
    def interrupted(*arguments):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        pytest.fail("went on")

    out = tmp_path / "run"
    monkeypatch.setattr(train, "ranks", interrupted)
    assert main([images, *FLAGS, "--out", str(out)]) == 130
    monkeypatch.undo()
    assert main(["--resume", str(out), "--max-steps", "1"]) == 0
    assert lines(out)[0]["step"] == 1


def test_lines_written_after_the_last_checkpoint_are_removed_when_a_run_resumes(images, tmp_path):
    out = tmp_path / "run"
    assert main([images, *FLAGS, "--out", str(out), "--max-steps", "2"]) == 0
    with open(out / "log.jsonl", "a") as file:
        file.write('{"epoch": 1, "step": 3, "train_loss": 9.0}\n{"epoch": 1, "st')
    assert main(["--resume", str(out), "--max-steps", "3"]) == 0
    assert [line["step"] for line in lines(out) if "val_loss" not in line] == [1, 2, 3]


@pytest.mark.parametrize("backend", tn.available_backends())
def test_the_same_command_in_two_processes_ends_with_the_same_bits(images, tmp_path, backend):
    flags = [*FLAGS, "--backend", backend, "--threads", "2", "--max-steps", "3", "--seed", "5"]
    # The first process fills Numba's cache: last bits of kernels differ between the process that
    # compiles them and those that load them.
    for name in ("first", "one", "other"):
        process = start_process(
            [images, *flags, "--out", str(tmp_path / name)], stdout=subprocess.PIPE
        )
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    assert same_bytes(tmp_path / "one", tmp_path / "other")


def test_the_number_of_workers_changes_no_weight(images, unbroken, tmp_path):
    out = tmp_path / "run"
    assert main([images, *FLAGS, "--out", str(out), "--workers", "3"]) == 0
    one, other = (tn.load(folder / "last.npz") for folder in (unbroken, out))
    names = [name for name in one if name != "record"]
    assert all(np.array_equal(one[name], other[name]) for name in names)


def test_another_seed_gives_another_network(images, unbroken, tmp_path):
    out = tmp_path / "run"
    assert main([images, *FLAGS, "--out", str(out), "--seed", "1", "--max-steps", "1"]) == 0
    assert lines(out)[0]["train_loss"] != lines(unbroken)[0]["train_loss"]


# --- resuming ---


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


# --- errors ---


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
    "flags", [["--lr", "nan"], ["--batch-size", "0"], ["--dropout", "1"], ["--spec", "resnet"]]
)
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


def test_weights_that_are_not_finite_are_not_saved_between_two_steps(
    images, tmp_path, capsys, monkeypatch
):
    out = tmp_path / "run"
    monkeypatch.setattr("alexnet.training.run_state.SECONDS_BETWEEN_SAVES", 0)
    with np.errstate(all="ignore"):
        assert main([images, *FLAGS, "--out", str(out), "--lr", "1e300"]) == 5
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
