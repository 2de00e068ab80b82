"""--tensorboard: the events of a run are its log.jsonl, also after a kill and a resume."""

import struct
import sys

import pytest

from alexnet import train
from alexnet.train import main
from tests.alexnet.small_training import SHORT, last_line, lines

pytestmark = pytest.mark.usefixtures("backend_as_before", "quick_picture")
NOT_HERE = "tensorboardX is not installed: pip install tensorboardX"


@pytest.fixture
def package():
    """tensorboardX; without it a test is skipped."""
    return pytest.importorskip("tensorboardX", reason=NOT_HERE)


def files(folder):
    return sorted(folder.glob("events.out.tfevents.*"))


def stored_events(path):
    """The events of a file: uint64 length, uint32 checksum, the event, uint32 checksum, ..."""
    from tensorboardX.proto.event_pb2 import Event

    data = path.read_bytes()
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        yield Event.FromString(data[12 : 12 + length])
        data = data[16 + length :]


def events(folder):
    """{tag: [(step, number)]} as TensorBoard shows them: at a START, all that is stored from its
    step on is dropped."""
    shown = {}
    for path in files(folder):
        for event in stored_events(path):
            if event.session_log.status == 1:  # START
                for pairs in shown.values():
                    pairs[:] = [pair for pair in pairs if pair[0] < event.step]
            for value in event.summary.value:
                shown.setdefault(value.tag, []).append((event.step, value.simple_value))
    return shown


def expected(folder):
    """The same of log.jsonl, by hand."""
    shown = {}

    def put(tag, line, number):
        shown.setdefault(tag, []).append((line["step"], pytest.approx(number, rel=1e-6)))

    for line in lines(folder):
        if "val_loss" not in line:
            for name in ("train_loss", "train_top1"):
                put(name.replace("_", "/"), line, line[name])
            for name in ("lr", "images_per_second"):
                put(f"train/{name}", line, line[name])
            continue
        for name in ("train_loss", "train_top1"):
            put(f"epoch/{name}", line, line[name])
        for name in ("loss", "top1", "top5"):
            put(f"validation/{name}", line, line[f"val_{name}"])
        for layer, figures in line.get("watch", {}).items():
            for figure, number in figures.items():
                put(f"watch_{figure}/{layer}", line, number)
    return shown


def test_events_are_the_lines_of_the_log_at_their_steps(images, tmp_path, package):
    out = tmp_path / "run"
    assert main([images, *SHORT, "--tensorboard", "--watch", "--out", str(out)]) == 0
    shown = events(out)
    assert shown == expected(out)
    assert [step for step, _ in shown["train/loss"]] == [1, 2, 3, 4]
    assert [step for step, _ in shown["validation/top1"]] == [2, 4]
    assert {"watch_ratio/conv1", "watch_dead/relu7", "train/lr"} < shown.keys()
    (file,) = files(out)
    first = next(stored_events(file))
    assert first.file_version == "brain.Event:2" and first.wall_time > 1e9


@pytest.mark.parametrize("stop", [2, 3])  # at the end of an epoch, inside one
def test_a_resumed_run_has_each_step_once(images, tmp_path, package, stop, monkeypatch):
    """Also within the same second, from which files have their names."""
    monkeypatch.setattr("time.time", lambda: 1.7e9)
    out = tmp_path / "run"
    flags = [*SHORT, "--tensorboard", "--out", str(out), "--max-steps", str(stop)]
    assert main([images, *flags]) == 0
    assert main(["--resume", str(out), "--tensorboard"]) == 0
    assert len(files(out)) == 2
    shown = events(out)
    assert shown == expected(out)
    assert [step for step, _ in shown["train/top1"]] == [1, 2, 3, 4]
    assert [step for step, _ in shown["validation/loss"]] == [2, 4]


def test_events_after_the_last_checkpoint_of_a_killed_run_are_dropped(
    images, tmp_path, package, monkeypatch
):
    class Killed(Exception):
        pass

    def killed(run, progress, result):
        record(run, progress, result)
        if run.step == 3:
            raise Killed

    out, record = tmp_path / "run", train.record
    monkeypatch.setattr("alexnet.training.saving.SAVES_BETWEEN", 0)  # saved after step 2
    with monkeypatch.context() as patch:
        patch.setattr(train, "record", killed)
        with pytest.raises(Killed):
            main([images, *SHORT, "--tensorboard", "--out", str(out)])
    assert [step for step, _ in events(out)["train/loss"]] == [1, 2, 3]
    assert main(["--resume", str(out), "--tensorboard"]) == 0
    assert events(out) == expected(out)


def test_a_run_that_began_without_events_gets_those_of_its_whole_log(images, tmp_path, package):
    out = tmp_path / "run"
    assert main([images, *SHORT, "--out", str(out), "--max-steps", "3"]) == 0
    assert files(out) == []
    assert main(["--resume", str(out), "--tensorboard"]) == 0
    assert events(out) == expected(out)
    assert [step for step, _ in events(out)["train/loss"]] == [1, 2, 3, 4]


def test_events_change_no_other_file(images, tmp_path, package):
    for name, flags in (("plain", []), ("events", ["--tensorboard"])):
        flags = [*SHORT, "--max-steps", "2", *flags, "--out", str(tmp_path / name)]
        assert main([images, *flags]) == 0
    for name in ("last.npz", "best.npz", "options.json"):
        plain, other = (tmp_path / each / name for each in ("plain", "events"))
        assert plain.read_bytes() == other.read_bytes()


def test_a_disk_that_takes_no_event_ends_with_6(images, tmp_path, package, monkeypatch, capsys):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tensorboardX.event_file_writer.EventsWriter.flush", full)
    assert main([images, *SHORT, "--tensorboard", "--out", str(tmp_path / "run")]) == 6
    message = last_line(capsys)
    assert "No space left on device" in message and "events.out.tfevents" in message


def test_without_the_package_a_command_says_what_to_install_and_leaves_nothing(
    images, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)  # as if it was not installed
    monkeypatch.delitem(sys.modules, "tensorboardX.event_file_writer", raising=False)
    assert main([images, *SHORT, "--tensorboard", "--out", str(tmp_path / "run")]) == 2
    assert "pip install 'tinynet-alexnet[tensorboard]'" in last_line(capsys)
    assert list(tmp_path.iterdir()) == []
