"""alexnet.transfer: three methods in one folder, what they reached, how they go on."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from alexnet import evaluate, train, transfer
from alexnet.cli.transfer_flags import METHODS
from alexnet.training import method_results
from alexnet.weights import checkpoint
from tests.alexnet.small_training import last_line, lines, make_images

pytestmark = pytest.mark.usefixtures("backend_as_before")
ROOT = Path(__file__).resolve().parents[2]
MACHINE = "--backend numpy --threads 1 --workers 0".split()
FLAGS = [*MACHINE, "--epochs", "2", "--batch-size", "8"]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A folder of images with a test split; tests only read it."""
    folder = make_images(tmp_path_factory.mktemp("images"))
    other = make_images(tmp_path_factory.mktemp("others"), train=1, val=3)
    shutil.move(other / "val", folder / "test")
    return str(folder)


def run(*words, **options):
    """(exit code, stdout, stderr) of the command in a process of its own."""
    command = [sys.executable, "-m", "alexnet.transfer", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, **options)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def finished(images, file, tmp_path_factory):
    """(folder, stdout) of three methods; tests only read the folder."""
    out = tmp_path_factory.mktemp("out") / "transfer"
    code, text, errors = run(images, "--pretrained", file, *FLAGS, "--out", str(out))
    assert (code, errors) == (0, "")
    return out, text


# --- what they reached ----------------------------------------------------------------------------


def test_the_figures_are_those_of_the_runs(finished):
    folder, _ = finished
    results = json.loads((folder / "transfer.json").read_text())
    assert [result["method"] for result in results] == list(METHODS)
    for result in results:
        place = folder / result["method"]
        assert json.loads((place / "result.json").read_text()) == result
        accuracies = [line["val_top1"] for line in lines(place) if "val_top1" in line]
        assert result["validation"] == accuracies and len(accuracies) == 2
        saved = checkpoint.load(place / "last.npz")
        assert result["parameters"] == sum(array.size for array in saved.velocities.values())
        assert result["frozen"] == saved.frozen
        assert 0.5 < result["seconds"] < 60 and not result["resumed"]
        assert 3e7 < result["memory"] < 2e9
    assert [result["frozen"] != [] for result in results] == [False, False, True]


def test_the_test_accuracy_is_that_of_alexnet_evaluate(finished, capsys):
    folder, _ = finished
    for method in METHODS:
        command = [str(folder / method / "best.npz"), "--split", "test", "--json", *MACHINE]
        assert evaluate.main(command) == 0
        result = method_results.load(folder, method)
        assert result.test == json.loads(capsys.readouterr().out)["top1"]
        assert result.test_images == 9


def test_the_table_shows_the_results(finished):
    folder, text = finished
    table = text[text.rindex("  method ") :]
    for method in METHODS:
        result = method_results.load(folder, method)
        cells = next(line for line in table.splitlines() if line.split()[:1] == [method]).split()
        assert cells[1:3] == [f"{result.parameters:,}", "2"]
        assert cells[4:] == [
            f"{result.memory / 1e9:.2f}", "GB", f"{max(result.validation):.1%}",
            f"{result.test:.1%}",
        ]  # fmt: skip
    assert "test: 9 images; written to " in table


def test_each_method_is_a_command_of_alexnet_train_that_is_printed(finished, images, file):
    folder, text = finished
    common = (
        f"python -m alexnet.train {images} --epochs 2 --lr 0.01 --batch-size 8 --seed 0 "
        "--spec paper --image-size 67 --width 0.03 --backend numpy --threads 1 --workers 0"
    )
    from_file = f"{common} --pretrained {file}"
    for line in (
        f"scratch: {common} --out {folder}/scratch",
        f"fine-tuning: {from_file} --lr-scale conv1-fc7=0.1 --out {folder}/fine-tuning",
        f"features: {from_file} --freeze conv1-fc7 --augment none --keep-features "
        f"--out {folder}/features",
    ):
        assert f"\n{line}\n" in text
    assert "frozen: conv1-fc7\n" in text
    assert "rates: 0.1 lr in conv1-fc7, lr in the others\n" in text


def test_features_keep_the_files_weights_and_scratch_has_none_of_them(finished, file):
    folder, _ = finished
    theirs = checkpoint.load(file).model["conv2.weight"]
    own = {m: checkpoint.load(folder / m / "last.npz").model["conv2.weight"]
           for m in METHODS}  # fmt: skip
    assert np.array_equal(own["features"], theirs)
    assert 0 < np.abs(own["fine-tuning"] - theirs).max() < 0.1
    assert np.abs(own["scratch"] - theirs).max() > 0.2


def test_the_picture_of_the_runs_is_a_png(finished):
    pytest.importorskip("matplotlib", reason="matplotlib draws the picture")
    assert (finished[0] / "transfer.png").read_bytes().startswith(b"\x89PNG")


# --- going on -------------------------------------------------------------------------------------


def test_finished_methods_are_taken_over(finished, images, file, monkeypatch, capsys):
    folder, text = finished
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*/*")}
    monkeypatch.setattr(transfer, "measured", None)  # no process is started
    assert transfer.main([images, "--pretrained", file, *FLAGS, "--out", str(folder)]) == 0
    assert {path: path.stat().st_mtime_ns for path in folder.glob("*/*")} == before
    rows = [line.split() for line in text.splitlines() if "GB" in line]
    assert [line.split() for line in capsys.readouterr().out.splitlines() if "GB" in line] == rows


@pytest.mark.parametrize("flag", [["--lr", "0.02"], ["--seed", "1"], ["--epochs", "3"]])
def test_other_flags_do_not_go_into_the_same_folder(finished, images, file, capsys, flag):
    folder, _ = finished
    words = [images, "--pretrained", file, *FLAGS, *flag, "--out", str(folder)]
    assert transfer.main(words) == 2
    assert "scratch/result.json is the result of other flags or data" in last_line(capsys)


def children_of(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_the_last_layer_of_a_file_for_the_same_classes_learns_at_the_whole_rate(
    finished, images, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(transfer, "measured", lambda command: (5, 1.0, 10**8))
    words = [images, "--pretrained", str(finished[0] / "scratch"), *FLAGS]
    assert transfer.main([*words, "--methods", "fine-tuning", "--out", str(tmp_path)]) == 5
    assert " --lr-scale conv1-fc7=0.1 " in capsys.readouterr().out


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="children are read from /proc")
def test_an_interrupted_method_stops_with_its_command_and_goes_on(images, file, tmp_path, capsys):
    out = tmp_path / "out"
    words = [images, "--pretrained", file, *MACHINE, "--epochs", "300", "--batch-size", "8"]
    words += ["--methods", "features", "--out", str(out)]
    process = subprocess.Popen(
        [sys.executable, "-m", "alexnet.transfer", *words], cwd=ROOT, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        while not (out / "features" / "log.jsonl").exists() and process.poll() is None:
            time.sleep(0.01)
        (child,) = children_of(process.pid)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 143
    assert not os.path.exists(f"/proc/{child}")
    assert (
        "features ended with exit code 143; finished methods are kept, and this goes on: "
        in (errors.splitlines()[-1])
    )
    assert shlex.split(errors.splitlines()[-1].partition("goes on: ")[2])[3:] == words
    step = checkpoint.load(out / "features" / "last.npz").training["step"]
    assert 0 < step < 1200 and not (out / "transfer.json").exists()
    # Other flags do not go on with it.
    for flag in (["--lr", "0.02"], ["--epochs", "301"]):
        assert transfer.main([*words, *flag]) == 2
        assert "features began with other flags or data" in last_line(capsys)


def test_a_training_that_ended_without_its_result_is_taken_over(
    finished, images, file, tmp_path, monkeypatch, capsys
):
    folder, _ = finished
    out = tmp_path / "out"
    shutil.copytree(folder / "scratch", out / "scratch")
    (out / "scratch" / "result.json").unlink()
    monkeypatch.setattr(transfer, "measured", None)
    words = [images, "--pretrained", file, *FLAGS, "--methods", "scratch", "--out", str(out)]
    assert transfer.main(words) == 0
    ours, before = (method_results.load(each, "scratch") for each in (out, folder))
    assert ours.validation == before.validation and ours.test == before.test and ours.resumed
    assert ours.seconds == 0 and " over 0:00 " in capsys.readouterr().out


def test_an_interrupted_run_that_has_more_to_do_is_resumed(
    finished, images, file, tmp_path, monkeypatch
):
    out, commands = tmp_path / "out", []
    words = shlex.split(
        next(line for line in finished[1].splitlines() if line.startswith("features: python"))
    )[4:]
    place = out / "features"
    words[words.index("--out") + 1] = str(place)
    assert train.main([*words, "--max-steps", "3"]) == 0

    def measured(command):
        commands.append(command[3:])
        return train.main(command[3:]), 1.5, 10**8

    monkeypatch.setattr(transfer, "measured", measured)
    flags = [*FLAGS, "--methods", "features", "--out", str(out)]
    assert transfer.main([images, "--pretrained", file, *flags]) == 0
    assert commands == [["--resume", str(place)]]
    result, unbroken = (method_results.load(each, "features") for each in (out, finished[0]))
    assert result.resumed and result.seconds == 1.5
    assert result.validation == unbroken.validation and result.test == unbroken.test
