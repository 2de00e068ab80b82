"""Image folders: layouts, classes, splits, odd and broken files."""

import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alexnet.data import open_dataset
from alexnet.data.folder import ImageFolder
from alexnet.errors import DataError
from tests.alexnet.data.photos import fill, save

DATA = os.environ.get("ALEXNET_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="ALEXNET_DATA is not set")


# Layouts and classes


def test_classes_are_the_folders_sorted_as_strings(tmp_path):
    for split in ("train", "val"):
        fill(tmp_path / split, ("b", "a10", "a9", "B"))
    dataset = open_dataset(str(tmp_path), "train")
    assert dataset.classes == ["B", "a10", "a9", "b"]
    assert dataset.labels.tolist() == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3
    assert dataset.labels.dtype == np.int64 and len(dataset) == 12


@pytest.mark.parametrize("name", ["val", "validation"])
def test_validation_may_have_either_name(tmp_path, name):
    fill(tmp_path / "train")
    fill(tmp_path / name, count=2)
    assert len(ImageFolder(tmp_path, "train")) == 6
    assert len(ImageFolder(tmp_path, "val")) == 4


def test_both_validation_names_at_once_are_an_error(tmp_path):
    for name in ("train", "val", "validation"):
        fill(tmp_path / name)
    with pytest.raises(DataError, match="val/ and validation/; remove one"):
        ImageFolder(tmp_path, "val")


@pytest.mark.parametrize("split", ["train", "val"])
def test_classes_that_differ_between_train_and_val_are_named(tmp_path, split):
    fill(tmp_path / "train", ("cat", "dog", "emu"))
    fill(tmp_path / "val", ("cat", "dog", "fox"))
    with pytest.raises(DataError, match="val lacks emu; .*train lacks fox"):
        ImageFolder(tmp_path, split)


def test_a_missing_test_split_is_an_error(tmp_path):
    fill(tmp_path / "a" / "train")
    fill(tmp_path / "b")
    with pytest.raises(DataError, match="has train/ but no test/"):
        ImageFolder(tmp_path / "a", "test")
    with pytest.raises(DataError, match="no test/ folder"):
        ImageFolder(tmp_path / "b", "test")


def test_a_folder_of_classes_is_split_90_to_10_and_says_so(tmp_path):
    fill(tmp_path, count=20)
    train, val = ImageFolder(tmp_path, "train"), ImageFolder(tmp_path, "val")
    assert np.bincount(train.labels).tolist() == [18, 18]
    assert np.bincount(val.labels).tolist() == [2, 2]
    assert set(train.paths).isdisjoint(val.paths) and len({*train.paths, *val.paths}) == 40
    for dataset in (train, val):
        assert "split 90 / 10 by a hash of the file name" in dataset.description


def test_train_without_val_is_split_the_same_way(tmp_path):
    fill(tmp_path / "train", count=10)
    fill(tmp_path / "test", count=4)
    train, val = ImageFolder(tmp_path, "train"), ImageFolder(tmp_path, "val")
    assert (len(train), len(val), len(ImageFolder(tmp_path, "test"))) == (18, 2, 8)
    assert "no val/" in train.description and "no val/" in val.description


def test_the_split_depends_on_file_names_not_on_the_folder(tmp_path):
    fill(tmp_path / "here", count=30)
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    names = [
        [os.path.basename(path) for path in ImageFolder(tmp_path / where, "val").paths]
        for where in ("here", "there")
    ]
    expected = []
    for kind in ("cat", "dog"):
        digests = {hashlib.sha256(f"{kind}{n}.png".encode()).hexdigest(): n for n in range(30)}
        expected += sorted(f"{kind}{digests[digest]}.png" for digest in sorted(digests)[:3])
    assert names[0] == names[1] == expected


def test_hidden_and_other_files_are_left_out_and_deeper_images_found(tmp_path):
    fill(tmp_path / "train")
    fill(tmp_path / "val")
    save(tmp_path / "train" / "cat" / "more" / "x.png")
    for name in (".DS_Store", "._cat0.png", "boxes.txt"):
        (tmp_path / "train" / "cat" / name).write_text("no image")
    (tmp_path / "train" / ".cache").mkdir()
    dataset = ImageFolder(tmp_path, "train")
    assert len(dataset) == 7 and dataset.classes == ["cat", "dog"]
    assert "1 files left out that are no images" in dataset.description


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda f: None, r"no class folders \(0 images"),
        (lambda f: save(f / "a.png"), r"no class folders \(1 images"),
        (lambda f: save(f / "train" / "a.png"), "no class folders in train/"),
        (lambda f: fill(f, ["cat"]), "one class folder only, cat.*did you mean"),
        (lambda f: (fill(f), (f / "emu").mkdir()), "emu holds no images"),
        (lambda f: fill(f / "val"), "has val/ but no train/"),
    ],
)
def test_a_folder_that_cannot_be_used_says_why(tmp_path, make, message):
    make(tmp_path)
    with pytest.raises(DataError, match=message):
        ImageFolder(tmp_path, "train")


def test_an_unknown_argument_lists_what_works(tmp_path):
    for argument in ("imagenet", str(tmp_path / "nowhere"), "", "cifar10"):
        with pytest.raises(DataError, match="synthetic.*cifar10:FOLDER.*FOLDER"):
            open_dataset(argument, "train")
    with pytest.raises(ValueError, match="train, val, test"):
        open_dataset("synthetic", "training")


# Broken files


def break_file(path):
    path.write_bytes(path.read_bytes()[:-30])


def noisy(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)).save(path)


def test_a_broken_file_stops_with_its_path(tmp_path):
    fill(tmp_path / "train")
    fill(tmp_path / "val")
    noisy(tmp_path / "train" / "cat" / "cat1.png")
    break_file(tmp_path / "train" / "cat" / "cat1.png")
    dataset = ImageFolder(tmp_path, "train")
    assert len(dataset) == 6
    with pytest.raises(DataError, match=r"cat1.png cannot be read.*--skip-bad-images"):
        dataset.read(1, 8)


def test_skip_bad_images_leaves_out_up_to_that_many_and_reports_them(tmp_path):
    fill(tmp_path / "train", count=4)
    fill(tmp_path / "val")
    for name in ("cat/cat1.png", "dog/dog3.png"):
        (tmp_path / "train" / name).write_bytes(b"no image")
    dataset = open_dataset(str(tmp_path), "train", skip_bad_images=2)
    assert dataset.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert [os.path.basename(path) for path in dataset.skipped] == ["cat1.png", "dog3.png"]
    assert "2 broken left out" in dataset.description and "cat1.png" in dataset.description
    for index in range(6):
        dataset.read(index, 8)
    with pytest.raises(DataError, match=r"(?s)2 broken images, 1 tol.*cat1.*dog3.*-images 2"):
        ImageFolder(tmp_path, "train", skip_bad_images=1)


@pytest.mark.parametrize(
    "error",
    [PermissionError(13, "Permission denied", "x.png"), OSError(24, "Too many"), MemoryError()],
)
def test_skip_bad_images_does_not_skip_errors_of_the_system(tmp_path, monkeypatch, error):
    fill(tmp_path / "train", count=4)
    fill(tmp_path / "val")
    read_bytes = Path.read_bytes

    def refuse(path):
        if path.name == "cat1.png":
            raise error
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(type(error)):
        ImageFolder(tmp_path, "train", skip_bad_images=8)
    with pytest.raises(type(error)):
        ImageFolder(tmp_path, "train").read(1, 8)


def test_a_split_of_broken_images_only_is_an_error(tmp_path):
    fill(tmp_path / "train", count=1)
    for path in (tmp_path / "train").rglob("*.png"):
        path.write_bytes(b"no image")
    with pytest.raises(DataError, match="no images for train"):
        ImageFolder(tmp_path, "train", skip_bad_images=9)


# Real photos


@needs_data
def test_clothing10_has_its_three_splits():
    folder = os.path.join(DATA, "clothing10")
    sets = [open_dataset(folder, split) for split in ("train", "val", "test")]
    assert [len(dataset) for dataset in sets] == [1350, 341, 372]
    assert sets[0].classes == sets[1].classes == sets[2].classes
    assert sets[0].classes[0] == "dress" and sets[0].classes[-1] == "t-shirt"
    assert sets[2].read(371, 227).shape == (227, 227, 3)


@needs_data
def test_tiny_imagenet_reads_colour_and_grey():
    dataset = open_dataset(os.path.join(DATA, "tiny-imagenet-50"), "val")
    assert len(dataset) == 2500 and len(dataset.classes) == 50
    grey = 0
    for index in range(0, 2500, 5):
        image = dataset.read(index, 64)
        grey += (image == image[:, :, :1]).all()
    assert 0 < grey < 50
