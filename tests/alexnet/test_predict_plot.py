"""predict --plot: the paper's figure 4, checked by its pixels."""

import builtins
import io
import json
import os
import re
import sys

import numpy as np
import pytest
from PIL import Image
from PIL.ImageColor import getrgb

from alexnet import predict
from alexnet.pictures import predictions as picture
from tests.alexnet.looked_into import CLASSES, NUMPY, save

pytestmark = pytest.mark.usefixtures("numpy_backend")

pytest.importorskip("matplotlib", reason="matplotlib draws the pictures")

BLUE, RED, PALE = (getrgb(colour) for colour in (picture.BLUE_GREY, picture.RED, picture.PALE))
COLOURS = [(200, 30, 40), (20, 160, 60), (30, 60, 190), (230, 200, 20), (120, 20, 140)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """best.npz, whose logits are 0 for ant, 0.5 for bee, ..., and ten photos of one colour each;
    tests only read them."""
    folder = tmp_path_factory.mktemp("plot")
    saved = save(folder / "best.npz")
    saved.model["fc8.weight"][:] = 0
    saved.model["fc8.bias"][:] = 0.5 * np.arange(len(CLASSES))
    saved.save(folder / "best.npz")
    for number in range(10):
        flat_photo(folder / f"photos/eel/{number}.png", COLOURS[number % 5])
    return folder


def flat_photo(path, colour):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (90, 80), colour).save(path)
    return str(path)


def run(folder, *arguments, code=0):
    assert predict.main([str(folder / "best.npz"), *map(str, arguments), *NUMPY]) == code


def pixels(file):
    return np.asarray(Image.open(file).convert("RGB")).astype(int)


def at(page, x, y):
    """The colour at a place in inches from the upper left corner."""
    return tuple(page[round(y * picture.DPI), round(x * picture.DPI)].tolist())


def bar(page, left, rank, top=picture.MARGIN):
    """(length in shares of the whole, colour) of a bar, below its text."""
    bars = top + picture.TITLE + picture.PHOTO + picture.NAME
    y = bars + rank * (picture.BAR + picture.BAR_GAP) + picture.BAR - 0.015
    first = round(left * picture.DPI) + 2
    last = first + round(picture.PHOTO * picture.DPI) - 4
    row = [tuple(pixel) for pixel in page[round(y * picture.DPI), first:last].tolist()]
    assert set(row[:1] + row[-1:]) <= {BLUE, RED, PALE}
    return (row.index(PALE) + 2) / (picture.PHOTO * picture.DPI), row[0]


def place(number):
    """The left and upper edge of an example, in inches."""
    row, column = divmod(number, picture.COLUMNS)
    step = picture.PHOTO + picture.PHOTO_GAP, picture.CELL + picture.PHOTO_GAP
    return picture.MARGIN + column * step[0], picture.MARGIN + row * step[1]


def test_bars_are_as_long_as_probable_and_the_right_class_is_red(folder, tmp_path, capsys):
    run(folder, folder / "photos", "--plot", tmp_path / "p.png", "--json")
    records = json.loads(capsys.readouterr().out)  # text output goes on as before
    page = pixels(tmp_path / "p.png")
    assert len(records) == 10
    for number, record in enumerate(records):
        left, top = place(number)
        middle = left + picture.PHOTO / 2, top + picture.TITLE + picture.PHOTO / 2
        assert at(page, *middle) == COLOURS[number % 5]
        for rank, row in enumerate(record["classes"]):
            length, colour = bar(page, left, rank, top)
            assert length == pytest.approx(row["probability"], abs=2 / 250)
            assert colour == (RED if row["class"] == "eel" else BLUE)


def test_an_image_in_another_folder_has_no_title_and_no_red_bar(folder, tmp_path):
    flat_photo(tmp_path / "x/eel/1.png", COLOURS[0])
    flat_photo(tmp_path / "x/else/1.png", COLOURS[0])
    run(folder, tmp_path / "x", "--plot", tmp_path / "p.png")
    page = pixels(tmp_path / "p.png")
    titles = []
    for number in range(2):
        left, top = (round(inches * picture.DPI) for inches in place(number))
        height, width = round(picture.TITLE * picture.DPI), round(picture.PHOTO * picture.DPI)
        titles.append(page[top : top + height - 2, left : left + width].min())
    assert titles[0] < 100 and titles[1] == 255
    assert [bar(page, place(1)[0], rank)[1] for rank in range(5)] == [BLUE] * 5


def test_five_bars_are_drawn_whatever_topk_is(folder, tmp_path, capsys):
    photo = folder / "photos/eel/1.png"
    run(folder, photo, "--plot", tmp_path / "p.png", "--topk", "1")
    assert capsys.readouterr().out.count("\n") == 1
    page = pixels(tmp_path / "p.png")
    assert bar(page, picture.MARGIN, 4)[0] == pytest.approx(
        np.exp(1) / np.exp(0.5 * np.arange(7)).sum(), abs=2 / 250
    )
    width = (2 * picture.MARGIN + picture.PHOTO) * picture.DPI
    assert page.shape[1] == pytest.approx(width, abs=1)


def test_a_network_of_one_class_has_one_full_bar(tmp_path):
    save(tmp_path / "best.npz", ["ant"], "cifar10", 32, 0.2)
    photo = flat_photo(tmp_path / "ant/1.png", COLOURS[1])
    run(tmp_path, photo, "--plot", tmp_path / "p.png")
    page = pixels(tmp_path / "p.png")
    bars = picture.MARGIN + picture.TITLE + picture.PHOTO + picture.NAME
    assert at(page, picture.MARGIN + 0.99 * picture.PHOTO, bars + picture.BAR - 0.015) == RED
    assert (page[round((bars + picture.BAR + 0.02) * picture.DPI) :] == 255).all()


def test_neighbours_stand_beside_their_image(tmp_path, capsys):
    save(tmp_path / "best.npz", ["ant", "bee"])
    generator = np.random.default_rng(0)
    colours = {}
    for number in range(8):
        label = "bee" if number % 2 else "ant"
        path = tmp_path / f"data/train/{label}/{number}.png"
        colours[str(path)] = tuple(generator.integers(0, 256, 3).tolist())
        flat_photo(path, colours[str(path)])
        flat_photo(tmp_path / f"data/val/{label}/{number}.png", (0, 0, 0))
    photos = [flat_photo(tmp_path / f"ant/{number}.png", COLOURS[number]) for number in range(2)]
    data = ["--neighbours", tmp_path / "data"]
    run(tmp_path, *photos, *data, "--plot", tmp_path / "p.png", "--json")
    page = pixels(tmp_path / "p.png")
    for number, record in enumerate(json.loads(capsys.readouterr().out)):
        top = picture.MARGIN + picture.HEADING + number * (picture.SMALL + picture.CAPTION)
        x, y = picture.MARGIN + picture.SMALL / 2, top + picture.SMALL / 2
        assert at(page, x, y) == COLOURS[number]
        for column, near in enumerate(record["neighbours"]):
            left = picture.MARGIN + picture.SMALL + picture.FIRST_GAP
            left += column * (picture.SMALL + picture.SMALL_GAP)
            assert at(page, left + picture.SMALL / 2, y) == colours[near["image"]]
            edge = round(left * picture.DPI), round((left + picture.SMALL) * picture.DPI)
            under = round((top + picture.SMALL + 0.02) * picture.DPI)
            text = page[under : under + round(0.15 * picture.DPI), edge[0] : edge[1]]
            assert (text[..., 0] > text[..., 1] + 100).any() == (near["class"] == "ant")  # red


def test_of_very_many_images_the_first_are_drawn_and_the_rest_answered(
    folder, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(picture, "MOST", 3)
    run(folder, folder / "photos", "--plot", tmp_path / "p.png", "--topk", "1")
    captured = capsys.readouterr()
    assert captured.out.count("\n") == 10
    assert "p.png shows the first 3 of 10 images" in captured.err
    assert pixels(tmp_path / "p.png").shape[1] < 1000


NAMES = ["a$b_{x}^$.png", "a\x1b[31m\n.png", b"\xff\xfe.png", "%s{}.png", "W" * 240 + ".png",
         "\u8bad\u7ec3.png", "$\\frac$.png"]  # fmt: skip


@pytest.mark.parametrize("ending", ["png", "pdf", "SVG"])
def test_images_and_classes_of_any_name_are_drawn(tmp_path, capsys, ending):
    classes = ["$x_1$", "\\frac{", "e\x1b[31m\u202e", "V" * 5000, "\ud800"]
    save(tmp_path / "best.npz", classes)
    for name in NAMES:
        path = os.path.join(os.fsencode(tmp_path / "photos/$x_1$"), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Image.new("RGB", (70, 70), "red").save(tmp_path / "one.png")
        os.link(tmp_path / "one.png", path)
    file = tmp_path / f"p.{ending}"
    run(tmp_path, tmp_path / "photos", "--plot", file, "--topk", "1")
    start = {"png": b"\x89PNG", "pdf": b"%PDF", "SVG": b"<?xml"}[ending]
    assert file.read_bytes().startswith(start)
    if ending == "SVG":  # text is drawn as paths, beside which it stands as a comment
        text = file.read_text()
        assert "a$b_{x}^$.png" in text and "$x_1$" in text and "\x1b" not in text
        shortened = re.search(r"WW+…W+\.png", text)
        assert shortened and len(shortened.group()) < 40


def test_unreadable_images_are_left_out_of_the_picture(folder, tmp_path, capsys):
    (tmp_path / "bad.jpg").write_bytes(b"no image")
    photo = folder / "photos/eel/0.png"
    run(folder, tmp_path / "bad.jpg", photo, "--plot", tmp_path / "p.png", code=3)
    assert "p.png shows 1 image" in capsys.readouterr().err
    left, top = place(0)
    middle = left + picture.PHOTO / 2, top + picture.TITLE + picture.PHOTO / 2
    assert at(pixels(tmp_path / "p.png"), *middle) == COLOURS[0]


def test_without_a_readable_image_there_is_no_picture(folder, tmp_path, capsys):
    (tmp_path / "p.png").write_text("old")
    (tmp_path / "empty").mkdir()
    run(folder, tmp_path / "empty", "none.png", "--plot", tmp_path / "p.png", code=3)
    assert (tmp_path / "p.png").read_text() == "old"


@pytest.mark.parametrize("name", ["p.jpg", "p", "no/p.png", "folder.pdf"])
def test_a_picture_that_cannot_be_written_is_refused(folder, tmp_path, capsys, name):
    (tmp_path / "folder.pdf").mkdir()
    with pytest.raises(SystemExit) as end:
        run(folder, "photo.png", "--plot", tmp_path / name)
    assert end.value.code == 2 and name in capsys.readouterr().err


def test_no_input_is_overwritten(folder, tmp_path, capsys, monkeypatch):
    photo = flat_photo(tmp_path / "eel/1.png", COLOURS[0])
    train = [flat_photo(tmp_path / f"data/{name}/1.png", COLOURS[1]) for name in ("a", "b")]
    for name in ("a", "b"):
        flat_photo(tmp_path / f"data/{name}/2.png", COLOURS[2])
    train = tmp_path / "data/a/1.png", tmp_path / "data/a/2.png"  # one is for validation
    before = {path: open(path, "rb").read() for path in (photo, *train)}
    (tmp_path / "link.png").symlink_to(photo)
    run(folder, photo, "--plot", photo, code=2)
    run(folder, tmp_path / "eel", "--plot", tmp_path / "link.png", code=2)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{photo}\n"))
    run(folder, "-", "--plot", os.path.relpath(photo), code=2)
    assert capsys.readouterr().err.count("would overwrite") == 3
    data = ["--neighbours", tmp_path / "data"]
    codes = [
        predict.main([str(folder), photo, *map(str, data), "--plot", str(path), *NUMPY])
        for path in train
    ]
    assert 2 in codes and "would overwrite" in capsys.readouterr().err
    kept = train[codes.index(2)]
    assert open(kept, "rb").read() == before[kept] and open(photo, "rb").read() == before[photo]


def test_without_matplotlib_it_says_what_to_install_before_anything_is_computed(
    folder, tmp_path, capsys, monkeypatch
):
    imported = builtins.__import__

    def without(name, *arguments):
        if name.startswith("matplotlib"):
            raise ImportError("No module named 'matplotlib'")
        return imported(name, *arguments)

    for name in [name for name in sys.modules if name.startswith("matplotlib")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    run(folder, folder / "photos", "--plot", tmp_path / "p.png", code=2)
    captured = capsys.readouterr()
    assert "pip install matplotlib" in captured.err and not captured.out


@pytest.mark.parametrize(
    ("error", "code"), [(KeyboardInterrupt(), 130), (RuntimeError("no font"), 2)]
)
def test_an_error_in_the_middle_leaves_the_old_picture_and_no_other_file(
    folder, tmp_path, monkeypatch, capsys, error, code
):
    def half(figure, file, **options):
        file.write(b"half")
        raise error

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", half)
    (tmp_path / "p.png").write_text("old")
    run(folder, folder / "photos", "--plot", tmp_path / "p.png", code=code)
    assert (tmp_path / "p.png").read_text() == "old" and os.listdir(tmp_path) == ["p.png"]
    assert code == 130 or "could not be drawn (RuntimeError: no font)" in capsys.readouterr().err
