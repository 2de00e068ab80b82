"""alexnet.transfer: three methods in one folder, what they reached, how they go on."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import tinynet as tn
from alexnet import evaluate, train, transfer
from alexnet.cli.console import plain_console
from alexnet.cli.transfer_flags import METHODS
from alexnet.errors import UsageError
from alexnet.pictures.methods import draw_methods
from alexnet.training import method_results
from alexnet.training.method_results import Result
from alexnet.weights import checkpoint
from tests.alexnet.looked_into import save
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


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """The checkpoint of a small network; tests only read it."""
    path = tmp_path_factory.mktemp("file") / "net.npz"
    with tn.use_backend("numpy"):
        save(path, width=0.03)
    return str(path)


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


# --- other data and files -------------------------------------------------------------------------


@pytest.fixture
def trained_here(monkeypatch):
    """Trainings run in this process, which is quicker."""
    monkeypatch.setattr(transfer, "measured", lambda command: (train.main(command[3:]), 1.0, 10**8))


def test_without_test_images_the_last_column_is_empty(file, tmp_path, trained_here, capsys):
    images, out = make_images(tmp_path / "images", train=4), tmp_path / "out"
    flags = [*FLAGS, "--epochs", "1", "--methods", "features", "--out", str(out)]
    assert transfer.main([str(images), "--pretrained", file, *flags]) == 0
    text = capsys.readouterr().out
    assert "no test images, so the validation images tell the result: " in text
    result = method_results.load(out, "features")
    assert (result.test, result.test_images) == (None, 0)
    row = next(line for line in text.splitlines() if line.startswith("  features "))
    assert row.split()[-1] == f"{max(result.validation):.1%}"


def test_a_training_that_fails_ends_with_its_exit_code_and_no_result(
    images, file, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(transfer, "measured", lambda command: (5, 1.0, 10**8))
    out = tmp_path / "out"
    assert transfer.main([images, "--pretrained", file, *FLAGS, "--out", str(out)]) == 5
    line = last_line(capsys)
    assert "scratch ended with exit code 5" in line and "once its cause is mended" in line
    assert not list(tmp_path.glob("out/*/result.json"))


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["--width", "0.05"], 3, "net.npz holds no layer that fits paper"),
        (["--groups", "1", "--image-size", "10"], 2, "image"),
        (["--methods", "other"], None, "invalid choice: 'other'"),
    ],
)
def test_what_does_not_fit_is_said_before_any_training(
    images, file, tmp_path, capsys, monkeypatch, flags, code, message
):
    monkeypatch.setattr(transfer, "measured", None)
    words = [images, "--pretrained", file, *FLAGS, "--out", str(tmp_path / "out"), *flags]
    if code is None:
        with pytest.raises(SystemExit) as end:
            transfer.main(words)
        assert end.value.code == 2
    else:
        assert transfer.main(words) == code
    assert message in last_line(capsys)
    assert not (tmp_path / "out").exists()


def test_a_file_without_the_first_layer_computes_no_features(images, file, tmp_path, capsys):
    state = dict(checkpoint.load(file).model)
    state["conv1.weight"] = state["conv1.weight"][:, :, :5, :5]
    tn.save(tmp_path / "net.npz", state)
    flags = [*FLAGS, "--spec", "paper", "--width", "0.03", "--image-size", "67"]
    words = [images, "--pretrained", str(tmp_path / "net.npz"), *flags]
    assert transfer.main([*words, "--out", str(tmp_path / "out")]) == 3
    assert "holds no conv1 that fits paper, so it computes no features; --methods" in last_line(
        capsys
    )


# --- results and the picture ----------------------------------------------------------------------

RESULT = Result("features", ["photos"], 30, ["conv1"], 120.0, False, 10**9, [0.5, 0.75], 0.625, 8)


def test_a_result_comes_back_from_its_file(tmp_path):
    (tmp_path / "features").mkdir()
    RESULT.save(tmp_path)
    assert method_results.load(tmp_path, "features", ["photos"]) == RESULT
    assert method_results.load(tmp_path, "scratch") is None
    with pytest.raises(UsageError, match="other flags or data"):
        method_results.load(tmp_path, "features", ["others"])


@pytest.mark.parametrize(
    "change",
    [
        b"", b"[]", b"[" * 10**5, b"\xff", {"method": "scratch"}, {"validation": []},
        {"validation": [2]}, {"seconds": "1"}, {"seconds": float("nan")}, {"words": [1]},
        {"memory": -1}, {"test": "1"}, {"frozen": "conv1"}, {"parameters": 0},
    ],
)  # fmt: skip
def test_a_file_that_is_no_result_is_an_error_in_words(tmp_path, change):
    (tmp_path / "features").mkdir()
    RESULT.save(tmp_path)
    path = tmp_path / "features" / "result.json"
    if isinstance(change, bytes):
        path.write_bytes(change)
    else:
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(UsageError, match="result.json is no result of this command"):
        method_results.load(tmp_path, "features")


def test_the_table_shows_the_best_validation_and_what_was_interrupted(capsys):
    console = plain_console()
    result = replace(RESULT, validation=[0.75, 0.5], resumed=True)
    console.print(method_results.table([result]))
    row = next(line for line in capsys.readouterr().out.splitlines() if "features" in line)
    assert row.split() == ["features", "30", "2", "over", "2:00", "1.00", "GB", "75.0%", "62.5%"]


def test_the_picture_draws_each_epoch_at_its_share_of_the_time(tmp_path, monkeypatch):
    figure = pytest.importorskip("matplotlib.figure", reason="matplotlib draws the picture")
    drawn = []
    monkeypatch.setattr(figure.Figure, "savefig", lambda self, file, **how: drawn.append(self))
    draw_methods([RESULT], "photos", None)
    (axes,) = drawn[0].axes
    (line,) = axes.lines
    assert line.get_xdata() == pytest.approx([1, 2]) and list(line.get_ydata()) == [50, 75]
    assert [text.get_text() for text in axes.get_legend().texts] == ["features, test 62.5%"]
    assert axes.get_title() == "photos"


def test_the_picture_of_the_runs_is_a_png(finished):
    pytest.importorskip("matplotlib", reason="matplotlib draws the picture")
    assert (finished[0] / "transfer.png").read_bytes().startswith(b"\x89PNG")


def test_an_unreadable_file_ends_with_3(images, tmp_path, capsys):
    words = [images, "--pretrained", str(tmp_path / "no.npz"), "--out", str(tmp_path / "out")]
    assert transfer.main(words) == 3
    assert "no.npz is not there" in last_line(capsys)
