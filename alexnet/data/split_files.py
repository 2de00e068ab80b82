"""The image files of a split, class by class.

One class is listed at a time, so that a million files take no more memory than the largest class.
Without a validation folder, the tenth of each class whose file names have the smallest SHA-256 is
validation: the same tenth on every machine, in any order of the files.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from alexnet.data.class_folder import class_images
from alexnet.data.directory import Directory
from alexnet.data.layout import Layout


class ClassFiles(NamedTuple):
    """The files of a class.

    label     place in the layout's classes
    folder    that holds them; the path that follows it, behind the class, is an image's name
    paths     of the files, sorted
    left_out  {what: number} of the other entries of the folder
    """

    label: int
    folder: str
    paths: list[str]
    left_out: Counter


def class_files(layout: Layout) -> Iterator[ClassFiles]:
    """The files of each class in turn. Raises DataError for a folder that is no class folder."""
    if layout.labelled is not None:
        left_out = layout.labelled_folder.left_out
        for label, name in enumerate(layout.classes):
            paths = layout.labelled.get(name, [])
            yield ClassFiles(label, layout.labelled_folder.path, paths, left_out)
            left_out = Counter()
        return
    for label, directory in enumerate(layout.classes.values()):
        contents = class_images(Directory(directory.path))  # a new one: it keeps what it lists
        paths = contents.images
        if layout.part is not None:
            paths = _split_by_hash(paths)[layout.part]
        yield ClassFiles(label, directory.path, paths, contents.left_out)


def image_name(class_name: str, folder: str, path: str) -> str:
    """A name of an image, wherever the folder of the data lies: its class and its path in it."""
    return class_name + path[len(folder) :].replace(os.sep, "/")


def _split_by_hash(paths):
    """{"train": nine tenths of the paths, "val": one tenth, at least one path of two or more}."""

    def key(path):
        name = os.path.basename(path)
        return hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest(), path

    count = max(round(len(paths) / 10), 1) if len(paths) > 1 else 0
    chosen = set(sorted(paths, key=key)[:count])
    return {"train": [path for path in paths if path not in chosen], "val": sorted(chosen)}
