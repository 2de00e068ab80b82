"""Small image files, and folders of them."""

import pytest
from PIL import Image

from alexnet.data.folder import ImageFolder
from alexnet.errors import DataError


def save(path, colour=(10, 20, 30), size=(12, 10), mode="RGB", **options):
    """An image file of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path, **options)


def fill(folder, classes=("cat", "dog"), count=3):
    """folder/<class>/<class><number>.png."""
    for name in classes:
        for number in range(count):
            save(folder / name / f"{name}{number}.png", (number, 100, 200))


def refused(folder, split="train"):
    """The message of the DataError that a folder of images raises."""
    with pytest.raises(DataError) as raised:
        dataset = ImageFolder(folder, split)
        raise AssertionError(f"{dataset.description} {dataset.classes}")
    return str(raised.value)
