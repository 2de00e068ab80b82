"""The command that writes the page: its folder, its errors. A browser opens it in inside/."""

import json

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
    assert capsys.readouterr().out.startswith(f"{out / 'index.html'}: photos 2, networks 1, ")


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
    assert "photos 1," in printed.out and str(bad) in printed.err


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


def index_of(page):
    text = (page / "data" / "index.js").read_text()
    return json.loads(text[len('explore.receive("index", ') : -len(");\n")])


@pytest.mark.parametrize("given", ["", "step-000010.npz"])
def test_kept_checkpoints_stand_in_the_order_of_their_steps(given, tmp_path, capsys):
    """The run's folder, or one of the former checkpoints: the page opens with it."""
    run = tmp_path / "run"
    run.mkdir()
    for name in ("best", "step-000020", "step-000005", "step-000010"):
        save(run / f"{name}.npz", width=0.03)
    save(tmp_path / "other.npz", width=0.03)
    photo = make_photo(tmp_path / "0.png", 0)
    words = [str(run / given), photo, "--kept", "--beside", str(tmp_path / "other.npz")]
    assert main([*words, "--out", str(tmp_path / "page"), *NUMPY]) == 0
    index = index_of(tmp_path / "page")
    names = [each["path"].rpartition("/")[2] for each in index["checkpoints"]]
    former = ["step-000005.npz", "step-000010.npz", "step-000020.npz"]
    assert names == [*former, *([] if given else ["best.npz"]), "other.npz"]
    assert names[index["opened"]] == given or names[index["opened"]] == "best.npz" and not given


def test_a_run_without_kept_checkpoints_says_how_to_keep_some(file, tmp_path, capsys):
    photo = make_photo(tmp_path / "0.png", 0)
    assert main([file, photo, "--kept", "--out", str(tmp_path / "page"), *NUMPY]) == 2
    assert "has no former checkpoint" in (said := capsys.readouterr().err)
    assert "alexnet.train --keep 10" in said and not (tmp_path / "page").exists()


def test_a_change_is_the_largest_difference_from_the_network_above(file, tmp_path):
    saved = checkpoint.load(file)
    saved.model = {name: 2 * array for name, array in saved.model.items()}
    saved.save(tmp_path / "doubled.npz")
    photos = [make_photo(tmp_path / f"{seed}.png", seed) for seed in (0, 1)]
    words = [file, *photos, "--beside", str(tmp_path / "doubled.npz"), "--out"]
    assert main([*words, str(tmp_path / "page"), *NUMPY]) == 0
    answers = {(a["checkpoint"], a["photo"]): a for a in index_of(tmp_path / "page")["answers"]}
    for photo in (0, 1):
        first, second = answers[0, photo], answers[1, photo]
        assert first["layers"][0]["change"] is None and second["image"]["change"] == 0
        low, high = first["layers"][0]["low"], first["layers"][0]["high"]  # conv1 is doubled too
        assert second["layers"][0]["change"] == pytest.approx(max(-low, high))
        image = tmp_path / "page" / "data" / f"c1/p{photo}/image.js"  # the input is there once
        assert f'{{"same": "c0/p{photo}/image"}}' in image.read_text()


def test_a_page_of_a_dead_network_is_a_page(tmp_path, capsys):
    """All outputs 0: no scale, no histogram to speak of."""
    saved = save(tmp_path / "net.npz", width=0.03)
    saved.model = {name: np.zeros_like(array) for name, array in saved.model.items()}
    saved.save(tmp_path / "net.npz")
    photo = make_photo(tmp_path / "0.png", 0)
    assert main([str(tmp_path / "net.npz"), photo, "--out", str(tmp_path / "page"), *NUMPY]) == 0
