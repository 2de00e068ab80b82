"""The sheet of what a network gets: every square by hand, the command and its errors."""

import numpy as np
import pytest
from PIL import Image

from alexnet.data import open_dataset
from alexnet.data.augment import draws_of
from alexnet.data.pixel_sums import sums_of
from alexnet.data.principal_colours import PrincipalColours
from alexnet.pictures.sheet import GAP, HEADING, draw_sheet, magnification
from alexnet.preview import main
from tests.alexnet.small_training import last_line


def square(sheet, row, column, side, size):
    """The pixels of a square of this size in the middle of its place, which has this side."""
    margin = (side - size) // 2
    top = HEADING + GAP + row * (side + GAP) + margin
    left = GAP + column * (side + GAP) + margin
    return sheet[top : top + size, left : left + size]


@pytest.mark.parametrize("augment", ["none", "crop", "alexnet"])
def test_every_square_is_what_the_loader_and_the_change_of_colour_make(images, tmp_path, augment):
    out = tmp_path / "sheet.png"
    words = f"--image-size 100 --images 2 --epochs 3 --seed 5 --augment {augment}"
    assert main([images, "--out", str(out), *words.split()]) == 0
    sheet = np.array(Image.open(out)).astype(int)
    dataset = open_dataset(images, "train")
    stored = 113 if augment != "none" else 100  # 100 * 256 / 227
    colours = PrincipalColours.of(sums_of(dataset, stored).covariance)
    for row, place in enumerate((0, 18)):
        photo = dataset.read(place, stored)
        np.testing.assert_array_equal(square(sheet, row, 0, stored, stored), photo)
        for epoch in range(3):
            draws = draws_of(augment, 36, stored - 100, seed=5, epoch=epoch)
            top, left = draws.offsets[place]
            expected = photo[top : top + 100, left : left + 100].astype(float)
            expected = expected[:, ::-1] if draws.mirrored[place] else expected
            if augment == "alexnet":
                expected = expected + colours.shifts(draws.normals[place : place + 1])[0]
            got = square(sheet, row, 1 + epoch, stored, 100)
            assert np.abs(got - expected.clip(0, 255)).max() <= 0.5


def test_small_squares_are_enlarged_by_a_whole_factor():
    assert [magnification(size) for size in (1, 32, 40, 96, 97, 256)] == [96, 3, 3, 1, 1, 1]
    rows = [[np.full((32, 32, 3), 9, np.uint8), np.full((30, 30, 3), 200, np.uint8)]]
    sheet = np.array(draw_sheet(["a", "b"], rows))
    assert sheet.shape == (HEADING + 2 * GAP + 96, 3 * GAP + 2 * 96, 3)
    assert (square(sheet, 0, 0, 96, 96) == 9).all() and (square(sheet, 0, 1, 96, 90) == 200).all()
    assert (square(sheet, 0, 1, 96, 96)[:3] == 255).all()


def test_the_network_and_its_size_follow_the_kind_of_data(tmp_path, capsys):
    out = tmp_path / "sheet.png"
    assert main(["synthetic", "--out", str(out), "--images", "1", "--epochs", "1"]) == 0
    assert "a network of 67 x 67 gets" in capsys.readouterr().out


def test_more_images_than_there_are_draws_all(images, tmp_path, capsys):
    out = tmp_path / "sheet.png"
    words = "--split val --images 99 --epochs 1 --image-size 32 --augment crop"
    assert main([images, "--out", str(out), *words.split()]) == 0
    assert "12 images of" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["--images", "36", "--epochs", "99"], 2, "fewer --images or --epochs"),
        (["--split", "test"], 3, "but no test/ folder"),
    ],
)
def test_what_cannot_be_drawn_is_an_error(images, tmp_path, capsys, flags, code, message):
    assert main([images, "--out", str(tmp_path / "sheet.png"), *flags]) == code
    assert message in last_line(capsys)
    assert not (tmp_path / "sheet.png").exists()


def test_an_image_of_the_data_is_never_overwritten(images, capsys):
    photo = open_dataset(images, "train").paths[0]
    assert main([images, "--out", photo]) == 2
    assert "would overwrite" in last_line(capsys)
