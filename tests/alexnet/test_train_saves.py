"""What a run has saved, whenever a kill or an error ends it: last.npz and best.npz."""

import builtins
import errno
import os
import shutil

import pytest

from alexnet import train
from alexnet.train import main
from alexnet.weights import checkpoint
from tests.alexnet.small_training import SHORT, assert_same_run, log, make_images

pytestmark = pytest.mark.usefixtures("backend_as_before", "quick_picture")


def test_a_kill_between_any_two_file_operations_changes_nothing(
    images, tmp_path, monkeypatch, capsys
):
    """Before each operation the folder is copied as a killed process would leave it; each copy is
    resumed, and ends as the run that was never killed."""
    out, states, flags = tmp_path / "run", {}, [*SHORT, "--save-interval", "1", "--keep", "1"]

    def watched(function):
        def first_copy(*arguments, **keywords):
            if out.exists():
                state = {path.name: path.read_bytes() for path in out.iterdir()}
                unfinished = [name.count(".") for name in state if name.startswith(".")]
                whole = [state[name] for name in sorted(state) if not name.startswith(".")]
                states.setdefault((*whole, *unfinished), state)
            return function(*arguments, **keywords)

        return first_copy

    monkeypatch.setattr("alexnet.training.curves._draw", lambda folder: "not here")
    with monkeypatch.context() as patch:
        for module, name in ((os, "open"), (os, "fsync"), (os, "chmod"), (os, "replace"),
                             (os, "unlink"), (os, "link"), (builtins, "open")):  # fmt: skip
            patch.setattr(module, name, watched(getattr(module, name)))
        assert main([images, *flags, "--out", str(out)]) == 0
    assert len(states) > 20
    assert (out / "step-000003.npz").exists()
    for number, state in enumerate(states.values()):
        copy = tmp_path / f"copy-{number}"
        copy.mkdir()
        for name, content in state.items():
            (copy / name).write_bytes(content)
        if "last.npz" not in state:  # the run had not begun: its folder can be used again
            assert main([images, *flags, "--out", str(copy)]) == 0
        else:
            code = main(["--resume", str(copy)])
            finished = checkpoint.load(copy / "last.npz").training["epoch"] == 2
            assert code == 0 or (code == 2 and finished)
        assert_same_run(out, copy)
        assert {path.name for path in copy.iterdir()} == {path.name for path in out.iterdir()}
        shutil.rmtree(copy)


def test_best_npz_itself_says_what_it_holds(images, tmp_path, capsys):
    """A best.npz that was written after last.npz is kept; a lost one is made anew."""
    out = tmp_path / "run"
    assert main([images, *SHORT, "--out", str(out), "--max-steps", "2"]) == 0
    ahead = checkpoint.load(out / "best.npz")
    ahead.training |= {"best": {"top1": 1.0, "epoch": 2}, "epoch": 2, "step": 4}
    ahead.save(out / "best.npz")
    before = (out / "best.npz").read_bytes()
    capsys.readouterr()
    assert main(["--resume", str(out)]) == 0
    assert (out / "best.npz").read_bytes() == before
    last = capsys.readouterr().out.splitlines()[-1]
    assert "best.npz: best validation top-1 100.0% after epoch 2, step 4" in last
    (out / "best.npz").unlink()
    assert main(["--resume", str(out), "--epochs", "3"]) == 0
    assert "best.npz cannot be read: No such file" in capsys.readouterr().out
    assert checkpoint.load(out / "best.npz").training["best"]["epoch"] == 3


def set_top1(monkeypatch, top1):
    """Let validations have these accuracies: {step: top-1}."""
    evaluate, runs = train.evaluate, []

    def measured(model, batches, classes, ranks):
        metrics = evaluate(model, batches, classes, ranks)
        object.__setattr__(metrics, "top1", top1[runs[-1].step])
        return metrics

    monkeypatch.setattr(train, "evaluate", measured)
    monkeypatch.setattr(train.Progress, "validating", lambda progress: runs.append(progress._run))


def test_a_better_validation_inside_an_epoch_is_kept_and_changes_no_later_step(
    images, tmp_path, monkeypatch, capsys
):
    """--max-steps ends inside the second epoch, with the best validation of the run."""
    top1 = {2: 0.5, 3: 0.75, 4: 0.625}  # by step
    set_top1(monkeypatch, top1)
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert main([images, *SHORT, "--out", str(whole)]) == 0
    assert "top-1 62.5% after epoch 2, step 4" in capsys.readouterr().out.splitlines()[-1]
    assert main([images, *SHORT, "--out", str(run), "--max-steps", "3"]) == 0
    assert "top-1 75.0% in epoch 2, step 3" in capsys.readouterr().out.splitlines()[-1]
    assert main(["--resume", str(run)]) == 0
    assert "top-1 75.0% in epoch 2, step 3" in capsys.readouterr().out.splitlines()[-1]
    assert (run / "last.npz").read_bytes() == (whole / "last.npz").read_bytes()
    assert checkpoint.load(run / "best.npz").training["step"] == 3
    assert log(run) == log(whole)


@pytest.mark.parametrize("inside", [0.75, 0.5])  # as good as the whole epoch, or worse
def test_a_validation_inside_an_epoch_that_is_not_better_leaves_no_trace(
    images, tmp_path, monkeypatch, inside
):
    top1 = {2: 0.5, 3: inside, 4: 0.75}
    set_top1(monkeypatch, top1)
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert main([images, *SHORT, "--out", str(whole)]) == 0
    assert main([images, *SHORT, "--out", str(run), "--max-steps", "3"]) == 0
    assert main(["--resume", str(run)]) == 0
    assert_same_run(whole, run)


def test_best_npz_is_written_before_the_next_epoch_begins(images, tmp_path, monkeypatch):
    out, seen = tmp_path / "run", []
    train_epoch = train.train_epoch

    def watched(run, *arguments):
        seen.append(run.folder.best.exists())
        train_epoch(run, *arguments)

    monkeypatch.setattr(train, "train_epoch", watched)
    assert main([images, *SHORT, "--out", str(out)]) == 0
    assert seen == [False, True]


def test_an_epoch_is_saved_before_its_validation(images, tmp_path, monkeypatch):
    out = tmp_path / "run"

    def killed(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "evaluate", killed)
    monkeypatch.setattr("alexnet.training.saving.SAVES_BETWEEN", 0)
    assert main([images, *SHORT, "--out", str(out)]) == 130
    assert checkpoint.load(out / "last.npz").training["step"] == 2


def test_an_error_in_the_last_epoch_is_not_hidden_by_another(images, tmp_path, monkeypatch, capsys):
    out = tmp_path / "run"

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    def fails(*arguments):
        monkeypatch.setattr(os, "fsync", full)
        raise train.NotFinite("the first error")

    monkeypatch.setattr(train, "record", fails)
    assert main([images, *SHORT, "--out", str(out)]) == 5
    assert "the first error" in capsys.readouterr().err


@pytest.mark.parametrize(("split", "how"), [("train", "broken"), ("val", "unreadable")])
def test_steps_before_images_that_break_in_the_run_are_saved(
    split, how, tmp_path, monkeypatch, capsys
):
    images = make_images(tmp_path / "images")
    red, safe = images / split / "red", tmp_path / "red"
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert main([str(images), *SHORT, "--out", str(whole)]) == 0
    record = train.record

    def breaking(run, progress, result):
        record(run, progress, result)
        if run.step == 1 and not safe.exists():
            red.rename(safe)
            red.mkdir()
            for name in os.listdir(safe):
                path = red / name
                path.write_bytes(b"no image") if how == "broken" else path.symlink_to(path)

    monkeypatch.setattr(train, "record", breaking)
    capsys.readouterr()
    assert main([str(images), *SHORT, "--out", str(run)]) == 3
    saved, error = capsys.readouterr().err.splitlines()[-2:]
    step = checkpoint.load(run / "last.npz").training["step"]
    assert f"step {step} is saved; to go on" in saved and f"--resume {run}" in saved
    assert str(red) in error
    assert step == log(run)[-1]["step"] >= 2
    shutil.rmtree(red)
    safe.rename(red)
    assert main(["--resume", str(run)]) == 0
    assert_same_run(whole, run)


def test_a_broken_image_is_named_also_where_its_steps_cannot_be_saved(
    tmp_path, monkeypatch, capsys
):
    images, run = make_images(tmp_path / "images"), tmp_path / "run"
    image = images / "val" / "red" / "00.png"
    record = train.record

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    def breaking(*arguments):
        record(*arguments)
        image.write_bytes(b"no image")
        monkeypatch.setattr(os, "fsync", full)

    monkeypatch.setattr(train, "record", breaking)
    # On a busy machine the save before the validation would come first, and fail.
    monkeypatch.setattr("alexnet.training.saving.SAVES_BETWEEN", 1e9)
    assert main([str(images), *SHORT, "--out", str(run)]) == 3
    lost, error = capsys.readouterr().err.splitlines()[-2:]
    assert "step 2 could not be saved" in lost and "No space left" in lost
    assert str(image) in error
