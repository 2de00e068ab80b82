"""Write a state dict that torch.load opens, without PyTorch.

The file is the zip archive of torch.save (torch_file.py draws it). Its pickle is written here,
instruction by instruction: a dict in which each array is the call

    torch._utils._rebuild_tensor_v2(storage, offset, size, strides, requires_grad, hooks)

that torch.load(weights_only=True) allows. As torch.save does, each storage begins at a multiple of
64 bytes in the file, so that torch.load(mmap=True) gets aligned memory.

Source: PyTorch's torch/serialization.py, torch/_utils.py; CPython's Lib/pickletools.py.
"""

import math
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np

from alexnet.errors import writing
from alexnet.formats.torch_file import RECORD
from alexnet.weights.record import as_json
from tinynet.serialization import replacing

_PREFIX = "archive/"
_STORAGES = {"float32": "FloatStorage", "float64": "DoubleStorage", "int64": "LongStorage"}
_ALIGNMENT = 64
_LOCAL_HEADER = 30  # bytes before the name of a member, PKWARE's APPNOTE.TXT 4.3.7


def write(path: str | Path, arrays: dict[str, np.ndarray], record: dict) -> None:
    """Write name -> array as a state dict, whole or not at all.

    arrays  of float32, float64 or int64
    record  plain values, for torch_file.read; PyTorch passes over it
    Raises TypeError for another dtype, UsageError for a record that is too long, and DiskError.
    """
    for name, array in arrays.items():
        if array.dtype.name not in _STORAGES:
            raise TypeError(f"write: {name} is {array.dtype}, where {', '.join(_STORAGES)} fit")
    text = as_json("the record", record).encode()
    with writing(path), replacing(path) as file, zipfile.ZipFile(file, "w") as archive:
        _add(archive, "data.pkl", _pickle(arrays))
        _add(archive, "byteorder", b"little")
        for number, array in enumerate(arrays.values()):
            little = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
            _add(archive, f"data/{number}", little.reshape(-1).view(np.uint8))
        _add(archive, "version", b"3\n")
        _add(archive, RECORD, text)


def _add(archive, name, data):
    """Add a member whose bytes begin at a multiple of 64."""
    member = zipfile.ZipInfo(_PREFIX + name)
    begin = archive.fp.tell() + _LOCAL_HEADER + len(member.filename) + 4
    # An extra field, which readers pass over: "FB" as in torch.save, its length, fill bytes.
    fill = -begin % _ALIGNMENT
    member.extra = struct.pack("<2sH", b"FB", fill) + fill * b"Z"
    member.file_size = len(data)
    with archive.open(member, "w") as entry:
        entry.write(data)


def _pickle(arrays):
    """The program that makes the dict, in instructions of protocol 2."""
    program = [pickle.PROTO + b"\2", _empty_dict(), pickle.MARK]
    for number, (name, array) in enumerate(arrays.items()):
        program += [_text(name), *_tensor(number, array)]
    return b"".join([*program, pickle.SETITEMS, pickle.STOP])


def _tensor(number, array):
    strides = [math.prod(array.shape[axis + 1 :]) for axis in range(array.ndim)]
    storage = _global("torch", _STORAGES[array.dtype.name])
    return [
        _global("torch._utils", "_rebuild_tensor_v2"),
        pickle.MARK,
        _tuple(_text("storage"), storage, _text(str(number)), _text("cpu"), _integer(array.size)),
        pickle.BINPERSID,
        _integer(0),
        _tuple(*map(_integer, array.shape)),
        _tuple(*map(_integer, strides)),
        pickle.NEWFALSE,
        _empty_dict(),
        pickle.TUPLE + pickle.REDUCE,
    ]


def _empty_dict():
    return _global("collections", "OrderedDict") + pickle.EMPTY_TUPLE + pickle.REDUCE


def _global(module, name):
    return pickle.GLOBAL + f"{module}\n{name}\n".encode()


def _tuple(*values):
    return pickle.MARK + b"".join(values) + pickle.TUPLE


def _text(text):
    data = text.encode()
    return pickle.BINUNICODE + struct.pack("<I", len(data)) + data


def _integer(number):
    return pickle.LONG1 + b"\x08" + struct.pack("<q", number)
