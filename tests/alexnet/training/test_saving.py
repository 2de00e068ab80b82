"""Saves of a run: when they are due, which former checkpoints stay, and going back to one."""

import os
from types import SimpleNamespace

import pytest

from alexnet.errors import DiskError
from alexnet.training import saving
from alexnet.training.run_folder import RunFolder
from alexnet.training.saving import Saving, go_back
from alexnet.weights import checkpoint
from tests.alexnet.small_training import make_run

pytestmark = pytest.mark.usefixtures("numpy_backend")


@pytest.fixture
def run(images, tmp_path):
    """A run that has saved nothing."""
    run = make_run(images, tmp_path)
    run.choose_inputs()
    return run


def save(run, *steps, **options):
    """Save at these steps, with a new Saving if there are options."""
    if options:
        run.saving = Saving(run.folder, **{"interval": "2m", "keep": 0} | options)
    for step in steps:
        run.step = run.batch = step
        run.sums["images"] = 8 * step
        run.save()


def kept(run):
    return [path.name for path in run.folder.kept().values()]


# --- when ---


def test_an_interval_of_steps_is_due_at_its_multiples(tmp_path):
    every = Saving(RunFolder(tmp_path), "3", 0)
    assert [step for step in range(1, 10) if every.is_due(step)] == [3, 6, 9]


def test_an_interval_of_time_is_due_when_it_has_passed_since_the_last_save(run, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(saving, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    run.saving = Saving(run.folder, "90s", 0)
    clock[0] = 189.0
    assert not run.saving.is_due(1)
    clock[0] = 190.0
    assert run.saving.is_due(1)
    run.save()
    assert not run.saving.is_due(1)


@pytest.mark.parametrize(("interval", "longest"), [("1000", 200), ("2m", 120), ("5m", 200)])
def test_before_a_validation_a_save_is_due_when_it_would_take_a_twentieth_of_the_time(
    run, monkeypatch, interval, longest
):
    clock = [0.0]
    monkeypatch.setattr(saving, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    run.saving = Saving(run.folder, interval, 0)
    run.saving.seconds = 10.0
    clock[0] = longest - 1
    assert not run.saving.is_due_before_validation()
    clock[0] = longest
    assert run.saving.is_due_before_validation()


# --- former checkpoints ---


def test_without_keep_only_the_last_checkpoint_stays(run):
    save(run, 0, 1, 2)
    assert kept(run) == []
    assert checkpoint.load(run.folder.last).training["step"] == 2


def test_the_newest_former_checkpoints_stay(run):
    save(run, 0, 1, 2, 4, keep=2)
    assert kept(run) == ["step-000001.npz", "step-000002.npz"]
    steps = [checkpoint.load(path).training["step"] for path in run.folder.kept().values()]
    assert steps == [1, 2]
    assert checkpoint.load(run.folder.last).training["step"] == 4


def test_a_second_save_of_a_step_takes_the_place_of_the_first(run):
    save(run, 1, 2, 2, 2, keep=3)
    assert kept(run) == ["step-000001.npz"]


def test_a_former_checkpoint_is_a_link_and_takes_no_space(run):
    save(run, 1, keep=1)
    before = run.folder.last.stat().st_ino
    save(run, 2)
    assert run.folder.kept_at(1).stat().st_ino == before


def test_where_no_link_can_be_made_a_former_checkpoint_is_a_copy(run, monkeypatch):
    def refused(*arguments):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    save(run, 1, keep=1)
    before = run.folder.last.read_bytes()
    save(run, 2)
    assert run.folder.kept_at(1).read_bytes() == before
    assert checkpoint.load(run.folder.last).training["step"] == 2


@pytest.mark.parametrize("what", ["fsync", "replace"])
def test_a_full_disk_leaves_every_checkpoint_as_it_was(run, monkeypatch, what):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    save(run, 1, 2, 3, keep=2)
    before = {p.name: p.read_bytes() for p in (run.folder.last, *run.folder.kept().values())}
    with monkeypatch.context() as patch:
        patch.setattr(os, what, full)
        with pytest.raises(DiskError, match="No space left"):
            save(run, 4)
    assert {name: (run.folder.path / name).read_bytes() for name in before} == before
    assert not [name for name in os.listdir(run.folder.path) if name.endswith(".new")]
    save(run, 4)
    assert kept(run) == ["step-000002.npz", "step-000003.npz"]


# --- going back ---


def test_going_back_keeps_the_newer_checkpoints_under_their_names(run):
    save(run, 1, 2, 3, keep=2)
    contents = [path.read_bytes() for path in (*run.folder.kept().values(), run.folder.last)]
    remarks = go_back(run.folder, run.folder.kept_at(1), 1)
    assert "goes on from step-000001.npz, step 1" in remarks[0]
    assert remarks[1] == "last.npz, of step 3, is now step-000003.npz"
    assert "step-000002.npz, step-000003.npz" in remarks[2]
    assert run.folder.last.read_bytes() == contents[0]
    assert [path.read_bytes() for path in run.folder.kept().values()] == contents


def test_checkpoints_of_another_way_go_when_the_run_has_come_as_far(run):
    save(run, 1, 2, 3, keep=2)
    go_back(run.folder, run.folder.kept_at(1), 1)
    run.saving = Saving(run.folder, "2m", 2)
    run.saving.step = 1
    save(run, 2)
    assert kept(run) == ["step-000001.npz", "step-000002.npz", "step-000003.npz"]
    save(run, 4)
    assert kept(run) == ["step-000001.npz", "step-000002.npz"]


def test_without_keep_nothing_that_is_there_is_deleted(run):
    save(run, 1, 2, 3, keep=2)
    save(run, 4, keep=0)
    assert kept(run) == ["step-000001.npz", "step-000002.npz"]


def test_going_back_past_a_damaged_last_checkpoint_says_so(run):
    save(run, 1, 2, keep=1)
    run.folder.last.write_bytes(b"no checkpoint")
    remarks = go_back(run.folder, run.folder.kept_at(1), 1)
    assert "in place of a last.npz that cannot be used" in remarks[1]
    assert checkpoint.load(run.folder.last).training["step"] == 1


def test_going_on_from_the_last_checkpoint_changes_nothing(run):
    save(run, 1, 2, keep=1)
    before = run.folder.last.stat()
    assert go_back(run.folder, run.folder.last, 2) == []
    assert run.folder.last.stat() == before and kept(run) == ["step-000001.npz"]
