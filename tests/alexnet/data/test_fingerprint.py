"""The fingerprint of a dataset: equal for the same list of images, else different."""

import hashlib
import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from alexnet.data import fingerprint, list_fingerprint
from alexnet.data.folder import ImageFolder
from alexnet.data.synthetic import Synthetic
from tests.alexnet.data.noise import Noise


def fill(folder):
    for split in ("train", "val"):
        for name in ("cat", "dog"):
            (folder / split / name).mkdir(parents=True)
            for number in range(4):
                Image.new("RGB", (8, 8)).save(folder / split / name / f"{name}{number}.png")


def train(folder):
    return fingerprint(ImageFolder(folder, "train"))


def test_the_fingerprint_is_known():
    """The SHA-256 of '[["a", "b", "c"], null]' and of 0, 1, 2, 0 as 8 bytes each."""
    known = "9b8b406f9a67d3a4d0ce7150112160be0a5fd8e2324280e7a9fd9666a1caf1b9"
    assert fingerprint(Noise(4)) == known


@pytest.mark.parametrize("names", [[], ["a/1.png"], ["a/1.png", 'b/"\u00e9".png', "c/3.png"]])
def test_names_are_hashed_as_the_json_of_their_list(names):
    """Checkpoints hold fingerprints: they may not change."""
    labels = np.arange(len(names))
    expected = hashlib.sha256(json.dumps([["a", "b"], names]).encode() + labels.tobytes())
    assert list_fingerprint(["a", "b"], iter(names), labels) == expected.hexdigest()


def test_it_is_the_same_wherever_the_folder_lies(tmp_path):
    fill(tmp_path / "here")
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    assert train(tmp_path / "here") == train(tmp_path / "there")
    assert len(train(tmp_path / "here")) == 64


def test_an_image_that_moved_to_another_class_came_or_went_changes_it(tmp_path):
    fill(tmp_path)
    seen, source = {train(tmp_path)}, tmp_path / "train"
    os.rename(source / "cat" / "cat3.png", source / "dog" / "cat3.png")
    seen.add(train(tmp_path))
    os.rename(source / "dog" / "dog0.png", source / "cat" / "dog0.png")  # the labels are equal
    seen.add(train(tmp_path))
    os.remove(source / "dog" / "dog1.png")
    seen.add(train(tmp_path))
    os.rename(source / "dog" / "dog2.png", source / "dog" / "dog9.png")
    seen.add(train(tmp_path))
    for split in ("train", "val"):
        os.rename(tmp_path / split / "cat", tmp_path / split / "Cat")
    seen.add(train(tmp_path))
    assert len(seen) == 6


def test_a_dataset_without_names_has_one_of_its_labels_and_classes():
    assert fingerprint(Synthetic("train", 20)) == fingerprint(Synthetic("train", 20, seed=1))
    assert fingerprint(Synthetic("train", 20)) != fingerprint(Synthetic("train", 30))
    moved = Noise()
    moved.labels = moved.labels[::-1].copy()
    assert fingerprint(moved) != fingerprint(Noise())


def test_the_type_of_the_labels_does_not_change_it():
    for other in ("int32", "uint8", ">i8"):
        dataset = Noise()
        dataset.labels = dataset.labels.astype(other)
        assert fingerprint(dataset) == fingerprint(Noise())
    dataset.labels = np.arange(23) % 3
    assert fingerprint(dataset) == fingerprint(Noise())


def test_names_that_are_not_utf8_have_a_fingerprint():
    dataset = Noise(2)
    dataset.names = [os.fsdecode(b"caf\xe9.png"), "x.png"]
    other = Noise(2)
    other.names = [os.fsdecode(b"caf\xe8.png"), "x.png"]
    assert fingerprint(dataset) != fingerprint(other)
