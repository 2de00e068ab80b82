"""Arrays in a file: NumPy's .npz, written whole or not at all.

A file is written under a temporary name in the same folder, forced to the disk, and renamed: a
reader sees the old file or the new one, and a full disk or a killed process leaves the old one.
"""

import os
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from tinynet.tensor import Tensor


def save(path, arrays) -> None:
    """Write a dict of name -> array (or Tensor) to an .npz file.

    Raises TypeError for values that are not arrays of numbers, and OSError where the file cannot be
    written; an existing file of that name then stays unchanged.
    """
    path = Path(path)
    plain = {}
    for name, array in arrays.items():
        plain[name] = array.numpy() if isinstance(array, Tensor) else np.asarray(array)
        if plain[name].dtype.hasobject:
            raise TypeError(f"save: {name} is {type(array).__name__}, not an array of numbers")
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            _write_npz(file, plain)
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
    """name -> array of an .npz file.

    Raises FileNotFoundError, and ValueError where the file is damaged or contains pickled objects,
    which are never loaded.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (zipfile.BadZipFile, EOFError, ValueError, TypeError) as error:
        raise ValueError(f"load: {path} is not a whole .npz file of arrays: {error}") from error


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
