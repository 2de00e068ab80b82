"""Paths on the command line."""

import pytest

from alexnet import evaluate, predict
from alexnet.cli import flags
from alexnet.cli.train_flags import train_parser
from alexnet.train import main
from tests.alexnet.small_training import SHORT, last_line, lines, make_images

pytestmark = pytest.mark.usefixtures("backend_as_before", "quick_picture")


@pytest.fixture
def home(tmp_path, monkeypatch):
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))  # Windows
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return folder


def test_a_tilde_that_the_shell_left_is_the_home_folder(home, tmp_path, capsys):
    """A shell leaves it in --out=~/run and in cifar10:~/folder."""
    make_images(home / "images", train=6, val=1)
    assert main(["~/images", *SHORT, "--epochs", "1", "--out=~/run"]) == 0
    assert lines(home / "run")
    assert main(["--resume=~/run", "--epochs", "2"]) == 0
    assert evaluate.main(["~/run", "~/images"]) == 0
    assert predict.main(["~/run", "~/images/val/red", "--topk", "1"]) == 0
    assert not list((tmp_path / "here").iterdir())


def test_a_tilde_in_other_places_is_a_letter_of_a_name(home):
    parser = train_parser()
    assert parser.parse_args(["cifar10:~/c"]).data == f"cifar10:{home}/c"
    assert parser.parse_args(["./~/c", "--out", "a~"]).data == "./~/c"
    assert parser.parse_args(["photos:~/c", "--out", "a~"]).data == "photos:~/c"
    assert parser.parse_args(["synthetic"]).data == "synthetic"
    assert flags.new_file("~/figures.json") == f"{home}/figures.json"


def test_an_archive_is_no_folder(home, capsys):
    (home / "photos.zip").write_bytes(b"")
    assert main(["~/photos.zip", *SHORT]) == 3
    assert "is a file, not a folder (unpack an archive first)" in last_line(capsys)
