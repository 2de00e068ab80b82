"""The evaluation command, against the log of the training and counts by hand."""

import json

import numpy as np
import pytest

import tinynet as tn
from alexnet import evaluate, train
from alexnet.cli import evaluation_output
from alexnet.data import open_dataset
from alexnet.data.crops import centre_crop
from alexnet.evaluation.metrics import Metrics
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


def test_long_work_says_on_stderr_how_far_it_is(best, capsys, monkeypatch):
    monkeypatch.setattr("alexnet.cli.counting.SECONDS_BETWEEN_LINES", 0)
    record_of(capsys, best, "--batch-size", "5")
    assert evaluate.main([str(best), "--batch-size", "5", *NUMPY]) == 0
    captured = capsys.readouterr()
    said = [line.partition(", left ")[0] for line in captured.err.splitlines()]
    assert said == [f"evaluated, batches: {n} of 3" for n in (1, 2, 3)]
    assert "evaluated" not in captured.out


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


def predictions_by_hand(best, data):
    """The predicted label of each image, and its probability."""
    saved = checkpoint.load(best)
    read = [data.read(index, saved.stored_size) for index in range(len(data))]
    pixels = centre_crop(np.stack(read), saved.build["image_size"])
    rows = tn.softmax(saved.make_model()(tn.Tensor(saved.normalization(pixels)))).numpy()
    return rows.argmax(axis=1), rows.max(axis=1)


def test_confusions_and_the_most_wrong_images_match_a_count_by_hand(best, images, capsys):
    record = record_of(capsys, best, "--split", "train", "--wrong", "5")
    data = open_dataset(str(images), "train")
    predicted, confidence = predictions_by_hand(best, data)
    expected = {name: {} for name in data.classes}
    wrong = []
    for label, guess, p, path in zip(data.labels, predicted, confidence, data.paths, strict=True):
        row, name = expected[data.classes[label]], data.classes[guess]
        row[name] = row.get(name, 0) + 1
        if label != guess:
            wrong.append((-p, path, data.classes[label], name))
    assert record["confusion"] == expected
    assert sum(sum(row.values()) for row in expected.values()) == 36
    wrong = sorted(wrong)[:5]
    assert len(wrong) > 0  # the network of three epochs is not perfect
    listed = [(e["image"], e["class"], e["predicted"]) for e in record["wrong"]]
    assert listed == [(path, true, name) for _, path, true, name in wrong]
    assert [e["probability"] for e in record["wrong"]] == pytest.approx([-w[0] for w in wrong])
    assert record_of(capsys, best)["wrong"] == []


@pytest.fixture(scope="module")
def one_answer(best, tmp_path_factory):
    """A checkpoint that takes every image for red."""
    saved = checkpoint.load(best)
    saved.model["fc8.weight"][:] = 0
    saved.model["fc8.bias"][:] = [0, 0, 1]
    path = tmp_path_factory.mktemp("one") / "best.npz"
    saved.save(path)
    return path


def test_the_most_confused_classes_and_wrong_images_are_lines_of_text(one_answer, capsys):
    assert evaluate.main([str(one_answer), "--wrong", "2", *NUMPY]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "  blue -> red: 4 of 4" in lines and "  green -> red: 4 of 4" in lines
    assert not any("red ->" in line for line in lines)
    wrong = [line.split() for line in lines if line.endswith(".png")]
    assert [row[:4] for row in wrong] == [["57.61%", "blue", "->", "red"]] * 2  # e / (2 + e)
    assert [row[4].split("/val/")[1] for row in wrong] == ["blue/00.png", "blue/01.png"]


def test_a_network_without_a_mistake_lists_none(best, capsys, tmp_path):
    saved = checkpoint.load(best)
    saved.model["fc8.weight"][:] = 0
    saved.model["fc8.bias"][:] = [0, 0, 1]
    saved.save(tmp_path / "best.npz")
    red = make_images(tmp_path / "images", train=1, val=1)
    for name in ("blue", "green"):
        (red / "val" / name / "00.png").write_bytes((red / "val/red/00.png").read_bytes())
    record = record_of(capsys, tmp_path / "best.npz", red, "--wrong", "9")
    assert record["confusion"] == {name: {"red": 1} for name in ("blue", "green", "red")}
    assert [e["class"] for e in record["wrong"]] == ["blue", "green"]


def test_images_without_files_are_named_by_their_index(tmp_path, capsys, monkeypatch):
    counts = dict.fromkeys(("train", "val", "test"), 20)
    monkeypatch.setattr("alexnet.data.synthetic.DEFAULT_COUNT", counts)
    out = tmp_path / "run"
    flags = "--width 0.03 --batch-size 8 --max-steps 1 --backend numpy --threads 1".split()
    assert train.main(["synthetic", *flags, "--out", str(out)]) == 0
    record = record_of(capsys, out / "best.npz", "--wrong", "3")
    assert all(0 <= e["image"] < record["images"] for e in record["wrong"])
    assert evaluate.main([str(out), "--wrong", "1", *NUMPY]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.endswith(f"python -m alexnet.evaluate {out} --split test")


def test_the_test_images_are_pointed_at_where_there_are_some(best, tmp_path, capsys):
    data = make_images(tmp_path / "images", train=1, val=1)
    assert evaluate.main([str(best), str(data), *NUMPY]) == 0
    assert "--split test" not in capsys.readouterr().out
    (data / "train").rename(data / "test")
    (data / "val").rename(data / "train")
    make_images(tmp_path / "other", train=1, val=1)
    (tmp_path / "other" / "val").rename(data / "val")
    assert evaluate.main([str(best), str(data), *NUMPY]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.endswith(f"python -m alexnet.evaluate {best} {data} --split test")
    assert evaluate.main([str(best), str(data), "--split", "test", *NUMPY]) == 0
    assert "on 3 images (test)" in capsys.readouterr().out.splitlines()[-1]


def test_names_with_brackets_or_terminal_codes_are_printed_safely(best, tmp_path, capsys):
    names = {"blue": "[red] car", "green": ":smile:", "red": "x\x1b[31m"}
    data = make_images(tmp_path / "images", train=1, val=1)
    for split in ("train", "val"):
        for old, new in names.items():
            (data / split / old).rename(data / split / new)
    saved = checkpoint.load(best)
    saved.classes = sorted(names.values())
    saved.save(tmp_path / "best.npz")
    assert evaluate.main([str(tmp_path / "best.npz"), str(data), "--wrong", "3", *NUMPY]) == 0
    text = capsys.readouterr().out
    rows = [line.split("  ")[1].strip() for line in text.splitlines() if line.endswith("%  ")]
    assert rows == [":smile:", "[red] car", "x\\x1b[31m"]
    assert "\x1b" not in text


def test_classes_are_shown_by_the_names_of_a_words_file(best, tmp_path, capsys):
    (tmp_path / "words.txt").write_text("red\tcrimson, scarlet\nother\tthing\n")
    words = ["--words", str(tmp_path / "words.txt")]
    assert evaluate.main([str(best), *words, *NUMPY]) == 0
    assert "crimson (red)" in capsys.readouterr().out
    record = record_of(capsys, best, *words)
    assert record["classes"]["red"]["name"] == "crimson, scarlet"
    assert "name" not in record["classes"]["blue"]
    assert evaluate.main([str(best), "--words", str(tmp_path / "none.txt"), *NUMPY]) == 3
    assert "none.txt" in capsys.readouterr().err.splitlines()[-1]


def test_of_many_classes_the_table_shows_the_least_accurate(capsys):
    classes = [f"class{number:03}" for number in range(200)]
    images, correct = np.full(200, 10), np.full(200, 9)
    correct[[7, 130]], images[50], correct[50] = (3, 0), 0, 0  # 50 has no image
    evaluation_output._print_classes(classes, {}, Metrics(1.0, 0.9, 1.0, images, correct))
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split() for line in lines if line.endswith("%  ")]
    assert [row[0] for row in rows[:3]] == ["class130", "class007", "class000"]
    assert rows[0][1:] == ["10", "0", "0.0%"]
    assert len(rows) == 20 and "the 20 of 200 classes with the lowest top-1" in lines[0]
