"""Read arrays and texts from an HDF5 file that may be damaged or made to do harm.

An HDF5 file is a tree of groups; its leaves are datasets, and each node has attributes. The format
can do more: links to other places and other files, arrays whose numbers lie in other files or that
are put together from other arrays, compressed arrays, texts of any length that many elements share.
Keras uses none of that. Here a name leads to what lies in the file itself, an array's numbers are
one piece of it, and all arrays together have no more bytes than the file. Texts are read without
the HDF5 library (hdf5_attributes.py).

h5py is an optional package: it is imported when a file is opened.

Source: The HDF Group, HDF5 File Format Specification, version 3.
"""

import contextlib
import io
import math
import mmap
from pathlib import Path

import numpy as np

from alexnet.data.names import printable
from alexnet.errors import DataError, UsageError
from alexnet.formats import hdf5_attributes as attributes
from alexnet.weights.record import short

MOST_NAMES = 10_000  # in a group


class HDF5File:
    """An open HDF5 file, a context manager. Groups are objects of h5py.

    Each method raises DataError for what it does not read and for a damaged file.
    """

    def __init__(self, file: Path | bytes):
        """Open a file, or a file's content. Raises UsageError if h5py is missing."""
        try:
            import h5py
        except ImportError as error:
            raise UsageError("files of Keras are read by h5py: pip install h5py") from error
        self._h5py, self._content, opened = h5py, file, io.BytesIO
        if isinstance(file, Path):
            if file.stat().st_size == 0:
                raise DataError("it is empty")
            with open(file, "rb") as mapped:
                self._content = mmap.mmap(mapped.fileno(), 0, access=mmap.ACCESS_READ)
            opened = str
        self._bytes_left = len(self._content)
        attributes.check_superblock(self._content)
        with _damaged("it"):
            self._file = h5py.File(opened(file), "r")
        self.root = self._file

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._file.close()

    def names(self, group) -> list[str]:
        """The names in a group."""
        with _damaged(group.name):
            if len(group) > MOST_NAMES:
                raise DataError(f"{_at(group.name)} has more than {MOST_NAMES:,} entries")
            return sorted(group)

    def group(self, parent, *names: str):
        """The group under these names, or None if there is none."""
        found = self._find(parent, names)
        if found is not None and not isinstance(found, self._h5py.Group):
            raise DataError(f"{_at(found.name)} is no group")
        return found

    def array(self, parent, *names: str) -> np.ndarray:
        """The array under these names: float64 if the file has float64, else float32."""
        place = "/".join((parent.name.rstrip("/"), *names))
        dataset = self._find(parent, names)
        if not isinstance(dataset, self._h5py.Dataset):
            raise DataError(f"there is no array {_at(place)}")
        with _damaged(place):
            self._check(dataset, place)
            numbers = dataset[()]
        if numbers.dtype.kind == "V":  # bfloat16: the upper half of a float32
            return (numbers.view("<u2").astype(np.uint32) << 16).view(np.float32)
        kind = np.float64 if numbers.dtype.itemsize == 8 else np.float32
        return np.ascontiguousarray(numbers, kind)

    def texts(self, node, attribute: str) -> list[str] | None:
        """The texts of an attribute, or None if the node does not have it."""
        with _damaged(f"{node.name}, attribute {attribute}"):
            if attribute not in node.attrs:
                return None
            value = self._h5py.h5a.open(node.id, attribute.encode())
            shape, text = value.shape, None
            if shape is not None and 0 in shape:
                return []  # of whatever type: Keras' empty lists are float64
            if shape is not None:
                text = self._h5py.check_string_dtype(value.dtype)
            if text is None:
                raise DataError(f"attribute {attribute} of {_at(node.name)} is no list of texts")
            address = self._h5py.h5o.get_info(node.id).addr
            count = math.prod(shape)
            found = attributes.texts(self._content, address, attribute, count, text.length)
            return [one.decode("utf-8") for one in found]

    def _find(self, node, names):
        """The object under these names, or None; each name is looked up by itself, so that none
        leads out of the file."""
        for name in names:
            if not isinstance(node, self._h5py.Group) or name in ("", ".") or "/" in name:
                return None
            place = f"{node.name.rstrip('/')}/{name}"
            with _damaged(place):
                link = node.get(name, getlink=True)
                if link is None:
                    return None
                if not isinstance(link, self._h5py.HardLink):
                    kind = "another file" if isinstance(link, self._h5py.ExternalLink) else "a path"
                    raise DataError(f"{_at(place)} is a link to {kind}, which Keras never writes")
                node = node[name]
        return node

    def _check(self, dataset, place):
        """Compare what a dataset claims with what Keras writes and with the file's size."""
        layout = dataset.id.get_create_plist().get_layout()
        if dataset.external:
            raise DataError(f"the numbers of {_at(place)} are in another file")
        if layout not in (self._h5py.h5d.CONTIGUOUS, self._h5py.h5d.COMPACT):
            raise DataError(
                f"{_at(place)} is compressed or in pieces, which Keras never writes; "
                "h5repack -l CONTI -f NONE IN OUT makes a file that fits"
            )
        dtype, shape = dataset.dtype, dataset.shape
        bfloat16 = dtype == np.dtype("V2") and self.texts(dataset, "dtype") == ["bfloat16"]
        if not bfloat16 and (dtype.kind != "f" or dtype.itemsize not in (2, 4, 8)):
            raise DataError(f"{_at(place)} holds {short(str(dtype))}, no floating-point numbers")
        if shape is None or not 1 <= len(shape) <= 4 or 0 in shape:
            raise DataError(f"{_at(place)} is an array of shape {short(shape)}")
        claimed = math.prod(shape) * dtype.itemsize
        self._bytes_left -= claimed
        if self._bytes_left < 0 or dataset.id.get_storage_size() != claimed:
            raise DataError(f"{_at(place)} claims {claimed:,} bytes, more than the file has for it")


def _at(place):
    return short(printable(place[:100]))


@contextlib.contextmanager
def _damaged(place):
    """Inside the block, any error is a DataError: a damaged file can raise nearly anything."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        reason = printable(str(error)[:200])
        raise DataError(f"{_at(place)} is damaged, or no HDF5 ({reason})") from error
