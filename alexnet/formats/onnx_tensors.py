"""Arrays of an ONNX model: its tensors, checked, and the few nodes that compute with constants.

A tensor's shape is compared with its bytes before memory is taken. Its bytes stand in the model, or
in another file of the same folder ("external data"), and no path leads out of that folder.

Source: onnx/onnx, onnx/onnx.proto (TensorProto) and docs/ExternalData.md.
"""

import importlib
import math
import os
import stat
from pathlib import Path, PureWindowsPath

import numpy as np

from alexnet.errors import DataError, UsageError
from alexnet.weights.record import short

# ONNX's number of a data type: its name, the dtype of its bytes, the dtype here, and the field that
# holds its values where they do not stand as bytes.
_TYPES = {
    1: ("FLOAT", "<f4", np.float32, "float_data"),
    6: ("INT32", "<i4", np.int64, "int32_data"),
    7: ("INT64", "<i8", np.int64, "int64_data"),
    9: ("BOOL", "?", np.int64, "int32_data"),
    10: ("FLOAT16", "<f2", np.float32, "int32_data"),
    11: ("DOUBLE", "<f8", np.float64, "double_data"),
    16: ("BFLOAT16", "<u2", np.float32, "int32_data"),
}
FLOATING = (1, 10, 11, 16)  # FLOAT, FLOAT16, DOUBLE, BFLOAT16
MOST_NUMBERS = 1 << 28  # in one array; AlexNet's largest, fc6.weight, has 37,748,736


def onnx_package():
    """The package onnx. Raises UsageError where it is missing."""
    try:
        return importlib.import_module("onnx")
    except ImportError as error:
        raise UsageError(
            f"ONNX models need the package onnx ({error}); install it: pip install onnx"
        ) from error


def averaging_matrix(inputs: int, outputs: int, dtype) -> np.ndarray:
    """(outputs, inputs): the matrix that computes tinynet.adaptive_avg_pool2d along one axis."""
    matrix = np.zeros((outputs, inputs), dtype)
    for row in range(outputs):
        first, last = row * inputs // outputs, -(-(row + 1) * inputs // outputs)
        matrix[row, first:last] = 1 / (last - first)
    return matrix


def dimensions(dims) -> tuple[int, ...]:
    """A tensor's shape. Raises DataError for a negative size and for too many numbers."""
    shape = tuple(int(size) for size in dims[:9])
    if len(shape) > 8 or any(size < 0 for size in shape):
        raise DataError(f"it has the impossible shape {short(shape)}")
    if math.prod(shape) > MOST_NUMBERS:
        raise DataError(
            f"its shape {short(shape)} has too many numbers: up to {MOST_NUMBERS:,} are read, "
            "AlexNet's largest array has 37,748,736"
        )
    return shape


def array_of(tensor, folder: Path) -> np.ndarray:
    """The numbers of a TensorProto: float32 (also of float16 and bfloat16), float64, or int64.

    folder  where external data must lie
    Raises DataError, whose message names no tensor: the caller knows for what it is.
    """
    shape = dimensions(tensor.dims)
    if tensor.data_type not in _TYPES:
        raise DataError(
            f"its data type has ONNX's number {tensor.data_type}; "
            f"{', '.join(name for name, *_ in _TYPES.values())} are read"
        )
    _, stored, dtype, field = _TYPES[tensor.data_type]
    stored, count = np.dtype(stored), math.prod(shape)
    if tensor.HasField("segment"):
        raise DataError("it is one segment of a larger tensor")
    if tensor.data_location == tensor.EXTERNAL:
        numbers = _external(tensor, stored, count, folder)
    elif tensor.HasField("raw_data"):
        data = tensor.raw_data
        if len(data) != count * stored.itemsize:
            raise DataError(
                f"its shape {shape} needs {count * stored.itemsize:,} bytes, it has {len(data):,}"
            )
        numbers = np.frombuffer(data, stored)
    else:
        values = getattr(tensor, field)
        if len(values) != count:
            raise DataError(f"its shape {shape} needs {count:,} numbers, it has {len(values):,}")
        numbers = _from_values(values, stored, dtype)
    if tensor.data_type == 16:  # bfloat16: the upper half of a float32
        numbers = (numbers.astype(np.uint32) << 16).view(np.float32)
    return np.ascontiguousarray(numbers, dtype).reshape(shape)


def _from_values(values, stored, dtype):
    if stored.itemsize != 2:
        return np.fromiter(values, dtype, len(values))
    # 16 bits each, in an int32
    return np.fromiter(values, np.int32, len(values)).astype("<u2").view(stored)


def _external(tensor, stored, count, folder):
    """The numbers of a tensor that stand in another file."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    path = _inside(location, folder)
    name = short(location)
    offset = _number(entries.get("offset", "0"), "offset")
    needed = count * stored.itemsize
    length = _number(entries.get("length", str(needed)), "length")
    if length != needed:
        raise DataError(
            f"its shape {tuple(tensor.dims)} needs {needed:,} bytes, its external data has "
            f"{length:,}"
        )
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if offset + length > size:
                raise DataError(
                    f"its external data ends at byte {offset + length:,} of {name}, a file of "
                    f"{size:,} bytes"
                )
            file.seek(offset)
            numbers = np.fromfile(file, stored, count)
    except OSError as error:
        raise DataError(f"its external data {name} cannot be read: {error.strerror}") from error
    if len(numbers) != count:  # the file became shorter
        raise DataError(f"its external data {name} cannot be read whole")
    return numbers


def _inside(location, folder):
    """The path of external data. Raises DataError for a path out of the model's folder."""
    name, windows = short(location), PureWindowsPath(location)
    if not location or "\0" in location:
        raise DataError(f"its external data has no file, but {name}")
    if os.path.isabs(location) or windows.drive or windows.root:
        raise DataError(f"its external data is the absolute path {name}; it must be a relative one")
    top = os.path.realpath(folder)
    path = os.path.realpath(os.path.join(top, location))
    if ".." in windows.parts or os.path.commonpath([top, path]) != top:
        raise DataError(f"its external data, {name}, leads out of the model's folder")
    try:
        regular = stat.S_ISREG(os.stat(path).st_mode)
    except OSError as error:
        raise DataError(f"its external data {name} cannot be read: {error.strerror}") from error
    if not regular:
        raise DataError(f"its external data {name} is no regular file")
    return path


def _number(text, word):
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise DataError(f"the {word} of its external data is {short(text)}, should be a number")
    return int(text)
