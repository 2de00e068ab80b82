"""The picture of the first convolution's kernels: the command, its places and its colours."""

import os

import numpy as np
import pytest
from PIL import Image

import alexnet
import tinynet as tn
from alexnet import filters
from alexnet.data.normalization import Normalization
from alexnet.pictures.filters import GAP, SQUARE, TOWER_GAP, columns_for, draw_filters
from alexnet.weights import checkpoint
from alexnet.weights.file_network import FileLayer, FileNetwork


def save(folder, spec="paper", width=0.25, size=67, **changes):
    """A checkpoint of a fresh network; conv1's weights are returned."""
    model = alexnet.build(spec, 3, size, width=width, **changes)
    saved = checkpoint.Checkpoint(
        build=model.build_arguments, classes=["ant", "bee", "cat"], stored_size=size,
        normalization=Normalization(np.zeros((3, 1, 1)), np.ones((3, 1, 1))),
        model=model.state_dict(), velocities=None, options={}, training={},
    )  # fmt: skip
    saved.save(folder / "best.npz")
    return saved.model["conv1.weight"]


def by_formula(kernel):
    """The colours of a kernel (3, rows, columns), number by number."""
    mean = sum(float(w) for w in kernel.ravel()) / kernel.size
    largest = max(abs(float(w) - mean) for w in kernel.ravel())
    colours = np.empty((*kernel.shape[1:], 3))
    for (c, i, j), w in np.ndenumerate(kernel):
        colours[i, j, c] = round(127.5 + 127.5 * (float(w) - mean) / largest)
    return colours


def test_towers_stand_one_above_the_other_and_each_kernel_has_its_own_scale(tmp_path, capsys):
    weight = save(tmp_path)  # 24 kernels, conv2 has two groups
    assert filters.main([str(tmp_path), "--out", str(tmp_path / "f.png")]) == 0
    assert "24 kernels of conv1, 11 x 11 pixels, 2 towers" in capsys.readouterr().out
    page = np.asarray(Image.open(tmp_path / "f.png"))
    step = SQUARE + GAP  # 11 pixels, enlarged 6 times
    assert page.shape == (GAP + 4 * step + TOWER_GAP - GAP, GAP + 6 * step, 3)
    lower = GAP + 2 * step - GAP + TOWER_GAP  # where the second tower begins
    places = {0: (GAP, GAP), 11: (GAP + step, GAP + 5 * step), 12: (lower, GAP)}
    for number, (top, left) in places.items():
        tile = page[top : top + SQUARE, left : left + SQUARE]
        assert (tile[::6, ::6] == by_formula(weight[number])).all()
        assert (tile == tile[::6, ::6].repeat(6, axis=0).repeat(6, axis=1)).all()
    assert (page[lower - TOWER_GAP : lower] == 255).all() and (page[:GAP] == 255).all()
    assert (page[:, GAP + SQUARE : GAP + step] == 255).all()


def test_the_mean_is_grey_and_the_farthest_number_black_or_full():
    weight = np.zeros((2, 3, 2, 2), np.float32)
    weight[0, 0, 0, 0], weight[0, 2, 1, 1] = 8, -4  # the mean is 1/3
    weight[1] = 5  # one value
    page = np.asarray(draw_filters(weight))
    factor = SQUARE // 2
    corner = page[GAP, GAP], page[GAP + factor, GAP + factor]
    grey = round(127.5 - 127.5 / 3 / (8 - 1 / 3))
    assert corner[0].tolist() == [255, grey, grey]
    assert corner[1].tolist() == [grey, grey, round(127.5 - 127.5 * (4 + 1 / 3) / (8 - 1 / 3))]
    assert (page[GAP : GAP + 2 * factor, 2 * GAP + 2 * factor : -GAP] == 128).all()


def test_float64_numbers_of_any_size_keep_their_colours():
    weight = np.random.default_rng(0).normal(size=(4, 3, 5, 5))
    page = np.asarray(draw_filters(weight))
    for factor in (2.0**-1000, 2.0**1020):
        assert (np.asarray(draw_filters(weight * factor)) == page).all()


@pytest.mark.parametrize(
    ("count", "towers", "columns"),
    [(96, 2, 12), (96, 1, 12), (64, 1, 8), (48, 1, 8), (32, 1, 8), (97, 1, 10), (2, 2, 1)],
)
def test_any_number_of_kernels_has_its_rows(count, towers, columns):
    assert columns_for(count, towers) == columns
    page = draw_filters(np.ones((count, 3, 1, 1), np.float32), towers)
    rows = towers * -(-count // towers // columns)
    assert page.width == GAP + columns * (SQUARE + GAP)
    assert page.height == GAP + rows * (SQUARE + GAP) + (towers - 1) * (TOWER_GAP - GAP)
    blank = rows * columns - count
    tiles = np.asarray(page)[GAP + SQUARE // 2 :: SQUARE + GAP, GAP + SQUARE // 2 :: SQUARE + GAP]
    if towers == 1:
        assert (tiles == 255).all(axis=2).sum() == blank


def test_very_many_kernels_are_drawn_smaller():
    page = np.asarray(draw_filters(np.ones((5000, 3, 11, 11), np.float32)))
    assert max(page.shape) < 4096
    assert (page[GAP : GAP + 33, GAP : GAP + 33] == 128).all()  # enlarged 3 times
    assert (page[GAP + 33] == 255).all()


@pytest.mark.parametrize(
    ("weight", "towers", "reason"),
    [
        (np.ones((4, 48, 5, 5)), 1, r"is \(4, 48, 5, 5\), should be"),
        (np.ones((0, 3, 5, 5)), 1, "should be"),
        (np.ones((4, 3)), 1, "should be"),
        (np.ones((5, 3, 5, 5)), 2, "5 kernels make no 2 equal towers"),
        (np.full((4, 3, 5, 5), np.nan), 1, "not finite"),
    ],
)
def test_weights_that_are_no_colours_are_refused(weight, towers, reason):
    with pytest.raises(ValueError, match=reason):
        draw_filters(weight, towers)


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"fc1.weight": np.ones((2, 3), np.float32)}, "holds no convolution"),
        ({"conv2.weight": np.ones((4, 12, 3, 3), np.float32)}, "conv2 have 12 input channels"),
    ],
)
def test_only_kernels_that_see_colours_can_be_drawn(tmp_path, capsys, arrays, reason):
    tn.save(tmp_path / "w.npz", arrays)
    out = tmp_path / "f.png"
    assert filters.main([str(tmp_path / "w.npz"), "--out", str(out)]) == 3
    assert reason in capsys.readouterr().err and not out.exists()


def test_kernels_of_bgr_images_are_drawn_in_their_true_colours(tmp_path):
    """Caffe's: the first of the three channels is blue."""
    weight = np.zeros((2, 3, 2, 2), np.float32)
    weight[:, 0] = 1
    layers = [FileLayer("conv1", "Conv2d", {}, {"weight": weight})]
    layer, towers = filters.first_convolution(FileNetwork("x", layers, channels="bgr"), "x")
    assert (layer.arrays["weight"][:, 2] == 1).all() and towers == 1


def test_a_network_of_one_tower_and_small_kernels_is_drawn_too(tmp_path, capsys):
    weight = save(tmp_path, "cifar10", width=1.0, size=32)
    command = [str(tmp_path), "--out", str(tmp_path / "F.PNG")]
    assert filters.main(command) == 0
    assert capsys.readouterr().out.endswith("32 kernels of conv1, 5 x 5 pixels\n")
    page = np.asarray(Image.open(tmp_path / "F.PNG"))
    assert (page[GAP : GAP + 65 : 13, GAP : GAP + 65 : 13] == by_formula(weight[0])).all()


@pytest.mark.parametrize("name", ["f.jpg", "f", "missing/f.png", "folder.png"])
def test_a_file_that_cannot_be_written_is_refused(tmp_path, capsys, name):
    save(tmp_path)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(SystemExit) as end:
        filters.main([str(tmp_path), "--out", str(tmp_path / name)])
    assert end.value.code == 2 and name in capsys.readouterr().err


def test_the_checkpoint_is_never_overwritten(tmp_path, capsys):
    save(tmp_path)
    before = (tmp_path / "best.npz").read_bytes()
    (tmp_path / "link.png").symlink_to("best.npz")
    os.link(tmp_path / "best.npz", tmp_path / "second.png")
    for name in ("link.png", "second.png"):
        assert filters.main([str(tmp_path), "--out", str(tmp_path / name)]) == 2
        assert "would overwrite" in capsys.readouterr().err
    assert (tmp_path / "best.npz").read_bytes() == before


def test_an_interrupted_picture_leaves_the_old_one_and_no_other_file(tmp_path, monkeypatch):
    save(tmp_path)
    (tmp_path / "f.png").write_text("old")
    monkeypatch.setattr(Image.Image, "save", interrupted)
    assert filters.main([str(tmp_path), "--out", str(tmp_path / "f.png")]) == 130
    assert (tmp_path / "f.png").read_text() == "old"
    assert sorted(os.listdir(tmp_path)) == ["best.npz", "f.png"]


def interrupted(picture, file, format):
    file.write(b"half")
    raise KeyboardInterrupt


def test_a_full_disk_is_an_error_with_its_own_code(tmp_path, monkeypatch, capsys):
    save(tmp_path)
    monkeypatch.setattr(os, "replace", full)
    assert filters.main([str(tmp_path), "--out", str(tmp_path / "f.png")]) == 6
    assert "cannot write" in capsys.readouterr().err and os.listdir(tmp_path) == ["best.npz"]


def full(*paths):
    raise OSError(28, "No space left on device")
