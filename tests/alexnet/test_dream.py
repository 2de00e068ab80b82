"""The command that draws what units answer to."""

import numpy as np
import pytest
from PIL import Image

from alexnet.dream import main
from tests.alexnet.looked_into import CLASSES, NUMPY, save

pytestmark = pytest.mark.usefixtures("numpy_backend", "backend_as_before")
QUICK = ["--steps", "3", *NUMPY]


def test_classes_are_drawn_by_name_in_the_order_asked(file, tmp_path, capsys):
    out = tmp_path / "d.png"
    assert main([file, "--units", "cat", "0", "gnu", "--out", str(out), *QUICK]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines[:3]] == ["cat", CLASSES[0], "gnu"]
    assert lines[3] == f"{out}: 3 units of fc8, row by row in this order"
    with Image.open(out) as sheet:
        assert sheet.size == (6 + 3 * (2 * 67 + 6), 18 + 6 + 2 * 67 + 6)


def test_maps_of_a_layer_are_drawn_by_number(file, tmp_path, capsys):
    words = [file, "--layer", "conv3", "--units", "1", "2", "--out", str(tmp_path / "d.png")]
    assert main([*words, *QUICK]) == 0
    assert capsys.readouterr().out.startswith("1: ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--layer", "conv9"], "the layers of this network are conv1, "),
        (["--units", "yeti"], "a class, or a number below 7 fits fc8"),
        (["--layer", "conv3", "--units", "cat"], "fits conv3"),
        (["--units", *["0"] * 65], "a sheet has 64 at most"),
    ],
)
def test_layers_and_units_that_do_not_exist_are_named(file, tmp_path, capsys, words, message):
    assert main([file, *words, "--out", str(tmp_path / "d.png"), *QUICK]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "d.png").exists()


def test_an_answer_that_is_not_finite_is_an_error_with_the_path(tmp_path, capsys):
    saved = save(tmp_path / "net.npz", width=0.03)
    for name in ("conv3.weight", "conv4.weight"):
        saved.model[name] *= np.float32(1e30)
    saved.save(tmp_path / "net.npz")
    assert main([str(tmp_path / "net.npz"), "--out", str(tmp_path / "d.png"), *QUICK]) == 3
    assert f"{tmp_path / 'net.npz'}: its answer at fc8 is" in capsys.readouterr().err
    assert not (tmp_path / "d.png").exists()
