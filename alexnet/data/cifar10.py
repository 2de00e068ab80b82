"""CIFAR-10: 60,000 colour images of 32 x 32 in ten classes, from the official files.

    binary version   *.bin, 10,000 records each: label byte, then planes of 1,024 red, 1,024 green
                     and 1,024 blue bytes
    Python version   pickles of {data: uint8 (10000, 3072), labels: list of 10000}, same planes

Training is the first 45,000 of data_batch_1 ... data_batch_5 in file order, validation the last
5,000, test the 10,000 of test_batch. All images of a split are held in memory.

Source: Krizhevsky, Learning Multiple Layers of Features from Tiny Images (2009), and
https://www.cs.toronto.edu/~kriz/cifar.html for the two layouts.
"""

import pickle
from pathlib import Path

import numpy as np
from PIL import Image

from alexnet.data import check_split
from alexnet.data.crops import resize
from alexnet.errors import DataError

CLASSES = "airplane automobile bird cat deer dog frog horse ship truck".split()
SIZE = 32
IMAGES_A_FILE = 10_000
VALIDATION_IMAGES = 5_000
_PIXELS = 3 * SIZE * SIZE
_TRAINING_FILES = [f"data_batch_{number}" for number in range(1, 6)]
_TEST_FILES = ["test_batch"]
# A parent folder may hold both versions; the binary one comes first, since it is simpler to read.
_VERSIONS = [("", ".bin"), ("cifar-10-batches-bin", ".bin"), ("", ""), ("cifar-10-batches-py", "")]


class Cifar10:
    """One split of CIFAR-10, a dataset as alexnet.data describes.

    folder   the folder of the files, or its parent: cifar-10-batches-bin/ or cifar-10-batches-py/
    split    "train" (45,000), "val" (5,000) or "test" (10,000)
    Raises DataError that names a file that is missing or is not a whole CIFAR-10 file.
    """

    native_size = SIZE

    def __init__(self, folder: str | Path, split: str):
        check_split(split)
        where, ending = _find(Path(folder))
        # The last file holds all validation images, so validation needs no other file.
        names = {"train": _TRAINING_FILES, "val": _TRAINING_FILES[-1:], "test": _TEST_FILES}[split]
        read = _read_binary if ending else _read_pickle
        parts = [read(where / (name + ending)) for name in names]
        planes = np.concatenate([part[0] for part in parts])
        labels = np.concatenate([part[1] for part in parts])
        cut = len(labels) - VALIDATION_IMAGES
        kept = {"train": slice(0, cut), "val": slice(cut, None), "test": slice(None)}[split]
        planes = planes[kept].reshape(-1, 3, SIZE, SIZE)
        self.images = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
        self.labels = labels[kept]
        self.classes = list(CLASSES)
        self.description = f"CIFAR-10 in {where}: 10 classes, {len(self):,} images ({split})"

    def __len__(self):
        return len(self.labels)

    def read(self, index: int, size: int) -> np.ndarray:
        """uint8 (size, size, 3): the image of this index, resized if size is not 32."""
        image = self.images[index]
        return image.copy() if size == SIZE else resize(Image.fromarray(image), size)

    def read_batch(self, indices: np.ndarray, size: int) -> np.ndarray:
        """uint8 (N, size, size, 3): the images of these indices."""
        if size == SIZE:
            return self.images[indices]
        return np.stack([self.read(index, size) for index in indices])


def holds_cifar10(folder: str | Path) -> bool:
    """Whether this folder holds a training file of CIFAR-10."""
    folder = Path(folder)
    return any(
        (folder / (name + end)).is_file() for name in _TRAINING_FILES for end in (".bin", "")
    )


def _find(folder):
    """(the folder of the files, the ending of their names). Raises DataError if one is missing."""
    for inside, ending in _VERSIONS:
        names = [name + ending for name in _TRAINING_FILES + _TEST_FILES]
        missing = [name for name in names if not (folder / inside / name).is_file()]
        if not missing:
            return folder / inside, ending
        if len(missing) < len(names):
            raise DataError(f"CIFAR-10 in {folder / inside} lacks {', '.join(missing)}")
    raise DataError(
        f"{folder} does not hold CIFAR-10: it needs data_batch_1.bin ... data_batch_5.bin and "
        "test_batch.bin (binary version) or data_batch_1 ... data_batch_5 and test_batch (Python "
        "version), in it or in cifar-10-batches-bin or cifar-10-batches-py under it; an archive "
        "must be unpacked first"
    )


def _read_binary(path):
    """Pixels uint8 (10000, 3072) and labels int64 (10000,) of a file of the binary version."""
    size, expected = path.stat().st_size, IMAGES_A_FILE * (1 + _PIXELS)
    if size != expected:
        raise DataError(f"{path} has {size:,} bytes, a CIFAR-10 file has {expected:,}")
    records = np.fromfile(path, np.uint8).reshape(IMAGES_A_FILE, 1 + _PIXELS)
    return records[:, 1:], _checked_labels(records[:, 0], path)


def _read_pickle(path):
    """The same for a file of the Python version."""
    try:
        with open(path, "rb") as file:
            content = _ArrayUnpickler(file, encoding="bytes").load()
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise DataError(f"{path} is not a CIFAR-10 file: {error}") from error
    if not isinstance(content, dict):
        raise DataError(f"{path} holds a {type(content).__name__}, a CIFAR-10 file a dict")
    # The official files are from Python 2, whose str arrives as bytes; a copy by Python 3 has str.
    pixels = content.get(b"data", content.get("data"))
    labels = content.get(b"labels", content.get("labels"))
    described = f"{getattr(pixels, 'dtype', type(pixels).__name__)} {getattr(pixels, 'shape', '')}"
    if described != f"uint8 {(IMAGES_A_FILE, _PIXELS)}":
        raise DataError(f"{path}: data is {described}, should be uint8 {(IMAGES_A_FILE, _PIXELS)}")
    return pixels, _checked_labels(labels, path)


def _checked_labels(labels, path):
    array = np.asarray([] if labels is None else labels)
    whole = array.shape == (IMAGES_A_FILE,) and array.dtype.kind in "iu"
    if not whole or array.min() < 0 or array.max() >= len(CLASSES):
        raise DataError(f"{path}: labels are not {IMAGES_A_FILE:,} numbers from 0 to 9")
    return array.astype(np.int64)


def _latin1_bytes(text, encoding):
    # Python 3 writes bytes into pickles of protocols 0 to 2 as a call of _codecs.encode.
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes encoded as {encoding!r}")
    return text.encode("latin1")


def _array_globals():
    """{(module, name): object} of all that a pickle of a NumPy array refers to, under the names of
    NumPy 1 and NumPy 2."""
    protocol_2, protocol_5 = np.zeros(1, np.uint8), np.zeros(1, np.uint8)
    reconstruct, frombuffer = protocol_2.__reduce__()[0], protocol_5.__reduce_ex__(5)[0]
    allowed = {("numpy", "ndarray"): np.ndarray, ("numpy", "dtype"): np.dtype}
    for core in ("numpy.core", "numpy._core"):
        allowed[f"{core}.multiarray", "_reconstruct"] = reconstruct
        allowed[f"{core}.numeric", "_frombuffer"] = frombuffer
    allowed["_codecs", "encode"] = _latin1_bytes
    return allowed


class _ArrayUnpickler(pickle.Unpickler):
    """Loads NumPy arrays, lists, dicts, bytes, str and ints. A pickle can call any function of any
    module; this unpickler refuses every function that does not rebuild an array."""

    _allowed = _array_globals()

    def find_class(self, module, name):
        try:
            return self._allowed[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it refers to {module}.{name}, no array") from None
