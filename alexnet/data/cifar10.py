"""CIFAR-10: 60,000 colour images of 32 x 32 in ten classes, from the official files.

    binary version   *.bin, 10,000 records each: label byte, then planes of 1,024 red, 1,024 green
                     and 1,024 blue bytes
    Python version   pickles of {data: uint8 (10000, 3072), labels: list of 10000}, same planes

Training is the first 45,000 of data_batch_1 ... data_batch_5 in file order, validation the last
5,000, test the 10,000 of test_batch. All images of a split are held in memory.

Source: Krizhevsky, Learning Multiple Layers of Features from Tiny Images (2009), and
https://www.cs.toronto.edu/~kriz/cifar.html for the two layouts.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from alexnet.data import array_pickle, check_split
from alexnet.data.crops import resize
from alexnet.data.names import printable
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
        self.description = (
            f"CIFAR-10 in {printable(where)}: 10 classes, {len(self):,} images ({split})"
        )

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
            raise DataError(f"CIFAR-10 in {printable(folder / inside)} lacks {', '.join(missing)}")
    raise DataError(
        f"{printable(folder)} does not hold CIFAR-10: it needs data_batch_1.bin ... "
        "data_batch_5.bin and test_batch.bin (binary version) or data_batch_1 ... data_batch_5 and "
        "test_batch (Python version), in it or in cifar-10-batches-bin or cifar-10-batches-py "
        "under it; an archive must be unpacked first"
    )


def _read_binary(path):
    """Pixels uint8 (10000, 3072) and labels int64 (10000,) of a file of the binary version."""
    size, expected = path.stat().st_size, IMAGES_A_FILE * (1 + _PIXELS)
    if size != expected:
        raise DataError(f"{printable(path)} has {size:,} bytes, a CIFAR-10 file has {expected:,}")
    records = np.fromfile(path, np.uint8).reshape(IMAGES_A_FILE, 1 + _PIXELS)
    return records[:, 1:], _checked_labels(records[:, 0], path)


def _read_pickle(path):
    """The same for a file of the Python version."""
    # Python 2's first protocol writes a byte as up to four characters. A file name has about 30.
    expected = IMAGES_A_FILE * (1 + _PIXELS)
    size, most = path.stat().st_size, 4 * expected + 100 * IMAGES_A_FILE + 10_000
    if size > most:
        raise DataError(
            f"{printable(path)} has {size:,} bytes, a CIFAR-10 file has about {expected:,}"
        )
    try:
        # An image takes a label and a file name: up to five instructions.
        content = array_pickle.load(path.read_bytes(), 5 * IMAGES_A_FILE + 1_000)
    except (OSError, MemoryError):
        raise
    except Exception as error:  # a damaged pickle can raise nearly anything
        reason = printable(str(error)[:200])  # Python may quote the whole file
        raise DataError(f"{printable(path)} is not a CIFAR-10 file: {reason}") from error
    # The official files are from Python 2, whose str arrives as bytes; a copy by Python 3 has str.
    pixels = content.get(b"data", content.get("data"))
    labels = content.get(b"labels", content.get("labels"))
    described = f"{getattr(pixels, 'dtype', type(pixels).__name__)} {getattr(pixels, 'shape', '')}"
    if described != f"uint8 {(IMAGES_A_FILE, _PIXELS)}":
        raise DataError(
            f"{printable(path)}: data is {described}, should be uint8 {(IMAGES_A_FILE, _PIXELS)}"
        )
    return pixels, _checked_labels(labels, path)


def _checked_labels(labels, path):
    # Only a flat list becomes an array: lists of lists that name each other have no bound.
    if isinstance(labels, list) and all(type(label) is int for label in labels):
        labels = np.array(labels)
    whole = getattr(labels, "shape", None) == (IMAGES_A_FILE,) and labels.dtype.kind in "iu"
    if not whole or labels.min() < 0 or labels.max() >= len(CLASSES):
        raise DataError(f"{printable(path)}: labels are not {IMAGES_A_FILE:,} numbers from 0 to 9")
    return labels.astype(np.int64)
