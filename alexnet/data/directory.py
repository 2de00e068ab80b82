"""A folder on the disk, listed once: its folders, its image files, and what is left out.

Hidden names (a leading dot) do not count. Links are followed. Folders of runs, which alexnet.train
wrote, are left out: their curves are no photos.
"""

import contextlib
import errno
import os
from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from alexnet.data.names import printable
from alexnet.errors import DataError

IMAGE_ENDINGS = tuple(
    ".jpg .jpeg .jpe .jfif .png .bmp .gif .webp .tif .tiff .ppm .pgm .pbm .pnm .jp2 .avif".split()
)
# Pictures that are not read; ImageMagick converts them.
_OTHER_PICTURES = (
    ".heic .heif .svg .psd .jxl .tga .ico .eps .raw .dng .cr2 .cr3 .nef .arw .orf .rw2 .raf".split()
)
RUN_FOLDERS, LINKED_TWICE = "folders of runs", "links to folders that were read already"
NO_FILES = "pipes, sockets or devices"


class Directory:
    """A folder. Its entries are listed at the first use.

    path, name   of the folder
    folders      the Directories in it, sorted by name, without those of runs
    images       the paths of the image files in it, not of those in its folders, sorted
    left_out     {what: number} of the other entries; a file counts under its ending
    Raises DataError if the folder cannot be listed.
    """

    def __init__(self, path: str | Path):
        self.path = str(path)
        self.name = os.path.basename(self.path)

    @property
    def folders(self) -> list["Directory"]:
        return self._entries[0]

    @property
    def images(self) -> list[str]:
        return self._entries[1]

    @property
    def left_out(self) -> Counter:
        return self._entries[2]

    @cached_property
    def _entries(self):
        folders, images, left_out = [], [], Counter()
        with listing(self.path), os.scandir(self.path) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                kind = _kind(entry)
                if kind is None:
                    left_out[NO_FILES] += 1
                elif kind == "folder" and _holds_runs(entry.path):
                    left_out[RUN_FOLDERS] += 1
                elif kind == "folder":
                    folders.append(Directory(entry.path))
                elif entry.name.lower().endswith(IMAGE_ENDINGS):
                    images.append(entry.path)
                else:
                    left_out[os.path.splitext(entry.name)[1].lower()] += 1
        return sorted(folders, key=lambda folder: folder.name), sorted(images), left_out

    @cached_property
    def contents(self) -> "Contents":
        """What is in it at any depth. Raises DataError if a folder cannot be listed."""
        images, left_out, deepest = [], Counter(), (0, self)
        seen, ahead = set(), [(0, self)]
        while ahead:
            depth, folder = ahead.pop()
            with listing(folder.path):
                status = os.stat(folder.path)
            # A link may lead to a folder above it, and two links to one folder.
            if (status.st_dev, status.st_ino) in seen:
                left_out[LINKED_TWICE] += 1
                continue
            seen.add((status.st_dev, status.st_ino))
            images += folder.images
            left_out += folder.left_out
            if folder.images and depth > deepest[0]:
                deepest = depth, folder
            ahead += [(depth + 1, inside) for inside in folder.folders]
        return Contents(sorted(images), left_out, *deepest)


class Contents(NamedTuple):
    """What is in a folder at any depth.

    images    the paths of its image files, sorted
    left_out  {what: number} of the other entries
    depth     of the deepest folder with images: 0 is the folder itself
    deepest   that folder
    """

    images: list[str]
    left_out: Counter
    depth: int
    deepest: Directory


@contextlib.contextmanager
def listing(path: str):
    """Inside the block, an OSError becomes a DataError that names the folder."""
    try:
        yield
    except OSError as error:
        where = printable(error.filename or path)
        raise DataError(
            f"{where} cannot be listed ({error.strerror}); make it readable or move it away"
        ) from error


def _kind(entry):
    """ "folder" or "file"; None for a pipe, a socket or a device. A link is what it leads to; a
    link that leads nowhere is a file that cannot be read."""
    try:
        if entry.is_dir():
            return "folder"
        return "file" if entry.is_file() or not os.path.exists(entry.path) else None
    except OSError as error:
        if error.errno != errno.ELOOP:  # a link to itself
            raise
        return "file"


def _holds_runs(path):
    """Whether alexnet.train wrote this folder, or all folders in it and it holds nothing else."""
    if _is_run(path):
        return True
    runs = False
    with os.scandir(path) as entries:
        for entry in entries:
            if not entry.name.startswith("."):
                if _kind(entry) != "folder" or not _is_run(entry.path):
                    return False
                runs = True
    return runs


def _is_run(path):
    return all(os.path.isfile(os.path.join(path, name)) for name in ("options.json", "log.jsonl"))


def describe_left_out(left_out: Counter) -> str:
    """The numbers in words, one part for files and one for each other kind; "" if there are none.
    Says how pictures that are not read become images that are."""
    rest = Counter(left_out)
    parts = [
        f"{rest.pop(kind):,} {kind} left out"
        for kind in (RUN_FOLDERS, LINKED_TWICE, NO_FILES)
        if rest[kind]
    ]
    if count := rest.total():
        kinds = ", ".join(
            f"{number:,} {printable(ending) or 'without an ending'}"
            for ending, number in sorted(rest.items(), key=lambda item: (-item[1], item[0]))[:5]
        )
        more = ", ..." if len(rest) > 5 else ""
        text = f"{count:,} files left out that are no images ({kinds}{more})"
        pictures = [ending for ending in _OTHER_PICTURES if rest[ending]]
        if pictures:
            text += (
                f"; pictures with the ending {' '.join(pictures)} are not read: convert them, for "
                f"example by ImageMagick: magick mogrify -format jpg '*{pictures[0]}'"
            )
        parts.insert(0, text)
    return "; ".join(parts)
