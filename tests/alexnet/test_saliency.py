"""The command that draws what counts for a class."""

import numpy as np
import pytest
from PIL import Image

from alexnet.pictures.saliency import light, lit, signed
from alexnet.saliency import main

pytestmark = pytest.mark.usefixtures("backend_as_before")
NUMPY = ["--backend", "numpy", "--threads", "1"]


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(2):
        pixels = np.random.default_rng(number).integers(0, 256, (80, 90, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def test_a_row_for_each_image_and_a_square_for_each_method(file, photos, tmp_path, capsys):
    out = tmp_path / "sheet.png"
    words = [file, str(photos), "--method", "gradient", "grad-cam", "--out", str(out), *NUMPY]
    assert main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines[:2]] == [str(photos / f"{n}.png") for n in (0, 1)]
    assert lines[2] == f"{out}: 2 images, gradient, grad-cam"
    with Image.open(out) as sheet:
        width, height = sheet.size
    assert width == 3 * (2 * 67 + 6) + 6 and height == 18 + 2 * (2 * 67 + 6) + 6


def test_an_image_that_cannot_be_read_is_left_out_and_named(file, photos, tmp_path, capsys):
    (photos / "bad.png").write_bytes(b"no image")
    out = tmp_path / "sheet.png"
    assert main([file, str(photos), "--method", "gradient", "--out", str(out), *NUMPY]) == 3
    assert "bad.png" in capsys.readouterr().err and out.exists()


def test_a_class_that_the_network_does_not_know_is_an_error(file, photos, tmp_path, capsys):
    words = [file, str(photos), "--label", "yeti", "--out", str(tmp_path / "s.png"), *NUMPY]
    assert main(words) == 2
    assert "--label yeti: this network knows no such class" in capsys.readouterr().err


def test_the_picture_is_never_written_over_an_image(file, photos, capsys):
    words = [file, str(photos), "--out", str(photos / "0.png"), *NUMPY]
    assert main(words) == 2
    assert "would overwrite" in capsys.readouterr().err


def test_colours_say_how_much_and_in_which_direction():
    heat = np.array([[0, 1.0], [2, 4]])
    assert light(heat)[..., 0].tolist()[0][0] == 0 and light(heat)[1, 1].tolist() == [255] * 3
    both = signed(np.array([[-1.0, 0], [0, 1]]))
    assert both[1, 1].tolist() == [255, 160, 0] and both[0, 0].tolist() == [40, 130, 255]
    assert both[0, 1].tolist() == [0, 0, 0]
    photo = np.full((2, 2, 3), 100, np.uint8)
    assert (
        lit(photo, heat)[1, 1].tolist() == [100] * 3 and lit(photo, heat)[0, 0].tolist() == [12] * 3
    )
    assert not light(np.zeros((2, 2))).any()
