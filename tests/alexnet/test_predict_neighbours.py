"""predict --neighbours: the training images nearest in the last hidden layer."""

import csv
import io
import json
import os
import shutil

import numpy as np
import pytest

from alexnet import predict
from alexnet.data import open_dataset
from tests.alexnet.looked_into import NUMPY, by_hand, make_photo, save

pytestmark = pytest.mark.usefixtures("numpy_backend")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(checkpoint, the folder of it and of DATA in data/); tests only read them."""
    folder = tmp_path_factory.mktemp("neighbours")
    saved = save(folder / "best.npz")
    for seed in range(10):
        label = "owl" if seed % 2 else "ant"
        make_photo(folder / f"data/train/{label}/{seed}.png", seed)
        make_photo(folder / f"data/val/{label}/{seed}.png", 100 + seed)
    make_photo(folder / "test.png", 50)
    make_photo(folder / "other.png", 51)
    return saved, folder


def run(made, *arguments, code=0):
    command = [str(made[1]), *map(str, arguments), *NUMPY]
    assert predict.main(command) == code


def brute_force(saved, photo, paths, layer="dropout7"):
    """(path, distance) of all paths, nearest first, in float64."""
    query, *rows = by_hand(saved, [photo, *paths], layer).astype(np.float64)
    distances = [float(np.sqrt(((row - query) ** 2).sum())) for row in rows]
    return sorted(zip(paths, distances, strict=True), key=lambda pair: pair[1])


def test_neighbours_are_those_of_a_search_through_all_training_images(made, capsys):
    saved, folder = made
    photos = [str(folder / "test.png"), str(folder / "other.png")]
    run(made, *photos, "--neighbours", folder / "data", "--json")
    paths = open_dataset(folder / "data", "train").paths
    for photo, record in zip(photos, json.loads(capsys.readouterr().out), strict=True):
        found, expected = record["neighbours"], brute_force(saved, photo, paths)[:6]
        assert [each["image"] for each in found] == [path for path, _ in expected]
        assert [each["distance"] for each in found] == pytest.approx(
            [distance for _, distance in expected], rel=1e-5
        )
        folders = [os.path.basename(os.path.dirname(each["image"])) for each in found]
        assert [each["class"] for each in found] == folders
        assert found[0]["distance"] < found[5]["distance"] and len(record["classes"]) == 5


def test_probabilities_are_the_same_with_neighbours_as_without(made, capsys):
    photo = made[1] / "test.png"
    answers = []
    for flags in ((), ("--neighbours", made[1] / "data")):
        run(made, photo, "--json", *flags)
        answers.append(json.loads(capsys.readouterr().out)[0]["classes"])
    assert answers[0] == answers[1]


def test_the_image_itself_is_no_neighbour_but_a_copy_is(made, tmp_path, capsys):
    own = made[1] / "data/train/ant/4.png"
    (tmp_path / "link.png").symlink_to(own)
    shutil.copy(own, tmp_path / "copy.png")
    images = [own, tmp_path / "link.png", tmp_path / "copy.png"]
    run(made, *images, "--neighbours", made[1] / "data", "--json")
    first = [r["neighbours"][0] for r in json.loads(capsys.readouterr().out)]
    assert [each["image"] == str(own) for each in first] == [False, False, True]
    assert first[0]["distance"] > 0 and first[2]["distance"] == pytest.approx(0, abs=1e-5)


def test_csv_has_columns_for_six_neighbours(made, capsys):
    arguments = ["--neighbours", made[1] / "data", "--csv", "--topk", "1"]
    run(made, made[1] / "test.png", *arguments)
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert list(row)[:9] == [
        "image", "class", "probability", "neighbour", "neighbour_class", "distance",
        "neighbour_2", "neighbour_class_2", "distance_2",
    ]  # fmt: skip
    assert list(row)[-1] == "distance_6" and float(row["distance"]) <= float(row["distance_6"])


def test_text_lists_them_under_the_classes(made, capsys):
    run(made, made[1] / "test.png", "--neighbours", made[1] / "data", "--topk", "1")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == str(made[1] / "test.png") and lines[1].split()[0].endswith("%")
    assert lines[2] == "  nearest (distance, class, image):" and len(lines) == 9
    distance, label, path = lines[3].split()
    assert os.path.exists(path) and label in ("ant", "owl") and float(distance) > 0


def test_a_dataset_of_few_images_gives_those_that_it_has(made, tmp_path, capsys):
    for name in ("a/1.png", "b/1.png"):
        make_photo(tmp_path / "train" / name, 7)
        make_photo(tmp_path / "val" / name, 7)
    arguments = [tmp_path / "train/a/1.png", "--neighbours", tmp_path]
    run(made, *arguments, "--json")
    (record,) = json.loads(capsys.readouterr().out)
    assert [each["class"] for each in record["neighbours"]] == ["b"]
    run(made, *arguments, "--csv")
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (row["neighbour_class"], row["neighbour_2"], row["distance_6"]) == ("b", "", "")


def test_a_network_without_fc7_and_data_without_files_work_too(tmp_path, capsys, monkeypatch):
    from alexnet.data import synthetic

    monkeypatch.setitem(synthetic.DEFAULT_COUNT, "train", 20)
    saved = save(tmp_path / "best.npz", ["ant"], "cifar10", 32, 0.2)
    photo = make_photo(tmp_path / "one.png", 1)
    run((saved, tmp_path), photo, "--neighbours", "synthetic", "--json")
    (record,) = json.loads(capsys.readouterr().out)
    assert record["classes"] == [{"class": "ant", "probability": 1.0}]
    indices = [each["image"] for each in record["neighbours"]]
    assert len(set(indices)) == 6 and set(indices) <= set(range(20))
    data = open_dataset("synthetic", "train")
    assert [each["class"] for each in record["neighbours"]] == [
        data.classes[index % 10] for index in indices
    ]


@pytest.mark.parametrize(
    ("data", "code", "reason"), [("nowhere", 3, "nowhere"), ("data/train/ant", 3, "no class")]
)
def test_data_that_cannot_be_used_is_an_error(made, capsys, data, code, reason):
    run(made, made[1] / "test.png", "--neighbours", made[1] / data, code=code)
    assert reason in capsys.readouterr().err


def test_a_broken_training_image_is_named_and_can_be_left_out(made, tmp_path, capsys):
    shutil.copytree(made[1] / "data", tmp_path / "data")
    (tmp_path / "data/train/ant/0.png").write_bytes(b"no image")
    arguments = [made[1] / "test.png", "--neighbours", tmp_path / "data", "--topk", "1"]
    run(made, *arguments, code=3)
    assert "ant/0.png cannot be read" in capsys.readouterr().err
    run(made, *arguments, "--skip-bad-images", "1")
    assert "ant/0.png" not in capsys.readouterr().out


def test_progress_of_long_work_is_said_on_stderr(made, capsys, monkeypatch):
    from alexnet.cli import counting

    monkeypatch.setattr(counting, "SECONDS_BETWEEN_LINES", 0)
    run(made, made[1] / "test.png", "--neighbours", made[1] / "data", "--json")
    captured = capsys.readouterr()
    assert "activations at dropout7, batches: 1 of 1" in captured.err
    assert len(json.loads(captured.out)) == 1
