"""The folder of a run: each run gets a new one, no run is overwritten, one process uses it."""

import json
import os

import pytest

from alexnet.errors import DiskError, UsageError
from alexnet.training.run_folder import RunFolder


def test_a_new_run_gets_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("time.strftime", lambda form: "20120904-101112")
    paths = [str(RunFolder.create(None, "paper-synthetic").path) for _ in range(3)]
    first = "runs/paper-synthetic-20120904-101112"
    assert paths == [first, f"{first}-2", f"{first}-3"]


def test_a_folder_without_a_run_can_become_a_run_folder(tmp_path):
    (tmp_path / "notes.txt").write_text("")
    assert RunFolder.create(tmp_path, "any").path == tmp_path
    (tmp_path / "last.npz").write_text("")
    with pytest.raises(UsageError, match=r"last.npz.*--resume"):
        RunFolder.create(tmp_path, "any")


def test_a_log_without_last_npz_is_not_overwritten(tmp_path):
    (tmp_path / "log.jsonl").write_text("")
    with pytest.raises(UsageError, match="log.jsonl of a run without its last.npz; choose another"):
        RunFolder.create(tmp_path, "any")


def test_a_folder_of_a_run_that_did_not_begin_is_used_again(tmp_path):
    for name in ("options.json", "classes.json"):
        (tmp_path / name).write_text("")
    with RunFolder.create(tmp_path, "any").in_use():
        (tmp_path / "last.npz").write_text("")
    assert sorted(os.listdir(tmp_path)) == ["classes.json", "last.npz", "options.json"]


# --- a run that did not begin ---


def test_a_run_that_does_not_begin_leaves_nothing(tmp_path):
    folder = RunFolder.create(tmp_path / "a" / "b" / "run", "any")
    with pytest.raises(KeyboardInterrupt), folder.in_use():
        folder.begin({}, ["cat", "dog"], "")
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []


def test_a_run_that_does_not_begin_leaves_what_was_there(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("")
    folder = RunFolder.create(tmp_path / "run", "any")
    with folder.in_use():
        folder.begin({}, [], "")
    assert os.listdir(tmp_path / "run") == ["notes.txt"]


def test_a_run_that_begins_stays(tmp_path):
    folder = RunFolder.create(tmp_path / "runs" / "run", "any")
    with folder.in_use():
        folder.begin({}, [], "")
        folder.last.write_text("")
    assert sorted(os.listdir(folder.path)) == [
        "classes.json", "last.npz", "options.json", "options.toml",
    ]  # fmt: skip


def test_a_folder_that_cannot_be_made_leaves_no_part_of_its_path(tmp_path):
    with pytest.raises(DiskError):
        RunFolder.create(tmp_path / "a" / ("b" * 300) / "run", "any")
    assert os.listdir(tmp_path) == []


# --- inside the data ---


@pytest.mark.parametrize("out", ["runs/a", ".", "train/red/run", "../photos/a", "../link/a"])
def test_a_run_inside_its_data_is_refused(tmp_path, monkeypatch, out):
    (tmp_path / "photos" / "train" / "red").mkdir(parents=True)
    (tmp_path / "link").symlink_to("photos")
    monkeypatch.chdir(tmp_path / "photos")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError, match=r"lies inside the data .*--out \.\./runs/"):
        RunFolder.create(out, "any", tmp_path / "photos")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_run_without_out_in_the_folder_of_the_data_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="the run's folder runs/paper-x.* lies inside the data"):
        RunFolder.create(None, "paper-x", tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_run_in_a_folder_that_is_linked_into_the_data_is_refused(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "photos" / "train").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="lies inside the data"):
        RunFolder.create(tmp_path / "elsewhere" / "run", "any", tmp_path / "photos")


def test_a_run_beside_its_data_or_above_it_is_a_run(tmp_path):
    (tmp_path / "photos").mkdir()
    for out in (tmp_path / "photos-run", tmp_path):
        folder = RunFolder.create(out, "any", tmp_path / "photos")
        assert folder.path == out and out.is_dir()


# --- the lock ---


def test_a_folder_in_use_is_refused_with_the_process_and_free_afterwards(tmp_path):
    folder = RunFolder.create(tmp_path / "run", "any")
    with folder.in_use():
        folder.last.write_text("")
        with pytest.raises(UsageError, match=f"in use by process {os.getpid()} on "):
            with RunFolder(folder.path).in_use():
                pytest.fail("entered")
    with RunFolder(folder.path).in_use():
        pass
    assert os.listdir(folder.path) == ["last.npz"]


def test_the_lock_of_a_dead_process_does_not_hold(tmp_path):
    (tmp_path / ".lock").write_text("process 1 on elsewhere")
    with RunFolder(tmp_path).in_use():
        assert (tmp_path / ".lock").read_text().startswith(f"process {os.getpid()} on ")
    assert not (tmp_path / ".lock").exists()


def test_what_a_killed_process_left_unfinished_is_removed(tmp_path):
    left = [
        ".last.npz.ab12_cd3", ".best.npz.zzzzzzzz", ".log.jsonl.new", ".curves.png.new",
        ".options.toml.new", ".step-000004.npz.new", ".last.npz.new",
    ]  # fmt: skip
    (tmp_path / ".dry-run-abcd").mkdir()
    (tmp_path / ".dry-run-abcd" / "last.npz").write_text("")
    kept = [".last.npz", ".notes.new", "last.npz", "my.last.npz.ab12_cd3"]
    for name in (*left, *kept):
        (tmp_path / name).write_text("")
    with RunFolder(tmp_path).in_use():
        assert sorted(os.listdir(tmp_path)) == sorted([*kept, ".lock"])


# --- log.jsonl ---


def test_former_checkpoints_are_found_by_their_steps(tmp_path):
    names = ["step-000010.npz", "step-000009.npz", "step-1000000.npz"]
    for name in (*names, "step-9.npz", "step-000010.npz.bak", "my-step-000001.npz", "last.npz"):
        (tmp_path / name).write_text("")
    folder = RunFolder(tmp_path)
    assert [(step, path.name) for step, path in folder.kept().items()] == [
        (9, names[1]), (10, names[0]), (1_000_000, names[2]),
    ]  # fmt: skip
    assert [folder.kept_at(step) for step in folder.kept()] == list(folder.kept().values())


def test_the_log_is_cut_after_a_step_and_an_epoch(tmp_path):
    folder = RunFolder(tmp_path)
    lines = [
        {"epoch": 1, "step": 1}, {"epoch": 1, "step": 2}, {"epoch": 1, "step": 2, "val_loss": 1.0},
        {"epoch": 2, "step": 3}, {"epoch": 2, "step": 4}, {"epoch": 2, "step": 4, "val_loss": 1.0},
        {"epoch": 3, "step": 5},
    ]  # fmt: skip
    for line in lines:
        folder.add_line(**line)
    assert folder.cut_log(step=4, epoch=1) == 0  # before the second validation
    assert folder.lines() == lines[:5]


@pytest.mark.parametrize(
    "bad", [b"no JSON", b"[]", b"{}", b"7", b'{"epoch": 1, "step": "2"}', b"\xff\xfe", b"\0" * 9,
            b"[" * 100_000, b""],
)  # fmt: skip
def test_lines_that_cannot_be_read_are_left_out_and_counted(tmp_path, bad):
    folder = RunFolder(tmp_path)
    good = [{"epoch": 1, "step": step} for step in (1, 2)]
    whole = [json.dumps(line).encode() + b"\n" for line in good]
    folder.log.write_bytes(whole[0] + bad + b"\n" + whole[1] + b'{"epo')
    assert folder.lines() == good
    assert folder.cut_log(step=2, epoch=0) == 1
    assert folder.log.read_bytes() == b"".join(whole)
