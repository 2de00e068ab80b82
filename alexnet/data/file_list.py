"""The list of image files of a split, on the disk: a million files take no memory.

    [3, "train/n01443537", "/n01443537_0.JPEG", 8043, 1764460800123456789]     a line for each file

Label, folder of the class in the source, the rest of the path, bytes, time of the last change in
nanoseconds. So a file that changed after the list was made is noticed.
"""

import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from alexnet.data.directory import listing
from alexnet.data.layout import Layout
from alexnet.data.names import printable
from alexnet.data.split_files import class_files
from alexnet.errors import DataError


class Entry(NamedTuple):
    """label, folder, rest, bytes and time as above."""

    label: int
    folder: str
    rest: str
    bytes: int
    time: int

    @property
    def path(self) -> str:
        """Of the file, in the source."""
        return self.folder + self.rest


def write_list(path: Path, layout: Layout, source: str) -> dict:
    """Write the list of a split. Returns {"listed": the number of files, "left_out": {what: number
    of other files}}. Raises OSError if it cannot be written, and DataError."""
    count, left_out = 0, {}
    with open(path, "w", encoding="ascii") as file:
        for label, folder, paths, others in class_files(layout):
            for what, number in others.items():
                left_out[what] = left_out.get(what, 0) + number
            inside = os.path.relpath(folder, source)
            for image in paths:
                with listing(image):
                    status = os.stat(image)
                entry = (label, inside, image[len(folder) :], status.st_size, status.st_mtime_ns)
                file.write(json.dumps(entry) + "\n")
                count += 1
    return {"listed": count, "left_out": left_out}


def entries(path: Path, start: int = 0, step: int = 1) -> Iterator[Entry]:
    """The entries of a list, from number `start` on, every step-th."""
    with open(path, encoding="ascii") as file:
        for line in itertools.islice(file, start, None, step):
            yield Entry(*json.loads(line))


def first_difference(old: Path, new: Path) -> tuple[int, Entry] | None:
    """(the number of the first entry that differs between two lists, that entry), or None."""
    pairs = itertools.zip_longest(entries(old), entries(new))
    for number, (before, now) in enumerate(pairs):
        if before != now:
            return number, before or now
    return None


def need_unchanged(source: str, entry: Entry) -> None:
    """Raise DataError if a file is no longer as it was listed."""
    path = os.path.join(source, entry.path)
    try:
        status = os.stat(path)
        now = (status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise DataError(f"{printable(path)} was listed and is gone: {error.strerror}") from error
    if now != (entry.bytes, entry.time):
        raise DataError(
            f"{printable(path)} has changed since it was listed ({entry.bytes:,} bytes then, "
            f"{now[0]:,} now); the same command again lists the files anew"
        )
