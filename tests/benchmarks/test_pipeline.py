"""benchmarks.pipeline: one training in turns, the same work for all programs, its figures."""

import argparse
import json
import math
import os
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
import threadpoolctl
from PIL import Image

import tinynet as tn
from alexnet.data.folder import ImageFolder
from benchmarks import machine, pipeline, pipeline_turns
from benchmarks.programs.process import ProgramError
from benchmarks.programs.tinynet import Tinynet

FLAGS = {"spec": "cifar10", "image_size": 24, "width": 0.2, "init": "he", "batch_size": 4}


@pytest.fixture(autouse=True)
def reference_kernels():
    """Nothing to compile; what a command sets is set back."""
    with tn.use_backend("numpy"), threadpoolctl.threadpool_limits():
        yield


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """28 images for training, 7 batches, and 4 for validation."""
    folder, noise = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for split, count in (("train", 14), ("val", 2)):
        for label in ("a", "b"):
            place = folder / split / label
            place.mkdir(parents=True)
            for index in range(count):
                pixels = noise.integers(0, 256, (30, 40, 3), np.uint8)
                Image.fromarray(pixels).save(place / f"{index}.png")
    return folder


def prepared(photos, folder, **flags):
    folder.mkdir()
    args = {**FLAGS, "data": str(photos), "workers": 1, "backend": "numpy", "threads": 1}
    return pipeline_turns.prepare(argparse.Namespace(**args | flags), folder)


def losses(run):
    return [line["train_loss"] for line in run.folder.lines() if "images_per_second" in line]


def test_turns_are_steps_of_one_training_and_leave_no_threads(photos, tmp_path):
    turns, unbroken = (prepared(photos, tmp_path / name) for name in ("turns", "unbroken"))
    before = threading.active_count()
    for _ in range(2):  # 5 steps; 2 are left of the epoch's 7, so the next 5 are the next epoch's
        pipeline_turns.training_turn(turns, 3)
    assert threading.active_count() == before
    assert (turns.step, turns.epoch, turns.batch) == (10, 1, 5)
    pipeline_turns.training_turn(unbroken, 5)
    assert losses(turns)[:5] == losses(unbroken)[:5]


def test_a_turn_tells_the_seconds_of_a_step_and_of_the_wait_for_images(photos, tmp_path):
    run = prepared(photos, tmp_path / "run", augment="none")
    read = run.train_set.read

    def slow(index, size):
        time.sleep(0.01)
        return read(index, size)

    run.train_set.read = slow
    turn = pipeline_turns.training_turn(run, 5)  # the one worker takes 40 ms a batch, and more
    assert turn["seconds"] >= turn["waited"] > 0
    assert turn["seconds"] > 0.04


def test_the_data_path_is_timed_whole_from_its_second_batch_on():
    normalised = []

    def epoch(number):
        time.sleep(0.3 if number == 0 else 0)  # a slow first batch
        for batch in range(3):
            time.sleep(0.005)
            yield f"batch {batch} of epoch {number}", None

    batches = SimpleNamespace(epoch=epoch, workers=1)
    run = SimpleNamespace(batches=batches, normalization=normalised.append)
    start = time.perf_counter()
    seconds = pipeline_turns.pipeline_turn(run, 0.02)
    timed = len(normalised) - 1
    assert timed >= 4 and normalised[3] == "batch 0 of epoch 1"
    assert 0.005 <= seconds <= (time.perf_counter() - start - 0.3) / timed


def test_the_stages_work_on_whole_batches(photos, tmp_path):
    run = prepared(photos, tmp_path / "run")
    shapes = []
    run.normalization = lambda images: shapes.append(images.shape)
    stages = pipeline_turns.stages_turn(run)
    assert list(stages) == ["read", "crop", "normalise"] and min(stages.values()) > 0
    assert set(shapes) == {(4, 3, 24, 24)}


def test_drawn_photos_are_a_folder_of_photo_sized_jpegs(tmp_path):
    pipeline_turns.draw_photos(tmp_path, scenes=20, copies=2)
    assert [len(ImageFolder(tmp_path, split)) for split in ("train", "val")] == [40, 10]
    paths = ImageFolder(tmp_path, "train").paths
    with Image.open(paths[0]) as image:
        assert (image.format, image.size) == ("JPEG", (256, 256))
    assert 17_000 < np.mean([os.path.getsize(path) for path in paths]) < 27_000


def test_the_programs_get_the_trainings_weights_and_first_batch(photos, tmp_path, monkeypatch):
    # paper: it drops, and subtracts a mean image
    run = prepared(photos, tmp_path / "run", spec="paper", image_size=67, width=0.05)
    images, labels = pipeline_turns.write_ready_batch(run, tmp_path, threads=1)
    first = next(run.batches.epoch(0))
    np.testing.assert_array_equal(images, first[0])
    np.testing.assert_array_equal(labels, first[1])
    with np.load(tmp_path / "batch.npz") as file:
        np.testing.assert_array_equal(file["images"], run.normalization(images))

    monkeypatch.setattr(os, "sched_setaffinity", lambda *some: None, raising=False)
    program = Tinynet(tmp_path, "numpy")
    program.restart(dropout=False)
    loss = program.step()[0]()
    assert loss == pytest.approx(pipeline_turns.first_loss(run, images, labels), rel=1e-6)

    def program_with(loss):
        answers = {"numbers": {"losses": [loss]}, "restart": {}}
        return SimpleNamespace(ask=lambda do, **more: answers[do])

    pipeline_turns.check_training(run, program_with(loss), images, labels)
    for other in (loss * 1.001, math.nan):
        with pytest.raises(ProgramError, match="the training's first loss is"):
            pipeline_turns.check_training(run, program_with(other), images, labels)


def test_a_ratio_compares_turns_of_one_round():
    measured = {
        name: [{"seconds": number, "waited": number / 10} for number in numbers]
        for name, numbers in {
            "pipeline": (0.1, 0.2, 0.4), "network": (0.6, 1.0, 0.8), "training": (0.5, 0.5, 0.5),
            "pytorch": (1.0, 0.75, 2.0),
        }.items()
    }  # fmt: skip
    measured["stages"] = [{"read": 0.05, "crop": 0.01, "normalise": 0.02}] * 3
    report = pipeline.figures(measured, 10)
    assert report["images_per_second"]["pipeline"] == pytest.approx((50, 25, 100))
    assert report["stages"]["crop"] == pytest.approx((1000, 1000, 1000))
    assert report["waiting"] == pytest.approx((0.1, 0.1, 0.1))
    assert {what: ratio[0] for what, ratio in report["ratios"].items()} == pytest.approx(
        {"pipeline over network": 5, "training over network": 1.6, "training over pytorch": 2}
    )  # of 6, 5 and 2 the median is 5
    del measured["pytorch"]
    assert len(pipeline.figures(measured, 10)["ratios"]) == 2


def test_the_command_prints_a_table_and_writes_the_figures(photos, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pipeline, "PIPELINE_TURN", 0.02)
    monkeypatch.setattr(pipeline, "installed", lambda names, peers: {})
    monkeypatch.setattr(machine, "wait_until_idle", lambda seconds: False)
    monkeypatch.setattr(pipeline, "use_processors", lambda count: None)
    flags = [str(w) for name, v in FLAGS.items() for w in (f"--{name.replace('_', '-')}", v)]
    flags += "--backend numpy --threads 1 --workers 1 --rounds 2 --wait 0".split()
    file = tmp_path / "pipeline.json"
    assert pipeline.main([str(photos), *flags, "--json", str(file)]) == 0
    text, report = file.read_text(), json.loads(file.read_text())
    assert set(report["images_per_second"]) == {"pipeline", "network", "training"}
    assert report["options"]["steps_a_turn"] == 5  # an epoch of 7, two of them untimed
    assert report["data"].startswith("a folder of images: 2 classes, 28 images")
    assert str(photos) not in text and not report["idle"]
    printed = capsys.readouterr().out
    for words in ("NOT IDLE", "pipeline over network", "network alone", *report["machine"]["blas"]):
        assert words in " ".join(printed.split())


def test_data_that_does_not_fit_is_told(photos, monkeypatch, capsys):
    monkeypatch.setattr(pipeline, "use_processors", lambda count: None)
    for words, code, message in (
        ([str(photos), "--batch-size", "8"], 2, "has 3 batches of 8 images, and a turn takes 4"),
        ([str(photos / "none")], 3, "is not there"),
    ):
        assert pipeline.main([*words, "--backend", "numpy", "--spec", "cifar10"]) == code
        assert message in capsys.readouterr().err
