"""The evaluation command, against the log of the training and counts by hand."""

import json

import numpy as np
import pytest

import tinynet as tn
from alexnet import evaluate, train
from alexnet.data import open_dataset
from alexnet.weights import checkpoint
from tests.alexnet.small_training import FLAGS, make_images

NUMPY = ["--backend", "numpy", "--threads", "1"]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return make_images(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def best(images, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    with tn.use_backend("numpy"):
        assert train.main([str(images), *FLAGS, "--out", str(out)]) == 0
    return out / "best.npz"


@pytest.fixture(autouse=True)
def backend_as_before():
    with tn.use_backend("numpy"):
        yield


def record_of(capsys, *arguments):
    capsys.readouterr()
    assert evaluate.main([*map(str, arguments), *NUMPY, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_figures_match_the_log_of_the_training(best, capsys):
    record = record_of(capsys, best)
    log = (best.parent / "log.jsonl").read_text().splitlines()
    epochs = [line for line in map(json.loads, log) if "val_loss" in line]
    best_epoch = max(epochs, key=lambda line: line["val_top1"])
    assert record["loss"] == pytest.approx(best_epoch["val_loss"], rel=1e-5)
    assert (record["top1"], record["top5"]) == (best_epoch["val_top1"], 1.0)
    assert (record["split"], record["images"]) == ("val", 12)


def test_the_accuracy_of_each_class_matches_a_count_by_hand(best, images, capsys):
    record = record_of(capsys, best)
    data, saved = open_dataset(str(images), "val"), checkpoint.load(best)
    model = saved.make_model()
    correct = dict.fromkeys(data.classes, 0)
    for index, label in enumerate(data.labels):
        image = data.read(index, saved.stored_size)
        edge = (saved.stored_size - 67) // 2
        image = image[edge : edge + 67, edge : edge + 67].transpose(2, 0, 1)[None]
        with tn.no_grad():
            logits = model(tn.Tensor(saved.normalization(np.ascontiguousarray(image)))).numpy()
        correct[data.classes[label]] += int(logits.argmax() == label)
    assert record["classes"] == {
        name: {"images": 4, "top1": count / 4} for name, count in correct.items()
    }


def test_the_batch_size_changes_nothing(best, capsys):
    one, other = (record_of(capsys, best, "--batch-size", size) for size in (5, 12))
    assert one["loss"] == pytest.approx(other["loss"], rel=1e-6)
    assert one["classes"] == other["classes"]


def test_the_training_images_can_be_evaluated_too(best, capsys):
    assert record_of(capsys, best, "--split", "train")["images"] == 36


def test_other_data_of_the_same_classes_can_be_evaluated(best, tmp_path, capsys):
    other = make_images(tmp_path / "images", train=1, val=2)
    assert record_of(capsys, best, other)["images"] == 6


def test_data_of_other_classes_is_an_error_that_names_them(best, tmp_path, capsys):
    other = make_images(tmp_path / "images", train=1, val=1)
    for split in ("train", "val"):
        (other / split / "red").rename(other / split / "purple")
    assert evaluate.main([str(best), str(other), *NUMPY]) == 3
    message = capsys.readouterr().err.splitlines()[-1]
    assert "only in the data: purple; only in the network: red" in message


def test_a_missing_split_ends_with_3(best, capsys):
    assert evaluate.main([str(best), "--split", "test", *NUMPY]) == 3
    assert "test" in capsys.readouterr().err.splitlines()[-1]


def test_a_missing_checkpoint_ends_with_3(capsys):
    assert evaluate.main(["nothing.npz", *NUMPY]) == 3
    assert "nothing.npz" in capsys.readouterr().err.splitlines()[-1]


def test_the_table_names_every_class_and_ends_with_the_means(best, capsys):
    assert evaluate.main([str(best), *NUMPY]) == 0
    text = capsys.readouterr().out
    for name in ("blue", "green", "red"):
        row = next(line.split() for line in text.splitlines() if line.split()[:1] == [name])
        assert row[1] == "4" and row[3].endswith("%")
    assert "top-3 100.00%  on 12 images (val)" in text.splitlines()[-1]
