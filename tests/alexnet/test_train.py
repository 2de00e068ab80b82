"""The training command: it learns, and ends with the same bits however it is interrupted."""

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
from alexnet import train
from alexnet.train import main
from alexnet.weights import checkpoint
from tests.alexnet.small_training import FLAGS, lines

pytestmark = pytest.mark.usefixtures("backend_as_before", "quick_picture")
ROOT = Path(__file__).resolve().parents[2]


def start_process(arguments, **options):
    command = [sys.executable, "-m", "alexnet.train", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, **options)


class Stopped(Exception):
    """Ends a run as a kill does."""


def stop(*arguments):
    raise Stopped


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
    monkeypatch.setattr("alexnet.training.saving.save_interval", lambda text: (1, None))
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
    for name in ["first"] * (backend == "numba") + ["one", "other"]:
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
