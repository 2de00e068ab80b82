"""The command that writes the page: its folder, its errors. A browser opens it in inside/."""

import numpy as np
import pytest

from alexnet.explore import PROGRAM, main
from alexnet.weights import checkpoint
from tests.alexnet.looked_into import NUMPY, make_photo, save

pytestmark = pytest.mark.usefixtures("numpy_backend", "backend_as_before")


def test_the_folder_has_the_program_and_a_file_for_each_layer(file, tmp_path, capsys):
    photos = [make_photo(tmp_path / f"{seed}.png", seed) for seed in (0, 1)]
    out = tmp_path / "page"
    assert main([file, *photos, "--out", str(out), *NUMPY]) == 0
    assert {path.name for path in out.iterdir()} == {*PROGRAM, "data"}
    layers = [layer.name for layer in checkpoint.load(file).layers()]
    for folder in ("c0/p0", "c0/p1"):
        names = {path.stem for path in (out / "data" / folder).iterdir()}
        assert names == {"image", *layers, "fc6-terms", "fc7-terms", "fc8-terms"}
    assert capsys.readouterr().out.startswith(f"{out / 'index.html'}: 2 photos, 1 networks, ")


def test_an_existing_folder_is_left_alone(file, tmp_path, capsys):
    photo = make_photo(tmp_path / "photos" / "0.png", 0)
    before = (tmp_path / "photos" / "0.png").read_bytes()
    assert main([file, photo, "--out", str(tmp_path / "photos"), *NUMPY]) == 2
    assert "is not an empty folder" in capsys.readouterr().err
    assert (tmp_path / "photos" / "0.png").read_bytes() == before


def test_an_empty_folder_is_filled(file, tmp_path, capsys):
    photo = make_photo(tmp_path / "0.png", 0)
    (tmp_path / "page").mkdir()
    assert main([file, photo, "--out", str(tmp_path / "page"), *NUMPY]) == 0
    assert (tmp_path / "page" / "index.html").exists()


def test_a_bad_image_is_named_and_the_others_are_shown(file, tmp_path, capsys):
    good, bad = make_photo(tmp_path / "0.png", 0), tmp_path / "1.png"
    bad.write_bytes(b"no image")
    assert main([file, good, str(bad), "--out", str(tmp_path / "page"), *NUMPY]) == 3
    printed = capsys.readouterr()
    assert "1 photos" in printed.out and str(bad) in printed.err


def test_without_a_readable_image_no_folder_is_made(file, tmp_path, capsys):
    bad = tmp_path / "1.png"
    bad.write_bytes(b"no image")
    assert main([file, str(bad), "--out", str(tmp_path / "page"), *NUMPY]) == 3
    assert not (tmp_path / "page").exists() and str(bad) in capsys.readouterr().err


def test_networks_beside_each_other_must_be_alike(file, tmp_path, capsys):
    save(tmp_path / "other.npz", classes=["a", "b"], width=0.03)
    photo = make_photo(tmp_path / "0.png", 0)
    words = [file, photo, "--beside", str(tmp_path / "other.npz")]
    assert main([*words, "--out", str(tmp_path / "page"), *NUMPY]) == 2
    assert "has other layers or classes than" in capsys.readouterr().err


def test_a_page_of_a_dead_network_is_a_page(tmp_path, capsys):
    """All outputs 0: no scale, no histogram to speak of."""
    saved = save(tmp_path / "net.npz", width=0.03)
    saved.model = {name: np.zeros_like(array) for name, array in saved.model.items()}
    saved.save(tmp_path / "net.npz")
    photo = make_photo(tmp_path / "0.png", 0)
    assert main([str(tmp_path / "net.npz"), photo, "--out", str(tmp_path / "page"), *NUMPY]) == 0
