"""A split whose images lie together in one folder, so that a file tells their classes.

    FOLDER/val/*            ImageNet: with val.txt or LOC_val_solution.csv in FOLDER or in val/
    FOLDER/val/images/*     Tiny ImageNet: with val/val_annotations.txt

labels_file.py reads the file. Only validation has one: test images come without labels.
"""

import os

from alexnet.data.directory import Directory
from alexnet.data.labels_file import LABELS_FILES, find_labels_file, read_labels
from alexnet.data.names import printable
from alexnet.errors import DataError


def flat_folder(split: Directory) -> Directory | None:
    """The folder that holds the images of this split's folder, if they lie together: the folder, or
    images/ in it. None if it holds folders of classes, or no images."""
    inside = split.folders
    if not inside:
        return split if split.images else None
    images = inside[0]
    alone = [folder.name for folder in inside] == ["images"] and not split.images
    return images if alone and images.images and not images.folders else None


def labels_file(split: Directory, top: Directory) -> str:
    """The path of the labels file of this split, in its folder or in the folder of the data. Raises
    DataError if there is none, or if there are two."""
    path = find_labels_file([split.path, top.path])
    if path is None:
        name = printable(split.name)
        raise DataError(
            f"{printable(split.path)} holds images but no class folders; make {name}/<class>/*, or "
            f"put the file that tells their classes into {name}/ or beside it "
            f"({', '.join(LABELS_FILES)}), or move it away"
        )
    return path


def labelled_images(flat: Directory, path: str, classes: list[str]) -> dict[str, list[str]]:
    """{class: its images, sorted}, for the classes that have some.

    flat  the folder of the images
    path  of the labels file
    """
    names = [os.path.basename(image) for image in flat.images]
    labelled: dict[str, list[str]] = {}
    for image, label in zip(flat.images, read_labels(path, names, classes), strict=True):
        labelled.setdefault(label, []).append(image)
    return labelled
