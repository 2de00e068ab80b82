"""A pack as a dataset: images that python -m alexnet.prepare read, resized and stored once.

The file of images is mapped into memory, read-only: the system reads what is asked for, keeps what
fits its memory, and shares it among processes. Any thread may read. pack_format.py has the files.

Sizes of all files, the manifest and the small files are checked at every start, the pixels by
python -m alexnet.prepare --check. A JPEG is checked by its decoder too.
"""

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from alexnet.data import check_split
from alexnet.data.crops import middle_square
from alexnet.data.manifest import need_content, read_manifest
from alexnet.data.names import printable
from alexnet.data.pack_format import LABEL, SUM, from_jpeg
from alexnet.data.pixel_sums import PixelSums
from alexnet.errors import DataError


class Pack:
    """One split of a pack, a dataset as alexnet.data describes.

    folder   the folder of the pack
    split    "train", "val" or "test"
    Raises DataError that names a file that is missing, cut or damaged, and for a split that the
    pack does not hold.

    options      PackOptions
    paths        of the image files that were packed: a sequence that reads them when it is asked
    pixel_sums   of all training images, at the stored size; None for another split
    fingerprint  that of the folder that was packed
    """

    def __init__(self, folder: str | Path, split: str):
        check_split(split)
        manifest = read_manifest(folder)
        if split not in manifest.splits:
            raise DataError(
                f"{printable(folder)} is a pack of {', '.join(manifest.splits)}, without {split} "
                f"images: {printable(manifest.source)} had none"
            )
        self._folder, self._split, self._manifest = Path(folder), split, manifest
        record = manifest.splits[split]
        self.classes, self.options = manifest.classes, manifest.options
        self.fingerprint, self._count = record["fingerprint"], record["images"]
        size = self.options.size
        self.native_size = None if self.options.keep_aspect else size
        self.labels = self._array("labels", LABEL, (self._count,)).astype(np.int64)
        if self.labels.min() < 0 or self.labels.max() >= len(self.classes):
            raise self._contradiction("labels")
        self._tables = {
            ending: self._array(ending, dtype, (self._count, *((2,) if ending == "shapes" else ())))
            for ending, dtype in self.options.tables.items()
        }
        self._data = self._mapped()
        self.paths = _Paths(self._folder / f"{split}.paths", manifest, self._count)
        self.description = (
            f"{printable(folder)}: {len(self.classes)} classes, {self._count:,} images ({split}), "
            f"packed as {self.options} from {printable(manifest.source)}"
            + "".join(f"; {remark}" for remark in record["remarks"])
        )

    def _array(self, ending, dtype, shape):
        """A small file of numbers, its checksum compared."""
        path = self._folder / f"{self._split}.{ending}"
        content = path.read_bytes()
        need_content(self._folder, path.name, content, self._manifest)
        if len(content) != np.prod(shape) * dtype.itemsize:
            raise self._contradiction(ending)
        return np.frombuffer(content, dtype).reshape(shape)

    def _mapped(self):
        """The file of images: uint8 (N, size, size, 3), or its bytes if images differ in size."""
        path, options = self._folder / f"{self._split}.{self.options.images}", self.options
        data = np.asarray(np.memmap(path, np.uint8, "r"))
        if options.image_bytes:
            if len(data) != self._count * options.image_bytes:
                raise self._contradiction(options.images)
            return data.reshape(self._count, options.size, options.size, 3)
        lengths = np.diff(self._tables["ends"], prepend=0)
        shapes = self._tables.get("shapes")
        if len(data) != lengths.sum() or (lengths <= 0).any():
            raise self._contradiction("ends")
        if shapes is not None and (lengths != 3 * shapes.prod(axis=1, dtype=np.int64)).any():
            raise self._contradiction("shapes")
        return data

    def _contradiction(self, ending):
        path = self._folder / f"{self._split}.{ending}"
        return DataError(f"{printable(path)} does not fit the other files of the pack")

    def __len__(self):
        return self._count

    def read(self, index: int, size: int) -> np.ndarray:
        """uint8 (size, size, 3), RGB: the middle square of image `index`, a new array. It is
        resized if size is not the stored one."""
        return middle_square(self.read_whole(index), size)

    def read_whole(self, index: int) -> np.ndarray:
        """uint8 (H, W, 3), RGB: image `index` as it is stored, read-only. Raises DataError for a
        damaged JPEG."""
        if not 0 <= index < self._count:
            raise IndexError(f"pack: index must be from 0 to {self._count - 1}, got {index}")
        if self.options.image_bytes:
            return self._data[index]
        ends = self._tables["ends"]
        data = self._data[ends[index - 1] if index else 0 : ends[index]]
        if self.options.jpeg is None:
            return data.reshape(*self._tables["shapes"][index], 3)
        try:
            pixels = from_jpeg(data.tobytes())
        except MemoryError:
            raise
        except Exception as error:  # a damaged file can raise nearly anything in the decoder
            raise self._damaged(index, printable(str(error)[:200])) from error
        height, width, _ = pixels.shape
        size = self.options.size
        if min(height, width) != size or (max(height, width) != size and self.native_size):
            raise self._damaged(index, f"it has {width} x {height} pixels")
        return pixels

    def _damaged(self, index, reason):
        path = printable(self._folder / f"{self._split}.jpegs")
        return DataError(
            f"{path}: image {index} is damaged ({reason}); python -m alexnet.prepare --check "
            f"{printable(self._folder)} checks all files"
        )

    def read_batch(self, indices: np.ndarray, size: int) -> np.ndarray:
        """uint8 (N, size, size, 3): the images of these indices."""
        if self.options.image_bytes and size == self.options.size:
            return self._data[indices]  # one copy, from the mapped file
        images = np.empty((len(indices), size, size, 3), np.uint8)
        for place, index in enumerate(np.asarray(indices).tolist()):
            images[place] = self.read(index, size)
        return images

    @cached_property
    def pixel_sums(self) -> PixelSums | None:
        if self._split != "train":
            return None
        size = self.options.size
        sums = PixelSums(size)
        sums.count, sums.products = self._count, np.array(self._manifest.products, np.int64)
        sums.totals, sums.squares = self._array("sums", SUM, (2, 3, size, size)).astype(np.int64)
        return sums


class _Paths(Sequence):
    """The paths of a split's image files. The file of paths is read at the first use."""

    def __init__(self, path, manifest, count):
        self._path, self._manifest, self._count = path, manifest, count

    def __len__(self):
        return self._count

    def __getitem__(self, index):
        if not -self._count <= index < self._count:
            raise IndexError(f"pack: there is no path {index} of {self._count}")
        content, ends = self._lines
        place = index % self._count
        line = content[ends[place - 1] + 1 if place else 0 : ends[place]]
        return str(Path(self._manifest.source, json.loads(line)))

    @cached_property
    def _lines(self):
        """(the file's bytes, the place of each line's end)."""
        content = self._path.read_bytes()
        need_content(self._path.parent, self._path.name, content, self._manifest)
        return content, np.flatnonzero(np.frombuffer(content, np.uint8) == ord("\n"))
