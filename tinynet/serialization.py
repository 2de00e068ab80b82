"""Arrays in a file: NumPy's .npz, written whole or not at all, and read with care.

A file is written under a temporary name in the same folder, forced to the disk, and renamed: a
reader sees the old file or the new one, and a full disk or a killed process leaves the old one.

An .npz file is a zip archive with one member an array: a header (dtype, shape), then the numbers.
Headers are read first, and their sizes compared with the sizes of the members and of the file, so
that a damaged or forged header takes no memory. The zip's checksum covers each array.

Source: NumPy's numpy/lib/_format_impl.py for the header; PKWARE's APPNOTE.TXT for the archive.
"""

import contextlib
import io
import math
import os
import stat
import tempfile
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from tinynet.graph import type_name
from tinynet.tensor import Tensor

KINDS = "biufcSU"  # NumPy's letters of truth values, integers, floats, complex numbers, text
_HEADER_BYTES = 10_016  # NumPy reads headers of up to 10,000 bytes, after 12 of its own
_DEFLATED = 1032  # deflate makes at most so many bytes of one: zlib.net/zlib_tech.html


def save(path, arrays) -> None:
    """Write a dict of name -> array (or Tensor) to an .npz file.

    Raises TypeError for values that are not arrays of numbers or text, ValueError for a name that
    a zip archive cannot hold, and OSError where the file cannot be written; an existing file of
    that name then stays unchanged.
    """
    plain = {}
    for name, array in arrays.items():
        if "\0" in str(name):
            raise ValueError(f"save: the name {name!r} has a zero byte, where zip archives cut it")
        plain[name] = array.numpy() if isinstance(array, Tensor) else np.asarray(array)
        if plain[name].dtype.kind not in KINDS:
            raise TypeError(
                f"save: {name} is {type_name(array)} of dtype {plain[name].dtype}, not an "
                "array of numbers"
            )
    with replacing(path) as file:
        _write_npz(file, plain)


@contextlib.contextmanager
def replacing(path) -> Iterator[BinaryIO]:
    """A binary file to write in the block, which takes this name when the block ends.

    If the block raises, or the file cannot be written (OSError), an existing file of that name
    stays unchanged.
    """
    path = Path(path)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    _sync_folder(path.parent)


def _write_npz(file, arrays):
    """np.savez is not used: it takes the names as keyword arguments, so it cannot write arrays
    named "file" or "allow_pickle"."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)


def load(path) -> dict[str, np.ndarray]:
    """name -> array of an .npz file, in C order.

    Raises OSError (FileNotFoundError, ...) where the file cannot be opened, and ValueError for

        a file that is no zip archive, or is cut short, or whose checksums do not hold
        a member that is no array, a name that occurs twice, a size that its header contradicts
        arrays of objects (pickles are never loaded), records or dates; KINDS are read
        a path that is no regular file, such as a pipe

    The arrays take no more memory than the file has bytes; those of a compressed file
    (np.savez_compressed) no more than 1,032 times as much.
    """
    with ArrayFile(path) as file:
        return {name: file.read(name) for name in file.headers}


@dataclass(frozen=True)
class Header:
    """An array of an .npz file, before its numbers are read."""

    shape: tuple[int, ...]
    dtype: np.dtype
    compressed: bool


class ArrayFile:
    """An .npz file whose arrays are read one by one. Use as `with ArrayFile(path) as file:`.

    headers   name -> Header of every array
    Errors are those of load.
    """

    def __init__(self, path):
        self._path = path
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # a pipe would be waited for
            raise ValueError(f"load: {path} is a pipe or a device, not a file")
        self._file = open(path, "rb")  # noqa: SIM115 - closed by __exit__
        try:
            with self._damage_named():
                self._archive = zipfile.ZipFile(self._file)
                self.headers = self._checked_headers()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._file.close()

    def read(self, name: str) -> np.ndarray:
        """The array of this name."""
        with self._damage_named(), self._archive.open(f"{name}.npy") as entry:
            array = np.lib.format.read_array(entry, allow_pickle=False)
            # zipfile compares the checksum when the last byte is read. _header has seen that the
            # array's last byte is the member's.
            return np.asarray(array, order="C")

    def _checked_headers(self):
        members = self._archive.infolist()
        counts = Counter(member.filename for member in members)
        twice = [name for name, count in counts.items() if count > 1]
        if twice:
            raise ValueError(f"{twice[0]} is in it {counts[twice[0]]} times")
        size = os.fstat(self._file.fileno()).st_size
        if sum(member.compress_size for member in members) > size:
            raise ValueError("its members overlap")
        return {member.filename.removesuffix(".npy"): self._header(member) for member in members}

    def _header(self, member):
        """The Header of a member, if an array of its shape is as large as the member."""
        name, compressed = member.filename, member.compress_type != zipfile.ZIP_STORED
        if not name.endswith(".npy"):
            raise ValueError(f"{name} in it is no array")
        if compressed and member.compress_type != zipfile.ZIP_DEFLATED:
            raise ValueError(f"{name} is compressed by method {member.compress_type}")
        largest = member.compress_size * (_DEFLATED if compressed else 1)
        if member.file_size > largest:
            raise ValueError(
                f"{name} claims {member.file_size:,} bytes, its {member.compress_size:,} in the "
                f"file make {largest:,} at most"
            )
        with self._archive.open(member) as entry:
            start = io.BytesIO(entry.read(_HEADER_BYTES))
        shape, dtype = read_header(start, name)
        if dtype.kind not in KINDS:
            raise ValueError(f"{name} is an array of {dtype}, not of numbers")
        size = start.tell() + math.prod(shape) * dtype.itemsize
        if min(shape, default=0) < 0 or size != member.file_size:
            raise ValueError(
                f"{name} says {dtype} {shape}, but has {member.file_size - start.tell():,} bytes"
            )
        return Header(shape, dtype, compressed)

    @contextlib.contextmanager
    def _damage_named(self):
        """Inside, an error becomes a ValueError with the path. Full memory stays what it is."""
        try:
            yield
        except MemoryError:
            raise
        except Exception as error:  # a damaged archive can raise nearly anything in zipfile
            reason = str(error) or type(error).__name__
            raise ValueError(
                f"load: {self._path} is not a whole .npz file of arrays: {reason}"
            ) from error


def read_header(start, name):
    """(shape, dtype) of an array in NumPy's format, from the file's header, which is passed over.

    start  an open file
    name   of the array, for messages
    Raises ValueError for bytes that are no header.
    """
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's, of odd literals in a damaged header
            version = np.lib.format.read_magic(start)
            shape, _, dtype = readers[version](start)
    except Exception as error:  # deep nesting is a MemoryError in Python's parser
        raise ValueError(f"{name} has no header of an array ({error})") from error
    return shape, dtype


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder):
    """Force the rename to the disk, where the system can open folders."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
