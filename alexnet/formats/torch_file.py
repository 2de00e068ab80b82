"""Read a state dict of PyTorch (.pth, .pt) without PyTorch: nothing in the file is run.

torch.save writes a zip archive (since PyTorch 1.6) or a chain of pickles:

    zip archive                                     chain
    <prefix>/data.pkl     a pickle of the dict,     magic number, protocol, system: pickles
                          where tensors name        the dict: a pickle
                          storages                  the keys of the storages: a pickle
    <prefix>/data/<key>   a storage's numbers       for each key the count, 8 bytes, and the numbers
    <prefix>/byteorder    little or big

torch_pickle.py reads the pickles. Only storages of the network's weights are read, each after its
size was compared with the file. Members of an archive may be compressed, which PyTorch never does,
as far as trained weights can be.

Source: PyTorch's torch/serialization.py.
"""

import os
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np

from alexnet.data.names import printable
from alexnet.errors import DataError
from alexnet.formats import torch_pickle
from alexnet.formats.named_arrays import layers_of, spec_of
from alexnet.formats.reading import reading
from alexnet.formats.torch_pickle import Storage, Tensor
from alexnet.weights import record as records
from alexnet.weights.file_network import FileNetwork

FORMAT = "a PyTorch state dict"
RECORD = "alexnet.json"  # the member of an archive in which torch_write.py puts its record
_FITS = "a file of torch.save(model.state_dict(), FILE) fits"

_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # of the chain of pickles
_COMPRESSED = 16  # compressed members hold at most so many bytes for one of the file,
_SLACK = 64 << 20  # and these: small arrays of zeros compress well

# Where training scripts keep the state dict in a checkpoint, the likeliest first.
_KEYS = ("state_dict", "model_state_dict", "model_state", "model", "network", "net", "weights")
_WRAPPERS = ("module", "_orig_mod")  # parts of names: DataParallel's, torch.compile's
_PREFIXES = ("model.", "network.", "net.")  # of Lightning's modules


def read(path: str | Path) -> FileNetwork:
    """The network of this file.

    The file holds a state dict, or a checkpoint: a dict in which one value is a state dict. float16
    and bfloat16 become float32. Raises DataError for every other content; a file never takes more
    memory than a small multiple of its size and 200 MB.
    """
    with reading(path, FORMAT, _FITS) as file:
        source = _open(file)
        state = _named(_state_dict(source.content))
        layers = layers_of(_arrays(state, source))
        return FileNetwork(FORMAT, layers, spec=spec_of(layers), record=source.record)


def _open(file):
    start = file.read(512)
    file.seek(0)
    if start[:4] == b"PK\x03\x04":
        return _Archive(file)
    if start[257:262] == b"ustar":
        raise DataError("it is a tar archive, as PyTorch wrote before version 0.1.10")
    if start[:1] == b"\x80":
        return _Chain(file)
    raise DataError("it is empty" if not start else "torch.save writes no such file")


class _Archive:
    """The zip archive: content, record, and read for the numbers of a storage."""

    def __init__(self, file):
        self._archive = zipfile.ZipFile(file)
        self._members = _checked_members(self._archive, os.fstat(file.fileno()).st_size)
        pickles = [name for name in self._members if f"/{name}".endswith("/data.pkl")]
        if len(pickles) != 1:
            raise DataError(f"it is a zip archive with {len(pickles)} members called data.pkl")
        self._prefix = pickles[0].removesuffix("data.pkl")
        if f"{self._prefix}constants.pkl" in self._members:
            raise DataError("it is a program of TorchScript; save model.state_dict() instead")
        self._order = self._byte_order()
        self.content = torch_pickle.load(self._read("data.pkl", torch_pickle.MOST_BYTES)).content
        self.record = {}
        if f"{self._prefix}{RECORD}" in self._members:
            self.record = records.parse(self._read(RECORD, records.FILE_BYTES))

    def _byte_order(self):
        """NumPy's letter for the order of bytes."""
        if f"{self._prefix}byteorder" not in self._members:  # PyTorch before 2.1
            return "<"
        order = self._read("byteorder", 16)
        if order not in (b"little", b"big"):
            raise DataError(f"its order of bytes is {order!r}, where little and big fit")
        return "<" if order == b"little" else ">"

    def _read(self, name, most):
        member = self._members.get(self._prefix + name)
        if member is None:
            raise DataError(f"it lacks {self._prefix}{name}")
        if member.file_size > most:
            raise DataError(f"{member.filename} has {member.file_size:,} bytes, {most:,} fit")
        return self._archive.read(member)  # compares the checksum

    def read(self, storage: Storage) -> np.ndarray:
        data = self._read(f"data/{storage.key}", storage.size)
        if len(data) != storage.size:
            raise DataError(
                f"its storage {storage.key} has {len(data):,} bytes, where {storage.count:,} "
                f"elements of {storage.kind} take {storage.size:,}"
            )
        return np.frombuffer(data, storage.dtype.newbyteorder(self._order))


def _checked_members(archive, size):
    """{name: member} of an archive of this size whose members do not claim more than it holds."""
    members = archive.infolist()
    twice = [name for name, n in Counter(m.filename for m in members).items() if n > 1]
    if twice:
        raise DataError(f"its member {twice[0]} is in it more than once")
    if sum(member.compress_size for member in members) > size:
        raise DataError("its members overlap")
    compressed = 0
    for member in members:
        if member.flag_bits & 1:
            raise DataError(f"its member {member.filename} is encrypted")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise DataError(f"{member.filename} is compressed by method {member.compress_type}")
        if member.compress_type == zipfile.ZIP_DEFLATED:
            compressed += member.file_size
        elif member.file_size != member.compress_size:
            raise DataError(f"the sizes of its member {member.filename} contradict each other")
    most = _COMPRESSED * size + _SLACK
    if compressed > most:
        raise DataError(
            f"its compressed members claim {compressed:,} bytes; weights in a file of {size:,} "
            f"bytes have fewer than {most:,}"
        )
    return {member.filename: member for member in members}


class _Chain:
    """The chain of pickles: content, record, and read for the numbers of a storage."""

    def __init__(self, file):
        self._file, self.record = file, {}
        start = file.read(torch_pickle.MOST_BYTES)
        magic = torch_pickle.load(start)
        if type(magic.content) is not int or magic.content != _MAGIC:
            raise DataError("it is a pickle, but none that torch.save writes")
        protocol = torch_pickle.load(start, magic.end)
        if type(protocol.content) is not int or protocol.content != _PROTOCOL:
            raise DataError(f"it has another protocol than {_PROTOCOL}")
        system = torch_pickle.load(start, protocol.end)
        main = torch_pickle.load(start, system.end)
        keys = torch_pickle.load(start, main.end)
        self.content = main.content
        self._places = self._find_storages(keys.content, main.storages, keys.end)

    def _find_storages(self, keys, storages, place):
        """{key: byte of the first number} of the storages, which begin at this place."""
        size = os.fstat(self._file.fileno()).st_size
        if type(keys) is not list or not all(type(key) is str for key in keys):
            raise DataError("it has no list of the keys of its storages")
        if len(set(keys)) != len(keys) or set(keys) != set(storages):
            raise DataError("its list of storages differs from the storages of its tensors")
        places = {}
        for storage in (storages[key] for key in keys):
            self._file.seek(place)
            count = int.from_bytes(self._file.read(8), "little")
            places[storage.key] = place + 8
            place += 8 + storage.size
            if count != storage.count or place > size:
                raise DataError(
                    f"its storage {storage.key} should have {storage.count:,} elements, and has "
                    + (f"{count:,}" if count != storage.count else "fewer: the file is cut short")
                )
        return places

    def read(self, storage: Storage) -> np.ndarray:
        self._file.seek(self._places[storage.key])
        # every machine writes little-endian: torch/csrc/generic/serialization.cpp, writeFileRaw
        return np.frombuffer(self._file.read(storage.size), storage.dtype)


# --- the state dict -------------------------------------------------------------------------------


def _state_dict(content):
    """{name: Tensor}: the content, or its one value that is such a dict."""
    if type(content) is not dict:
        raise DataError(f"it holds a {type(content).__name__}, no dict of tensors")
    if _is_state_dict(content):
        return content
    seen, found = set(), {}
    for key, value in content.items():
        if id(value) not in seen and _is_state_dict(value):
            found[key] = value
        seen.add(id(value))
    keys = list(found) if len(found) == 1 else [key for key in _KEYS if key in found]
    if not found or not keys:
        inside = ", ".join(str(key)[:40] for key in list(found or content)[:8])
        several = "several dicts of tensors" if found else "no dict of tensors"
        raise DataError(f"it holds {several}; its keys are {inside}")
    return found[keys[0]]


def _is_state_dict(value):
    return (
        type(value) is dict
        and len(value) > 0
        and all(type(key) is str and isinstance(tensor, Tensor) for key, tensor in value.items())
    )


def _named(state):
    """The state dict without the words that wrappers of a model put into the names."""
    names = [".".join(part for part in name.split(".") if part not in _WRAPPERS) for name in state]
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in names):
            names = [name.removeprefix(prefix) for name in names]
    if len(set(names)) != len(names):
        raise DataError("two of its names differ only in the word module")
    return dict(zip(names, state.values(), strict=True))


def _arrays(state, source):
    """{name: array}, each of its storage's bytes or a copy. Counts of batches are left out."""
    state = {n: tensor for n, tensor in state.items() if not n.endswith("num_batches_tracked")}
    storages = {tensor.storage for tensor in state.values()}
    elements = sum(int(np.prod(tensor.shape, dtype=object)) for tensor in state.values())
    if elements > 2 * sum(storage.count for storage in storages):  # some networks share weights
        raise DataError("its tensors repeat the numbers of its storages")
    numbers, arrays = {}, {}
    for name, tensor in state.items():
        storage = tensor.storage
        if storage.dtype.kind != "f" and storage.kind != "BFloat16Storage":
            raise DataError(f"its tensor {printable(name[:80])} is a {storage.kind}, no floats")
        if storage.key not in numbers:
            numbers[storage.key] = _floats(storage, source.read(storage))
        arrays[name] = _array(tensor, numbers[storage.key])
    return arrays


def _floats(storage, numbers):
    """The numbers of a storage; bfloat16, the upper half of a float32, becomes one."""
    if storage.kind != "BFloat16Storage":
        return numbers
    return (numbers.astype(np.uint32) << 16).view(np.float32)


def _array(tensor, numbers):
    """A tensor's elements in its storage's numbers: torch_pickle.Tensor has checked its strides."""
    strides = [stride * numbers.itemsize for stride in tensor.strides]
    return np.lib.stride_tricks.as_strided(
        numbers[tensor.offset :], tensor.shape, strides, writeable=False
    )
