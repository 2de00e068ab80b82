"""evaluate --csv and --confusion: tables, pictures checked by their pixels, files kept."""

import csv
import io
import os
import sys

import numpy as np
import pytest
from PIL import Image

import tinynet as tn
from alexnet import predict
from alexnet.data import open_dataset
from alexnet.pictures import confusion as picture
from tests.alexnet.evaluated import make_data, make_network, record_of, run
from tests.alexnet.looked_into import CLASSES, NUMPY

pytestmark = pytest.mark.usefixtures("numpy_backend")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """data/, in which eel has one broken image for validation, and a network; tests only read
    them."""
    folder = tmp_path_factory.mktemp("files")
    data = make_data(folder / "data")
    paths = open_dataset(str(data), "val").paths
    with tn.use_backend("numpy"):
        make_network(folder / "a.npz", 0, paths, "cifar10", size=32, stored=37, width=0.3)
    (data / "val/eel/0.png").write_bytes(b"no image")
    return folder


def evaluated(folder, *arguments, code=0):
    run(folder / "a.npz", folder / "data", "--skip-bad-images", "1", *arguments, code=code)


def rows_of(file):
    return list(csv.reader(file.open(encoding="utf-8", newline="")))


def test_csv_has_a_line_for_each_image_as_predict_answers_it(folder, tmp_path, capsys):
    evaluated(folder, "--ten-crop", "--csv", tmp_path / "i.csv")
    assert "i.csv: 15 images, 13 columns" in capsys.readouterr().err
    with (tmp_path / "i.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    paths = [row["image"] for row in rows]
    assert len(rows) == 15 and paths == [p for p in paths if "/val/" in p and "eel" not in p]
    flags = ["--ten-crop", "--csv", "--topk", "7", *NUMPY]
    assert predict.main([str(folder / "a.npz"), *paths, *flags]) == 0
    answers = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    for row, answer in zip(rows, answers, strict=True):
        order = [answer[f"class{rank}"] for rank in ("", *(f"_{n}" for n in range(2, 8)))]
        true = os.path.basename(os.path.dirname(row["image"]))
        assert (row["class"], row["predicted"]) == (true, order[0])
        assert int(row["rank"]) == order.index(true) + 1
        assert [row[f"predicted_{n}"] for n in range(2, 6)] == order[1:5]
        for ours, theirs in (("probability", "probability"), ("probability_5", "probability_5")):
            assert float(row[ours]) == pytest.approx(float(answer[theirs]), rel=1e-4)


def test_a_network_of_three_classes_has_three_in_its_lines(tmp_path, capsys):
    data = tmp_path / "data"
    names = ['a, "b"', "c\nd", "é"]
    for name in names:
        for number in range(10):
            (data / name).mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (40, 40), (20 * number, 99, 7)).save(data / name / f"{number}.png")
    make_network(tmp_path / "a.npz", 0, (), "cifar10", 32, 37, names, 0.3)
    files = ["--csv", tmp_path / "i.csv", "--confusion", tmp_path / "c.CSV"]
    run(tmp_path / "a.npz", data, *files)
    head, *rows = rows_of(tmp_path / "i.csv")
    assert head == "image class predicted probability rank predicted_2 probability_2".split() + [
        "predicted_3", "probability_3",
    ]  # fmt: skip
    assert [row[1] for row in rows] == ['a, "b"', "c\\nd", "é"]
    assert all(sorted([row[2], row[5], row[7]]) == ['a, "b"', "c\\nd", "é"] for row in rows)
    assert rows_of(tmp_path / "c.CSV")[0] == ["class", 'a, "b"', "c\\nd", "é"]


def test_the_table_of_confusions_has_a_row_for_each_class_one_without_an_image_too(
    folder, tmp_path, capsys
):
    flags = ["--skip-bad-images", "1", "--confusion", tmp_path / "c.csv"]
    record = record_of(capsys, folder / "a.npz", folder / "data", *flags)
    head, *rows = rows_of(tmp_path / "c.csv")
    assert head == ["class", *CLASSES] and [row[0] for row in rows] == CLASSES
    for name, *counts in rows:
        expected = record["confusion"][name]
        assert [int(count) for count in counts] == [expected.get(each, 0) for each in CLASSES]
    assert record["classes"]["eel"] == {"images": 0, "top1": None} and rows[4][1:] == ["0"] * 7


def test_images_without_files_are_named_by_their_index(tmp_path, monkeypatch):
    counts = dict.fromkeys(("train", "val", "test"), 20)
    monkeypatch.setattr("alexnet.data.synthetic.DEFAULT_COUNT", counts)
    classes = open_dataset("synthetic", "val").classes
    make_network(tmp_path / "a.npz", 0, (), "cifar10", 32, 37, classes, 0.3)
    run(tmp_path / "a.npz", "synthetic", "--csv", tmp_path / "i.csv")
    assert [row[0] for row in rows_of(tmp_path / "i.csv")[1:]] == [str(n) for n in range(20)]


# --- the picture ----------------------------------------------------------------------------------


def drawn(matrix, names=None):
    """(pixels of the picture, x and y of the middles of the squares)."""
    pytest.importorskip("matplotlib", reason="matplotlib draws the picture")
    file, count = io.BytesIO(), len(matrix)
    picture.write_confusion(np.array(matrix), names or ["x"] * count, "a title", file, "png")
    page = np.asarray(Image.open(file).convert("RGB")).astype(int)
    dark = (page.sum(axis=2) < 150).astype(int)
    # The frame of the squares is the first long dark line of its column and row.
    left = int(np.flatnonzero(dark.sum(axis=0) > 0.5 * dark.shape[0])[0])
    top = int(np.flatnonzero(dark[:, left:].sum(axis=1) > 0.5 * (dark.shape[1] - left))[0])
    cell = picture.LARGE if count <= picture.COUNTED else picture.SMALL
    side = max(cell * count, 4 * picture.LARGE) * picture.DPI
    middles = (np.arange(count) + 0.5) * side / count
    return page, left + middles, top + middles


def colour_at(page, x, y):
    return tuple(page[round(y), round(x)].tolist())


def test_a_row_is_a_class_a_column_a_predicted_class_and_dark_a_large_share():
    matrix = np.diag([50] * 30)
    matrix[2, 7], matrix[2, 2], matrix[5] = 25, 25, 0
    page, x, y = drawn(matrix)
    off = picture.SMALL * picture.DPI / 4  # beside a line of the grid
    full, half = colour_at(page, x[0], y[0]), colour_at(page, x[7], y[2])
    assert half == colour_at(page, x[2], y[2])
    empty, white = colour_at(page, x[5], y[5]), colour_at(page, x[2], y[7])
    assert sum(full) < sum(half) < sum(empty) < sum(white)
    assert colour_at(page, x[20], y[5]) == empty and len(set(empty)) == 1  # grey
    assert colour_at(page, x[29] + off, y[29] - off) == full


def test_small_shares_can_be_told_from_none_without_colours():
    matrix = np.diag([98] * 25)
    matrix[3, 9] = 2
    page, x, y = drawn(matrix)
    grey = page @ (0.3, 0.6, 0.1)
    some, none = grey[round(y[3]), round(x[9])], grey[round(y[9]), round(x[3])]
    assert none - some > 15


def test_up_to_20_classes_have_their_counts_in_the_squares():
    def ink(count, images):
        """Whether the square of an image taken for another class holds text."""
        matrix = np.diag([images] * count)
        matrix[1, 0] = images
        page, x, y = drawn(matrix)
        square = page[round(y[1]) - 5 : round(y[1]) + 6, round(x[0]) - 8 : round(x[0]) + 9]
        return len(np.unique(square.reshape(-1, 3), axis=0)) > 1

    assert ink(20, 123_456) and not ink(21, 123_456)


def test_very_many_classes_are_drawn_smaller_and_not_all_are_named(monkeypatch):
    monkeypatch.setattr(picture, "WIDEST", 3)
    named = []
    monkeypatch.setattr(picture, "_short", lambda text, most=28: named.append(text) or text)
    page, *_ = drawn(np.diag([1] * 60), [f"class {n}" for n in range(60)])
    assert max(page.shape) < 5 * picture.DPI
    assert named[:3] == ["class 0", "class 3", "class 6"]  # 3 squares of 0.05 inches


def test_classes_of_any_name_are_drawn_and_long_ones_shortened():
    names = ["$x_1$", "\\frac{", "e\x1b[31m\u202e", "V" * 5000, "\ud800", "训练", "%s{}"]
    page, *_ = drawn(np.diag([1] * 7), names)
    assert max(page.shape) < 2000


@pytest.mark.parametrize("ending", ["png", "pdf", "SVG"])
def test_the_picture_names_classes_by_the_words_file(folder, tmp_path, capsys, ending):
    pytest.importorskip("matplotlib", reason="matplotlib draws the picture")
    (tmp_path / "words.txt").write_text("ant\temmet, pismire\n")
    file = tmp_path / f"c.{ending}"
    evaluated(folder, "--confusion", file, "--words", tmp_path / "words.txt")
    start = {"png": b"\x89PNG", "pdf": b"%PDF", "SVG": b"<?xml"}[ending]
    assert file.read_bytes().startswith(start)
    assert f"c.{ending}: 7 x 7 classes" in capsys.readouterr().err
    if ending == "SVG":  # text is drawn as paths, beside which it stands as a comment
        text = file.read_text()
        assert "emmet" in text and "eel (no image)" in text and "pismire" not in text


# --- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", ["--csv", "--confusion"])
@pytest.mark.parametrize("name", ["x.txt", "x", "no/x.csv", "folder.csv"])
def test_a_file_that_cannot_be_written_is_refused_at_once(folder, tmp_path, capsys, flag, name):
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(SystemExit) as end:
        evaluated(folder, flag, tmp_path / name)
    assert end.value.code == 2 and name in capsys.readouterr().err


def test_no_input_is_overwritten(folder, tmp_path, capsys):
    image = folder / "data/val/ant/0.png"
    for path in (folder / "a.npz", folder / "data/val/gnu/1.png"):
        (tmp_path / f"{path.stem}.csv").symlink_to(path)
    before = image.read_bytes()
    for flags in (
        ["--confusion", image], ["--csv", tmp_path / "a.csv"], ["--csv", tmp_path / "1.csv"],
    ):  # fmt: skip
        evaluated(folder, *flags, code=2)
        captured = capsys.readouterr()
        assert "would overwrite" in captured.err and not captured.out
    assert image.read_bytes() == before
    same = ["--csv", tmp_path / "x.csv", "--confusion", os.path.relpath(tmp_path / "x.csv")]
    evaluated(folder, *same, code=2)
    assert "would both write" in capsys.readouterr().err


def test_a_full_disk_loses_no_result(folder, tmp_path, capsys, monkeypatch):
    def full(*paths):
        raise OSError(28, "No space left on device")

    (tmp_path / "i.csv").write_text("old")
    monkeypatch.setattr(os, "replace", full)
    evaluated(folder, "--csv", tmp_path / "i.csv", code=6)
    captured = capsys.readouterr()
    assert "on 15 images (val)" in captured.out and "cannot write" in captured.err
    assert (tmp_path / "i.csv").read_text() == "old" and os.listdir(tmp_path) == ["i.csv"]


def test_an_interrupted_evaluation_leaves_the_old_file_and_no_other(folder, tmp_path, monkeypatch):
    def interrupted(self, *arguments):
        raise KeyboardInterrupt

    (tmp_path / "i.csv").write_text("old")
    monkeypatch.setattr("alexnet.cli.evaluation_output.Evaluation.image", interrupted)
    evaluated(folder, "--csv", tmp_path / "i.csv", code=130)
    assert (tmp_path / "i.csv").read_text() == "old" and os.listdir(tmp_path) == ["i.csv"]


def test_without_matplotlib_a_table_is_written_and_a_picture_refused_at_once(
    folder, tmp_path, capsys, monkeypatch
):
    for name in [name for name in sys.modules if name.startswith("matplotlib")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    evaluated(folder, "--confusion", tmp_path / "c.png", code=2)
    captured = capsys.readouterr()
    assert "pip install matplotlib" in captured.err and not captured.out
    evaluated(folder, "--confusion", tmp_path / "c.csv")
    assert len(rows_of(tmp_path / "c.csv")) == 8


def test_an_error_of_matplotlib_is_told_after_the_result(folder, tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib", reason="matplotlib draws the picture")

    def broken(figure, file, **options):
        raise RuntimeError("no font")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", broken)
    evaluated(folder, "--confusion", tmp_path / "c.png", code=2)
    captured = capsys.readouterr()
    assert "could not be drawn (RuntimeError: no font)" in captured.err
    assert "on 15 images (val)" in captured.out and not os.listdir(tmp_path)


def test_more_broken_images_than_allowed_are_an_error(folder, capsys):
    run(folder / "a.npz", folder / "data", "--ten-crop", code=3)
    assert "eel/0.png" in capsys.readouterr().err.splitlines()[-1]
