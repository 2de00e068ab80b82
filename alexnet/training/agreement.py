"""What all ranks of a training must have in common, compared at its start: program, options, data.

A rank with another rate or other images would train towards something else, and its gradients
would go into everyone's weights. Nothing later would show it.
"""

import os
import platform
import zlib
from importlib.metadata import version

import numpy as np

import tinynet as tn
from alexnet.data import fingerprint, open_dataset
from alexnet.data.folder import ImageFolder
from alexnet.data.names import printable
from alexnet.errors import DataError, UsageError
from alexnet.training.options import Options, words_of

# Of a folder so many files are looked at on every rank, and so many bytes of each.
FILES, BYTES = 64, 1 << 16


def check_alike(ranks, options: Options) -> None:
    """Raise UsageError on every rank if versions or options differ between ranks."""
    if ranks.size == 1:
        return
    versions = {
        "tinynet": tn.__version__, "Python": platform.python_version(),
        "NumPy": np.__version__, "Numba": version("numba"),
    }  # fmt: skip
    _compare(ranks, versions, lambda name, value: f"{name} {value}")
    _compare(ranks, options.saved(), _flag)


def _flag(name, value):
    return " ".join(words_of({name: value})) or f"no --{name.replace('_', '-')}"


def _compare(ranks, values, in_words):
    first, *others = ranks.share(values)
    for rank, other in enumerate(others, 1):
        differing = [name for name in first if other.get(name) != first[name]]
        if differing:
            said, expected = (
                ", ".join(in_words(name, each.get(name)) for name in differing)
                for each in (other, first)
            )
            raise UsageError(
                f"{_name(ranks, rank)} has {said}, rank 0 has {expected}; all ranks need the same"
            )


def open_on_ranks(ranks, data: str, split: str, *, seed: int, skip_bad_images: int):
    """The dataset of this rank. The files of a folder are listed by rank 0, and the list goes to
    the others; other data is opened by each rank. Arguments and errors: of open_dataset. Raises
    DataError on every rank if the images differ between ranks."""
    options = {"seed": seed, "skip_bad_images": skip_bad_images}
    if ranks.size == 1:
        return open_dataset(data, split, **options)
    dataset = open_dataset(data, split, **options) if ranks.rank == 0 else None
    is_list = ranks.spread(isinstance(dataset, ImageFolder))
    if is_list:
        dataset = ranks.spread(dataset)
    elif ranks.rank > 0:
        dataset = open_dataset(data, split, **options)
    first, *others = ranks.share(_looked_at(dataset, is_list))
    for rank, other in enumerate(others, 1):
        if other != first:
            raise DataError(_difference(ranks, rank, data, split, first, other))
    return dataset


def _looked_at(dataset, is_list):
    """What must be the same on every rank: the list of images; of some files also size and
    contents."""
    if not is_list:
        return {"fingerprint": fingerprint(dataset)}
    count = min(FILES, len(dataset))
    places = (np.arange(count) * len(dataset) // count).tolist()
    return {dataset.paths[place]: _contents(dataset.paths[place]) for place in places}


def _contents(path):
    """(size, checksum of the first bytes); of a file that cannot be read, why not."""
    try:
        with open(path, "rb") as file:
            return os.fstat(file.fileno()).st_size, zlib.crc32(file.read(BYTES))
    except OSError as error:
        return error.strerror


def _difference(ranks, rank, data, split, first, other):
    """The message for a rank whose data is not rank 0's."""
    where = f"{_name(ranks, rank)} has other images ({split}) in {printable(data)} than rank 0"
    path = next(path for path in first if other[path] != first[path])
    if path == "fingerprint":
        return f"{where}; give all ranks the same data"
    if isinstance(other[path], str):
        words = other[path]
    elif isinstance(first[path], str):
        words = f"which rank 0 cannot read: {first[path]}"
    elif other[path][0] != first[path][0]:
        words = f"{other[path][0]:,} bytes, not {first[path][0]:,} bytes"
    else:
        words = "of the same size, but other contents"
    return f"{where}: {printable(path)} ({words}); give all the same data"


def _name(ranks, rank):
    return f"rank {rank} on {ranks.hosts[rank]}"


def check_same_weights(ranks, model) -> None:
    """Raise UsageError on every rank if a rank's weights are not rank 0's, bit for bit.

    model  its state_dict() has the arrays that every rank has whole
    """
    if ranks.size == 1:
        return
    sums = ranks.share({name: _checksum(array) for name, array in model.state_dict().items()})
    for rank, other in enumerate(sums[1:], 1):
        differing = [name for name in other if other[name] != sums[0][name]]
        if differing:
            raise UsageError(
                f"{_name(ranks, rank)} has other weights than rank 0 ({differing[0]}): its machine "
                "computes otherwise, since its processor or its libraries are others; ranks of "
                "one kind of machine stay the same"
            )


def _checksum(array):
    return zlib.crc32(np.ascontiguousarray(array))
