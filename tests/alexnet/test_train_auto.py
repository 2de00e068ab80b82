"""--resume auto: the newest whole checkpoint, and what was passed over and why."""

import os
import shutil

import pytest

from alexnet.train import main
from alexnet.training.run_folder import RunFolder
from alexnet.weights import checkpoint
from tests.alexnet.small_training import FLAGS, assert_same_run, make_images

pytestmark = pytest.mark.usefixtures("backend_as_before", "quick_picture")


@pytest.fixture(scope="module")
def stopped(images, tmp_path_factory):
    """A run that was stopped after step 5 of 12; tests copy it."""
    out = tmp_path_factory.mktemp("auto") / "run"
    flags = ["--save-interval", "2", "--keep", "2", "--max-steps", "5"]
    assert main([images, *FLAGS, *flags, "--out", str(out)]) == 0
    return out


@pytest.fixture
def runs(stopped, tmp_path, monkeypatch):
    """The folder runs/ in the working folder, with two copies: "new" was saved after "old"."""
    monkeypatch.chdir(tmp_path)
    runs = tmp_path / "runs"
    for name, date in (("old", 1000), ("new", 2000)):
        shutil.copytree(stopped, runs / name)
        for file in (runs / name).glob("*.npz"):
            os.utime(file, (date, date))
    return runs


def told(capsys):
    """The lines on stdout about --resume auto, and the last message on stderr."""
    text = capsys.readouterr()
    return "\n".join(line for line in text.out.splitlines() if "auto" in line), text.err


def step_of(folder):
    return checkpoint.load(folder / "last.npz").training["step"]


def test_the_run_that_was_saved_last_goes_on(runs, capsys):
    assert main(["--resume", "auto", "--max-steps", "6"]) == 0
    out, _ = told(capsys)
    assert "takes runs/new/last.npz, step 5" in out
    older = "runs/new/step-000004.npz, runs/new/step-000002.npz, runs/old/last.npz"
    assert f"passed over, older: {older}" in out
    assert (step_of(runs / "new"), step_of(runs / "old")) == (6, 5)


def test_out_is_where_to_look_a_run_or_a_folder_of_runs(runs, unbroken, capsys, monkeypatch):
    monkeypatch.chdir("/")
    assert main(["--resume", "auto", "--out", str(runs / "old"), "--max-steps", "6"]) == 0
    assert (step_of(runs / "new"), step_of(runs / "old")) == (5, 6)
    assert "new" not in told(capsys)[0]
    assert main(["--resume", "auto", "--out", str(runs), "--max-steps", "7"]) == 0
    assert (step_of(runs / "new"), step_of(runs / "old")) == (5, 7)  # saved last


def test_a_damaged_file_gives_way_to_the_former_one_of_its_run(runs, stopped, tmp_path, capsys):
    last = runs / "new" / "last.npz"
    last.write_bytes(last.read_bytes()[:-50])
    os.utime(last, (2000, 2000))
    assert main(["--resume", "auto"]) == 0
    out, _ = told(capsys)
    assert "takes runs/new/step-000004.npz, step 4" in out
    assert "passed over, damaged: checkpoint runs/new/last.npz cannot be read" in out
    assert main(["--resume", str(stopped_copy := shutil.copytree(stopped, tmp_path / "c"))]) == 0
    assert_same_run(runs / "new", stopped_copy)


def test_a_run_all_of_whose_checkpoints_are_damaged_gives_way_to_another(runs, capsys):
    for file in (runs / "new").glob("*.npz"):
        file.write_bytes(b"")
        os.utime(file, (2000, 2000))
    assert main(["--resume", "auto", "--max-steps", "6"]) == 0
    out, _ = told(capsys)
    assert out.count("passed over, damaged: runs/new/") == 3
    assert step_of(runs / "old") == 6


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--seed", "7"], "--seed 7 does not fit: this run began with 0"),
        (["--epochs", "1"], "it has all its 1 epochs"),
        (["DATA"], "it was trained on "),
    ],
)
def test_a_run_that_does_not_fit_is_passed_over_with_the_reason(
    runs, tmp_path, capsys, flags, words
):
    data = str(make_images(tmp_path / "other", train=9, val=1)) if flags == ["DATA"] else ""
    before = (runs / "new" / "last.npz").read_bytes()
    assert main([*(flag.replace("DATA", data) for flag in flags), "--resume", "auto"]) == 3
    _, error = told(capsys)
    assert "found no checkpoint to go on from in runs" in error
    assert f"passed over runs/new: {words}" in error and f"passed over runs/old: {words}" in error
    assert "without --resume, the same command starts a run" in error
    assert (runs / "new" / "last.npz").read_bytes() == before


def test_a_finished_run_is_passed_over(runs, unbroken, capsys):
    finished = shutil.copytree(unbroken, runs / "finished")
    os.utime(finished / "last.npz", (3000, 3000))
    assert main(["--resume", "auto", "--max-steps", "6"]) == 0
    out, _ = told(capsys)
    assert "takes runs/new/last.npz" in out
    assert "passed over runs/finished: it has all its 3 epochs" in out


def test_a_run_in_use_is_passed_over(runs, capsys):
    with RunFolder(runs / "new").in_use():
        assert main(["--resume", "auto", "--max-steps", "6"]) == 0
    out, _ = told(capsys)
    assert "takes runs/old/last.npz" in out and "passed over runs/new: runs/new is in use by" in out


def test_without_any_checkpoint_the_error_says_how_to_start(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["--resume", "auto"]) == 3
    assert "there is no folder runs; without --resume, the same command starts" in told(capsys)[1]
    (tmp_path / "runs" / "notes").mkdir(parents=True)
    assert main(["--resume", "auto"]) == 3
    assert "found no checkpoint to go on from in runs" in told(capsys)[1]
    assert os.listdir(tmp_path / "runs" / "notes") == []


def test_a_converted_network_is_no_run_to_go_on_with(runs, capsys):
    for name in ("new", "old"):
        saved = checkpoint.load(runs / name / "last.npz")
        saved.origin, saved.options, saved.training = "net.pth", {}, {}
        saved.save(runs / name / "last.npz")
    assert main(["--resume", "auto"]) == 3
    assert told(capsys)[1].count("holds weights and no training") == 2
