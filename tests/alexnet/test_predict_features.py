"""predict --features: a layer's activations of image files, as a file for other programs."""

import os

import numpy as np
import pytest

from alexnet import predict
from alexnet.evaluation import activations
from tests.alexnet.looked_into import NUMPY, by_hand, make_photo, save

pytestmark = pytest.mark.usefixtures("numpy_backend")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(checkpoint, the folder of it and of photos); tests only read them."""
    folder = tmp_path_factory.mktemp("features")
    saved = save(folder / "best.npz")
    for seed, name in enumerate(("owl/1.png", "ant/1.png", "ant/2.png", "bee/images/1.png")):
        make_photo(folder / "photos" / name, seed)
    return saved, folder


def run(made, out, *arguments, code=0):
    command = [str(made[1]), *map(str, arguments), "--out", str(out), *NUMPY]
    assert predict.main(command) == code


@pytest.mark.parametrize("layer", ["conv5", "pool5", "relu7", "fc8"])
def test_features_are_the_walk_through_the_model(made, tmp_path, capsys, layer, monkeypatch):
    monkeypatch.setattr(predict, "BATCH", 3)
    run(made, tmp_path / "f.npz", made[1] / "photos", "--features", layer)
    with np.load(tmp_path / "f.npz") as data:
        features, paths = data["features"], data["paths"].tolist()
    expected = by_hand(made[0], paths, layer)
    assert features.dtype == np.float32 and features.shape == expected.shape
    assert features == pytest.approx(expected, rel=1e-5, abs=1e-6)
    captured = capsys.readouterr()
    assert f"of {layer}, {expected.nbytes:,} bytes; labels of 3 folders" in captured.out
    assert f"features ({', '.join(map(str, expected.shape))}) float32" in captured.out


def test_labels_are_the_folders_whatever_the_network_s_classes_are(made, tmp_path):
    run(made, tmp_path / "f.npz", made[1] / "photos", "--features", "relu7")
    with np.load(tmp_path / "f.npz") as data:
        assert sorted(data) == ["classes", "features", "labels", "paths"]
        assert data["labels"].dtype == np.int64
        names = data["classes"][data["labels"]].tolist()
        paths = [os.path.relpath(path, made[1] / "photos") for path in data["paths"].tolist()]
        assert data["classes"].tolist() == ["ant", "bee", "owl"]
    assert dict(zip(paths, names, strict=True)) == {
        "ant/1.png": "ant", "ant/2.png": "ant", "bee/images/1.png": "bee", "owl/1.png": "owl"
    }  # fmt: skip


def test_an_image_that_cannot_be_read_is_named_and_left_out(made, tmp_path, capsys):
    (tmp_path / "bad.jpg").write_bytes(b"no image")
    good = made[1] / "photos/ant/1.png"
    arguments = [tmp_path / "bad.jpg", good, tmp_path / "none.png", "--features", "relu7"]
    run(made, tmp_path / "f.npz", *arguments, code=3)
    err = capsys.readouterr().err
    assert "bad.jpg cannot be read" in err and "2 paths were not answered" in err
    with np.load(tmp_path / "f.npz") as data:
        assert data["paths"].tolist() == [str(good)] and len(data["features"]) == 1


def test_without_a_readable_image_no_file_is_written(made, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    run(made, tmp_path / "f.npz", tmp_path / "empty", "--features", "relu7", code=3)
    assert "holds no images" in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["empty"]


def test_an_unknown_layer_lists_the_layers(made, tmp_path, capsys):
    run(made, tmp_path / "f.npz", made[1] / "photos", "--features", "fc9\x1b", code=2)
    err = capsys.readouterr().err
    assert "--features fc9\\x1b: the layers of this network are conv1, relu1, norm1" in err


def test_a_network_without_fc7_and_with_one_class_has_features_too(tmp_path, capsys):
    saved = save(tmp_path / "best.npz", ["ant"], "cifar10", 32, 0.2)
    photo = make_photo(tmp_path / "one.png", 1)
    run((saved, tmp_path), tmp_path / "f.npz", photo, "--features", "flatten")
    expected = by_hand(saved, [photo], "flatten")
    assert np.load(tmp_path / "f.npz")["features"] == pytest.approx(expected, rel=1e-5)
    run((saved, tmp_path), tmp_path / "f.npz", photo, "--features", "fc7", code=2)
    assert "are conv1, pool1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--features", "fc7"], "--features LAYER and --out FILE.npz go together"),
        (["--out", "f.npz"], "--features LAYER and --out FILE.npz go together"),
        (["--features", "fc7", "--out", "f.npz", "--json"], "--json does not go with it"),
        (
            ["--features", "fc7", "--out", "f.npz", "--csv", "--neighbours", "x"],
            "--csv, --neighbours does not go with it",
        ),
    ],
)
def test_flags_that_do_not_fit_together_are_refused(made, capsys, flags, reason):
    assert predict.main([str(made[1]), "photo.png", *flags, *NUMPY]) == 2
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize("name", ["f.npy", "no/f.npz", "folder.npz"])
def test_a_file_that_cannot_be_written_is_refused(made, tmp_path, capsys, name):
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(SystemExit) as end:
        run(made, tmp_path / name, "photo.png", "--features", "fc7")
    assert end.value.code == 2 and name in capsys.readouterr().err


def test_the_checkpoint_and_images_are_never_overwritten(tmp_path, capsys):
    saved = save(tmp_path / "best.npz")
    photo = make_photo(tmp_path / "one.png", 1)
    os.rename(photo, tmp_path / "one.npz")
    before = {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)}
    for name in before:
        image = tmp_path / "one.npz"
        run((saved, tmp_path), tmp_path / name, image, "--features", "fc7", code=2)
        assert f"{name} would overwrite" in capsys.readouterr().err
    assert before == {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)}


def test_ctrl_c_leaves_the_old_file_and_no_other(made, tmp_path, monkeypatch):
    def interrupted(file, arrays):
        file.write(b"half")
        raise KeyboardInterrupt

    (tmp_path / "f.npz").write_text("old")
    monkeypatch.setattr("tinynet.serialization._write_npz", interrupted)
    photo = made[1] / "photos/ant/1.png"
    run(made, tmp_path / "f.npz", photo, "--features", "fc7", code=130)
    assert (tmp_path / "f.npz").read_text() == "old" and os.listdir(tmp_path) == ["f.npz"]


def test_features_larger_than_half_of_the_memory_are_refused(made, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(activations, "_memory", lambda: 4000)
    run(made, tmp_path / "f.npz", made[1] / "photos", "--features", "conv1", code=2)
    assert "of 4 images take" in capsys.readouterr().err and not os.listdir(tmp_path)
