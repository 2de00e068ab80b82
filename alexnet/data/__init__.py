"""The sources of images, and the way from images to batches.

    synthetic.py      images drawn by the program (their scenes: scenes.py), without files
    cifar10.py        the CIFAR-10 files, binary or Python version
    array_pickle.py   arrays from a pickle, of which no function is called
    pickle_machine.py runs the program that a pickle is
    folder.py         a folder of image files, one folder a class
    layout.py         which folders hold the classes of a split
    split_names.py    the names of the folders of splits
    class_folder.py   a folder of one class
    flat_split.py     validation images that lie together
    labels_file.py    their classes, from the file that comes with them
    split_files.py    the image files of a split, class by class
    directory.py      what a folder holds: folders, image files, and what is left out
    images.py         an image file as a square of pixels
    colour.py         any kind of pixels as RGB
    crops.py          resize, border, crop: from an image to the square that a network reads
    balance.py        the samples of an epoch that has every class equally often
    augment.py        random crops and mirrors for the samples of an epoch
    normalization.py  subtract the mean, divide by the deviation
    names.py          names of files and classes as text that is safe to print
    words.py          names of classes that are wnids, from a words file
    pack.py           images that were read and resized once, in files mapped into memory
    pack_format.py    its files, its options
    manifest.py       what it holds, sizes and checksums
    packing.py        making one
    packed_images.py  from image files to its bytes, by threads
    file_list.py      the files to pack, on the disk
    unfinished.py     the work so far
    pixel_sums.py     mean image, deviation, covariance from sums of integers
    checks.py         errors for a dataset whose labels or pixels do not fit
    loader.py         batches, prepared by threads while the network computes
    prefetch.py       batches on the backend in use, on a GPU one ahead of the network

A dataset is any object with classes (list of str, in label order), labels (int64 (N,)), len(),
read(index, size) -> uint8 (size, size, 3) RGB, safe to call from several threads, and description
(one line of text). It may have read_batch(indices, size) -> uint8 (N, size, size, 3), if reading
many images at once is faster, native_size, if all its images have one size, names (list of str),
one for each image, so that its fingerprint tells the images apart, or fingerprint itself if that is
known, paths (of image files), and pixel_sums, if the sums of all its images are known.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from alexnet.data.names import printable
from alexnet.errors import DataError

SPLITS = ("train", "val", "test")

_WHAT_WORKS = (
    "DATA can be synthetic (drawn by the program), cifar10:FOLDER (the unpacked CIFAR-10 files) or "
    "FOLDER (train/<class>/* and val/<class>/*, or <class>/* alone; or what alexnet.prepare made)"
)


def open_dataset(argument: str, split: str, *, seed: int = 0, skip_bad_images: int = 0):
    """The dataset that a command's DATA names.

    argument         "synthetic", "cifar10:FOLDER" or "FOLDER", of images or of a pack (pack.py)
    split            "train", "val" or "test"
    seed             of synthetic images; other data does not depend on it
    skip_bad_images  leave out up to this many broken files of an image folder (folder.py); a pack
                     has none
    Raises DataError if the data does not exist or cannot be used, ValueError for an unknown split.
    """
    # Each kind is imported at its first use: its module imports this package, and Python warns if
    # `python -m alexnet.data.synthetic` finds its module imported already.
    check_split(split)
    argument = str(argument)
    kind, colon, rest = argument.partition(":")
    if argument == "synthetic":
        from alexnet.data.synthetic import Synthetic

        return Synthetic(split, seed=seed)
    if kind == "cifar10" and colon:
        from alexnet.data.cifar10 import Cifar10

        if not rest:
            raise DataError(f"{argument} names no folder. {_WHAT_WORKS}")
        return Cifar10(rest, split)
    if not argument or not Path(argument).is_dir():  # Path("") would be the current folder
        is_file = Path(argument).is_file()
        what = "is a file, not a folder (unpack an archive first)" if is_file else "is not there"
        raise DataError(f"{argument!r} {what}. {_WHAT_WORKS}")
    from alexnet.data.manifest import is_pack

    if is_pack(argument):
        from alexnet.data.pack import Pack

        return Pack(argument, split)
    from alexnet.data.cifar10 import holds_cifar10
    from alexnet.data.folder import ImageFolder

    if holds_cifar10(argument):
        folder = printable(argument)
        raise DataError(f"{folder} holds the CIFAR-10 files; say cifar10:{folder}")
    return ImageFolder(argument, split, skip_bad_images=skip_bad_images)


def check_split(split):
    """Raise ValueError if split is not one of SPLITS."""
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")


def fingerprint(dataset) -> str:
    """64 hexadecimal digits: the SHA-256 of the classes, the names of the images where the dataset
    has names, and the labels, all in the dataset's order.

    Equal for the same list of images, wherever the folder lies; different if an image came, went,
    or moved to another class. The pixels have no part in it.
    """
    known = getattr(dataset, "fingerprint", None)
    if known is not None:
        return known
    return list_fingerprint(dataset.classes, getattr(dataset, "names", None), dataset.labels)


def list_fingerprint(
    classes: Iterable[str], names: Iterable[str] | None, labels: np.ndarray
) -> str:
    """The fingerprint of a list of images; the names may come one by one."""
    # The JSON of [classes, names]. ASCII escapes also hold the names that UTF-8 cannot encode.
    digest = hashlib.sha256(f"[{json.dumps(list(classes))}, ".encode("ascii"))
    if names is None:
        digest.update(b"null]")
    else:
        before = b"["
        for name in names:
            digest.update(before + json.dumps(name).encode("ascii"))
            before = b", "
        digest.update(b"[]]" if before == b"[" else b"]]")
    digest.update(np.asarray(labels).astype("<i8").tobytes())
    return digest.hexdigest()
