"""Former checkpoints: --save-interval and --keep, and a run that goes on from one of them."""

import errno
import os

import pytest

from alexnet.train import main
from alexnet.weights import checkpoint
from tests.alexnet.small_training import FLAGS, assert_same_run, last_line, log

pytestmark = pytest.mark.usefixtures("backend_as_before", "quick_picture")

KEEP = [*FLAGS, "--save-interval", "2", "--keep", "3"]


def kept(folder):
    return sorted(path.name for path in folder.glob("step-*"))


@pytest.fixture(scope="module")
def kept_run(images, tmp_path_factory):
    """A run of 12 steps; tests only read it."""
    out = tmp_path_factory.mktemp("keep") / "run"
    assert main([images, *KEEP, "--out", str(out)]) == 0
    return out


@pytest.fixture
def copy(kept_run, tmp_path):
    """A copy of it."""
    out = tmp_path / "copy"
    out.mkdir()
    for path in kept_run.iterdir():
        (out / path.name).write_bytes(path.read_bytes())
    return out


def test_saves_follow_the_interval_and_the_newest_former_ones_stay(kept_run):
    assert kept(kept_run) == ["step-000006.npz", "step-000008.npz", "step-000010.npz"]
    assert checkpoint.load(kept_run / "last.npz").training["step"] == 12


@pytest.mark.parametrize("name", ["step-000006.npz", "step-000008.npz"])  # 8: before a validation
def test_a_run_that_goes_on_from_a_former_checkpoint_ends_as_before(kept_run, copy, name, capsys):
    assert main(["--resume", str(copy / name)]) == 0
    text = capsys.readouterr().out
    assert f"goes on from {name}" in text and "last.npz, of step 12, is now step-000012.npz" in text
    assert_same_run(kept_run, copy)


def test_the_first_and_last_lines_tell_of_saves(images, tmp_path, capsys):
    out = tmp_path / "run"
    assert main([images, *KEEP, "--max-time", "2h", "--max-steps", "8", "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert (
        f"run       {out}, saved every 2 steps, keeps 3 former checkpoints, stops after 2h\n"
        in text
    )
    assert "curves.png, step-000002.npz to step-000006.npz\n" in text


def test_a_run_gone_back_that_is_killed_at_once_goes_on_from_there(kept_run, copy):
    """Nothing is left of the steps that it gave up but the files that it named."""
    newest = (copy / "last.npz").read_bytes()
    assert main(["--resume", str(copy / "step-000006.npz"), "--max-steps", "6"]) == 0
    assert checkpoint.load(copy / "last.npz").training["step"] == 6
    assert [line["step"] for line in log(copy) if "val_loss" not in line] == [1, 2, 3, 4, 5, 6]
    assert (copy / "step-000012.npz").read_bytes() == newest
    assert main(["--resume", str(copy)]) == 0
    assert_same_run(kept_run, copy)
    assert kept(copy) == [f"step-0000{step}.npz" for step in ("06", "08", "10", "12")]


@pytest.mark.parametrize("change", ["missing", "damaged"])
def test_a_last_checkpoint_that_is_lost_is_an_error_that_names_a_former_one(copy, capsys, change):
    last = copy / "last.npz"
    last.unlink() if change == "missing" else last.write_bytes(last.read_bytes()[:-100])
    before = log(copy)
    assert main(["--resume", str(copy)]) == 3
    message = last_line(capsys)
    assert str(last) in message and f"--resume {copy}/step-000010.npz goes on" in message
    assert log(copy) == before
    assert main(["--resume", str(copy / "step-000010.npz")]) == 0
    assert checkpoint.load(last).training["step"] == 12


def test_a_former_checkpoint_that_is_missing_or_damaged_is_an_error(copy, capsys):
    assert main(["--resume", str(copy / "step-000003.npz")]) == 3
    assert "there is no " in last_line(capsys)
    (copy / "step-000006.npz").write_bytes(b"")
    before = {path.name: path.read_bytes() for path in copy.iterdir()}
    assert main(["--resume", str(copy / "step-000006.npz")]) == 3
    assert "step-000006.npz is no checkpoint" in last_line(capsys)
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before


def test_a_new_run_leaves_former_checkpoints_without_their_last_alone(images, copy, capsys):
    for name in ("last.npz", "best.npz", "log.jsonl"):
        (copy / name).unlink()
    assert main([images, *KEEP, "--out", str(copy)]) == 2
    message = last_line(capsys)
    assert "step-000010.npz of a run without its last.npz" in message
    assert f"--resume {copy}/step-000010.npz" in message


def test_a_full_disk_keeps_every_checkpoint(images, tmp_path, monkeypatch, capsys):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    out = tmp_path / "run"
    assert main([images, *KEEP, "--out", str(out), "--max-steps", "6"]) == 0
    names = ["last.npz", *kept(out)]
    before = {name: (out / name).read_bytes() for name in names}
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert main(["--resume", str(out)]) == 6
    assert "No space left on device" in last_line(capsys)
    assert {name: (out / name).read_bytes() for name in names} == before
    assert main(["--resume", str(out)]) == 0
    assert kept(out) == ["step-000006.npz", "step-000008.npz", "step-000010.npz"]


@pytest.mark.parametrize(
    ("flags", "words"),
    [(["--save-interval", "0"], "a number of steps from 1"), (["--save-interval", "5x"], "a time"),
     (["--keep", "-1"], "from 0"), (["--max-time", "90"], "has no unit")],
)  # fmt: skip
def test_a_value_that_does_not_fit_ends_with_2(flags, words, capsys):
    with pytest.raises(SystemExit) as ending:
        main(flags)
    assert ending.value.code == 2
    assert words in last_line(capsys)
