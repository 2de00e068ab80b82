"""The picture of a run: drawn whatever the folder's name, and never a reason to fail."""

import os
import warnings

import pytest

from alexnet.training import curves
from alexnet.training.curves import Curves
from alexnet.training.run_folder import RunFolder


@pytest.fixture
def folder(tmp_path):
    return make_folder(tmp_path / "run")


def make_folder(path):
    path.mkdir()
    folder = RunFolder(path)
    for step in (1, 2):
        folder.add_line(
            epoch=1, step=step, train_loss=1.0, train_top1=0.5, images_per_second=9.0, lr=0.1
        )
    folder.add_line(
        epoch=1, step=2, train_loss=1.0, train_top1=0.5, val_loss=1.0, val_top1=0.5, val_top5=1.0
    )
    return folder


@pytest.mark.parametrize(
    "name",
    ["a$b", "$x_1$", "$", r"\alpha$\frac$", "\udcff\udcfe", "\x1b[31m", "\u8bad\u7ec3", "%s{}"],
)
def test_a_run_folder_of_any_name_has_its_picture(tmp_path, name):
    pytest.importorskip("matplotlib")
    folder = make_folder(tmp_path / name)
    with warnings.catch_warnings(action="error"):
        assert Curves(folder).draw() == ""
    assert folder.curves.read_bytes()[:4] == b"\x89PNG"
    assert not folder.new_curves.exists()


def test_a_picture_that_fails_is_a_remark_and_leaves_the_old_one(folder, monkeypatch):
    pytest.importorskip("matplotlib")
    folder.curves.write_text("old")

    def fails(*arguments):
        raise RuntimeError("no font")

    monkeypatch.setattr(os, "replace", fails)
    assert Curves(folder).draw() == "the curves could not be drawn (no font)"
    assert folder.curves.read_text() == "old" and not folder.new_curves.exists()


def test_a_picture_is_drawn_again_when_twenty_times_its_duration_has_passed(folder, monkeypatch):
    def draw(folder):
        now[0] += 2.0
        drawn.append(now[0])

    now, drawn = [100.0], []
    monkeypatch.setattr(curves, "_draw", draw)
    monkeypatch.setattr(curves.time, "monotonic", lambda: now[0])
    picture = Curves(folder)
    picture.draw_if_due()
    for _ in range(50):
        now[0] += 1.0
        picture.draw_if_due()
    assert drawn == [102.0, 144.0]
