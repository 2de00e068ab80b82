"""A folder of image files, one folder a class, as a dataset.

layout.py says which folders hold the classes of a split, and images.py how an image file is read.
Classes are sorted as strings. Hidden files are ignored. Files without the ending of an image format
are left out and counted in the description. split_files.py says which images are validation without
a validation folder.
"""

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from alexnet.data import check_split
from alexnet.data.directory import IMAGE_ENDINGS, Directory, describe_left_out
from alexnet.data.images import read_image
from alexnet.data.layout import find_layout
from alexnet.data.names import printable
from alexnet.data.split_files import class_files, image_name
from alexnet.errors import DataError

# Other modules take these from here.
__all__ = ["IMAGE_ENDINGS", "ImageFolder", "images_in", "read_image"]


class ImageFolder:
    """One split of a folder of images, a dataset as alexnet.data describes.

    folder           a folder that layout.py describes
    split            "train", "val" or "test"
    skip_bad_images  up to this many broken files of the split are left out and listed in `skipped`;
                     every file is then decoded once at the start, so that the same files are left
                     out each time. With 0, reading a broken file raises DataError.
    Raises DataError for a folder of another layout, a class without images, a folder that cannot be
    listed, and more broken files than skip_bad_images. A file that the system cannot read, or full
    memory, is another error (images.py).

    paths     of the image files
    skipped   {path: reason} of the broken files that are left out
    """

    native_size = None  # each image has its own

    def __init__(self, folder: str | Path, split: str, skip_bad_images: int = 0):
        check_split(split)
        if skip_bad_images < 0:
            raise ValueError(f"skip_bad_images must not be negative, got {skip_bad_images}")
        layout = find_layout(str(Path(folder)), split)
        self.classes = list(layout.classes)
        self._class_folders, files, left_out = [], [], Counter()
        for label, class_folder, paths, others in class_files(layout):
            self._class_folders.append(class_folder)
            left_out += others
            files += [(path, label) for path in paths]
        self.skipped = _broken_files([path for path, _ in files], skip_bad_images)
        files = [entry for entry in files if entry[0] not in self.skipped]
        if not files:
            why = "all are broken" if self.skipped else "each class needs two images or more"
            raise DataError(f"{printable(folder)} has no images for {split}: {why}")
        self.paths = [path for path, _ in files]
        self.labels = np.array([label for _, label in files], np.int64)
        self.description = _describe(self, folder, split, layout.remarks, left_out)

    @property
    def names(self) -> list[str]:
        """A name of each image, wherever the folder lies: its class and its path in it."""
        return [
            image_name(self.classes[label], self._class_folders[label], path)
            for path, label in zip(self.paths, self.labels.tolist(), strict=True)
        ]

    def __len__(self):
        return len(self.paths)

    def read(self, index: int, size: int) -> np.ndarray:
        """uint8 (size, size, 3): the image of this index. Raises DataError with a broken file's
        path."""
        try:
            return read_image(self.paths[index], size)
        except DataError as error:
            raise DataError(
                f"{error}; --skip-bad-images N leaves out up to N such files"
            ) from error


def images_in(folder: str | Path) -> list[str]:
    """The image files in a folder, at any depth, sorted. Raises DataError if it holds none."""
    contents = Directory(folder).contents
    if not contents.images:
        left_out = describe_left_out(contents.left_out)
        raise DataError(
            f"{printable(folder)} holds no images" + (f" ({left_out})" if left_out else "")
        )
    return contents.images


def _broken_files(paths, tolerated):
    """{path: reason} of the files that cannot be decoded. Raises DataError for more than
    `tolerated`. With 0 no file is decoded; a broken one is then an error when it is read."""
    if not tolerated:
        return {}

    def trial(path):
        try:
            read_image(path, 1)
        except DataError as error:
            return str(error)

    with ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as threads:
        reasons = list(threads.map(trial, paths))
    broken = {path: why for path, why in zip(paths, reasons, strict=True) if why}
    if len(broken) > tolerated:
        shown = "\n  ".join(list(broken.values())[:10])
        raise DataError(
            f"{len(broken)} broken images, {tolerated} tolerated:\n  {shown}\n"
            f"mend or remove them; --skip-bad-images {len(broken)} leaves them out"
        )
    return broken


def _describe(dataset, folder, split, remarks, left_out):
    classes, images = len(dataset.classes), len(dataset)
    parts = [f"{printable(folder)}: {classes} classes, {images:,} images ({split})", *remarks]
    if left_out:
        parts.append(describe_left_out(left_out))
    if dataset.skipped:
        skipped = ", ".join(map(printable, dataset.skipped))
        parts.append(f"{len(dataset.skipped)} broken left out: {skipped}")
    return "; ".join(parts)
