"""--lr-find: the command makes no run, shows the curve, and suggests a command that works."""

import os
import tempfile

import pytest

from alexnet.train import main
from tests.alexnet.small_training import last_line

pytestmark = pytest.mark.usefixtures("backend_as_before", "quick_picture")
FIND = (
    "--spec cifar10 --image-size 16 --width 0.25 --init glorot --activation tanh --norm none "
    "--batch-size 8 --backend numpy --threads 1 --workers 1 --lr-find --max-steps 40"
).split()


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The current folder: empty, with a folder of temporary files beside it."""
    for name in ("here", "temporary"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path / "here"


def test_the_command_leaves_a_picture_and_no_run(images, here, capsys):
    pytest.importorskip("matplotlib")
    assert main([images, *FIND]) == 0
    assert os.listdir(here) == ["lr-find.png"]
    assert os.listdir(here.parent / "temporary") == []
    assert (here / "lr-find.png").read_bytes()[:4] == b"\x89PNG"
    text = capsys.readouterr().out
    assert "sweep     40 steps of 8 images, lr from 1e-06 to 10" in text
    assert "epochs of" not in text and "\nrun " not in text
    rows = [line.split() for line in text.splitlines() if line.startswith(" 1.0e-06")]
    assert len(rows) == 1 and 0.9 < float(rows[0][1]) < 1.3
    # The printed command trains with the suggested rate.
    rate = text.partition("suggested rate: ")[2].partition(",")[0]
    command = text.splitlines()[-1].split()
    if "by heart" in text:
        command = next(line for line in text.splitlines() if "python -m" in line).split()
    assert command[:3] == ["python", "-m", "alexnet.train"] and "--max-steps" not in command
    assert float(command[command.index("--lr") + 1]) == float(rate)
    assert main([*command[3:], "--max-steps", "1", "--out", str(here / "run")]) == 0


def test_the_picture_has_the_name_that_out_says(images, here, capsys):
    pytest.importorskip("matplotlib")
    assert main([images, *FIND, "--max-steps", "30", "--out", "rates.png"]) == 0
    assert os.listdir(here) == ["rates.png"]
    assert "the curve is in rates.png" in capsys.readouterr().out


def test_without_matplotlib_the_curve_is_printed_all_the_same(images, here, capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.style", None)
    assert main([images, *FIND, "--max-steps", "30"]) == 0
    text = capsys.readouterr().out
    assert "pip install matplotlib" in text and "1.0e-06" in text
    assert main([images, *FIND, "--max-steps", "30", "--out", "rates.png"]) == 2
    assert os.listdir(here) == []


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--out", "runs"], "'runs' does not end in .png"),
        (["--out", "nowhere/a.png"], "there is no folder nowhere"),
        (["--watch"], "--lr-find makes none"),
        (["--max-steps", "29"], "30 steps or more fit"),
        (["--resume", "run"], "--pretrained run in place of --resume"),
    ],
)
def test_flags_that_do_not_fit_a_sweep_are_usage_errors(images, here, capsys, flags, words):
    assert main([images, *FIND, *flags]) == 2
    assert words in last_line(capsys)
    assert os.listdir(here) == []


def test_the_picture_never_replaces_an_image_of_the_data(images, here, capsys):
    pytest.importorskip("matplotlib")
    photo = os.path.join(images, "train", "red", "00.png")
    before = open(photo, "rb").read()
    assert main([images, *FIND, "--out", photo]) == 2
    assert "would overwrite" in last_line(capsys)
    assert open(photo, "rb").read() == before


def test_a_loss_that_does_not_fall_suggests_no_rate(images, here, capsys):
    fades = "--image-size 67 --width 0.03 --init published --batch-size 8 --backend numpy".split()
    assert main([images, *fades, "--lr-find", "--max-steps", "30"]) == 0
    assert "no rate to suggest: the loss began at 1.1" in capsys.readouterr().out


def test_recorded_steps_show_the_curve_of_plain_steps(images, here, capsys, on_gpu, monkeypatch):
    monkeypatch.setattr("alexnet.training.rate_finder.LEAST_STEPS", 3)
    flags = [*FIND, "--backend", "cupy", "--max-steps", "3"]
    curves = []
    for recorded in ("--cuda-graph", "--no-cuda-graph"):
        assert main([images, *flags, recorded]) == 0
        text = capsys.readouterr().out
        curves.append(text[text.index("    rate") : text.index("  python -m")])
    assert curves[0].count("\n") > 3 and curves[0] == curves[1]
