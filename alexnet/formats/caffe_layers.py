"""One layer of a Caffe model in this project's words: its kind, arguments and arrays.

A layer's settings are one message for each type of layer (ConvolutionParameter, ...), its arrays
are blobs: weight and bias. Every setting that would change a number and has no counterpart here is
refused, and so is every setting that this reader does not know.

Source: BVLC/caffe, src/caffe/proto/caffe.proto for the numbers of fields and the defaults;
src/caffe/layers/*.cpp for the meaning.
"""

import math
from dataclasses import dataclass

import numpy as np

from alexnet.errors import DataError
from alexnet.formats.protobuf import (
    BYTES,
    EIGHT_BYTES,
    FOUR_BYTES,
    VARINT,
    Message,
    fields,
    signed,
)
from alexnet.weights.file_network import FileLayer
from alexnet.weights.record import short

LARGEST = (1 << 31) - 1  # Caffe keeps sizes in an int
MOST_AXES = 32  # of a Caffe blob


@dataclass(frozen=True)
class CaffeLayer:
    """A layer as the file has it: bottoms are the names of its inputs, tops of its outputs;
    settings is the message of its type, blobs are its arrays, not read yet."""

    name: str
    type: str
    bottoms: list[str]
    tops: list[str]
    settings: Message
    blobs: list[memoryview]


def convert(layer: CaffeLayer) -> FileLayer:
    """The layer in this project's words. Raises DataError for a type or a setting that no AlexNet
    here has and for arrays that do not fit the settings, ValueError for a damaged message."""
    if layer.type not in _CONVERSIONS:
        raise DataError(f"no AlexNet here has a layer of type {layer.type}")
    conversion, known = _CONVERSIONS[layer.type]
    unknown = sorted(set(layer.settings.numbers()) - set(known))
    if unknown:
        raise DataError(f"it has setting {unknown[0]}, which this program does not know")
    if layer.blobs and conversion not in (_convolution, _inner_product):
        raise DataError("it has arrays, which this type never has")
    return conversion(layer, layer.settings)


# --- layers with arrays ---------------------------------------------------------------------------


def _convolution(layer, settings):
    _same(settings, {16: ("axis", 1)})
    if any(step != 1 for step in settings.integers(18)):
        raise DataError("its kernel is dilated")
    kernel = _pair("kernel_size", settings, (4, 11, 12), least=1)
    weight, arrays = _arrays(layer, settings.integer(2, 1))
    out, groups = _size("num_output", settings, 1), _size("group", settings, 5, 1)
    rows, columns = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    if weight.ndim != 4 or weight.shape[::2] != (out, rows) or weight.shape[3] != columns:
        raise DataError(
            f"its weight is {weight.shape}, its settings need {out} kernels of {rows} x {columns}"
        )
    if out % groups:
        raise DataError(f"{groups} groups do not divide its {out} outputs")
    arguments = {
        "in_channels": weight.shape[1] * groups,
        "out_channels": out,
        "kernel": kernel,
        "stride": _pair("stride", settings, (6, 13, 14), 1, least=1),
        "padding": _pair("pad", settings, (3, 9, 10), 0, least=0),
        "groups": groups,
        "ceil_mode": False,
    }
    return FileLayer(layer.name, "Conv2d", arguments, arrays)


def _inner_product(layer, settings):
    _same(settings, {5: ("axis", 1)})
    weight, arrays = _arrays(layer, settings.integer(2, 1))
    out, transposed = _size("num_output", settings, 1), settings.integer(6, 0)
    if weight.ndim < 2 or math.prod(weight.shape[:-2]) != 1:  # (1, 1, out, in) in older files
        raise DataError(f"its weight is {weight.shape}, no matrix")
    weight = weight.reshape(weight.shape[-2:])
    weight = np.ascontiguousarray(weight.T) if transposed else weight
    if weight.shape[0] != out:
        raise DataError(f"its weight is {weight.shape}, num_output is {out}")
    arguments = {"in_features": weight.shape[1], "out_features": out}
    return FileLayer(layer.name, "Linear", arguments, {**arrays, "weight": weight})


def _arrays(layer, bias):
    """(weight, {"weight": weight, "bias": bias, if there is one})."""
    expected = 2 if bias else 1
    if not layer.blobs:
        raise DataError(
            "it has no arrays: the file describes a network without its weights; a .caffemodel "
            "that Caffe wrote in training has both"
        )
    if len(layer.blobs) != expected:
        raise DataError(f"it has {len(layer.blobs)} arrays, its settings need {expected}")
    weight = _blob(layer.blobs[0])
    arrays = {"weight": weight}
    if bias:
        array = _blob(layer.blobs[1])
        out = _size("num_output", layer.settings, 1)
        if array.size != out or array.shape[-1:] != (out,):  # (1, 1, 1, out) in older files
            raise DataError(f"its bias is {array.shape}, num_output is {out}")
        arrays["bias"] = array.reshape(out)
    return weight, arrays


def _blob(buffer):
    """An array: float32, or float64 where the file has float64.

    The numbers are collected as bytes, so that no Python object is made for a number; packed ones
    come in one piece, others in pieces of one number.
    """
    numbers = {5: bytearray(), 8: bytearray()}
    widths = {5: FOUR_BYTES, 8: EIGHT_BYTES}
    shape, older = None, {}
    for number, wire_type, value in fields(buffer):
        if number in numbers:
            if wire_type not in (BYTES, widths[number]):
                raise ValueError(f"numbers of wire type {wire_type} in an array")
            numbers[number] += value
        elif number == 7:
            if wire_type != BYTES:
                raise ValueError(f"a shape of wire type {wire_type}")
            shape = Message(value).integers(1)
        elif number in (1, 2, 3, 4):  # num, channels, height, width
            if wire_type != VARINT:
                raise ValueError(f"a size of wire type {wire_type}")
            older[number] = signed(value)
    if numbers[5] and numbers[8]:
        raise DataError("an array has numbers both as float32 and as float64")
    if shape is None:
        shape = [older.get(number, 0) for number in (1, 2, 3, 4)]
    content, in_file, dtype = numbers[5], "<f4", np.float32
    if numbers[8]:
        content, in_file, dtype = numbers[8], "<f8", np.float64
    if len(shape) > MOST_AXES or any(not 0 < size <= LARGEST for size in shape):
        raise DataError(f"it has an array of shape {short(shape)}")
    needed = math.prod(shape) * np.dtype(dtype).itemsize
    if needed != len(content):
        raise DataError(
            f"it has an array of shape {short(tuple(shape))} of {np.dtype(dtype)}, and "
            f"{len(content):,} bytes for it"
        )
    return np.frombuffer(content, in_file).reshape(shape).astype(dtype, copy=False)


# --- layers without arrays ------------------------------------------------------------------------


def _pooling(layer, settings):
    method, rounding = settings.integer(1, 0), settings.integer(13, 0)
    if method not in (0, 1):
        raise DataError(f"it pools by method {method}; 0 (MAX) and 1 (AVE) fit")
    if rounding not in (0, 1):
        raise DataError(f"its round_mode is {rounding}; 0 (CEIL) and 1 (FLOOR) fit")
    _same(settings, {12: ("global_pooling", 0)})
    arguments = {
        "window": _pair("kernel_size", settings, (2, 5, 6), least=1),
        "stride": _pair("stride", settings, (3, 7, 8), 1, least=1),
        "ceil_mode": rounding == 0,
    }
    padding = _pair("pad", settings, (4, 9, 10), 0, least=0)
    if padding != 0:
        arguments["padding"] = padding
    return FileLayer(layer.name, ("MaxPool2d", "AvgPool2d")[method], arguments)


def _lrn(layer, settings):
    region = settings.integer(4, 0)
    arguments = {
        "size": _size("local_size", settings, 1, 5),
        "alpha": settings.float32(2, 1.0),
        "beta": settings.float32(3, 0.75),
    }
    if region == 1:  # WITHIN_CHANNEL, where Caffe takes 1 for k whatever the file says
        return FileLayer(layer.name, "SameMapNorm", arguments | {"k": 1.0})
    if region != 0:
        raise DataError(f"its norm_region is {region}; 0 (across) and 1 (within channels) fit")
    more = {"k": settings.float32(5, 1.0), "divide_by_size": True, "groups": 1}
    return FileLayer(layer.name, "LocalResponseNorm", arguments | more)


def _relu(layer, settings):
    if settings.float32(1, 0.0) != 0:
        raise DataError(f"its negative_slope is {settings.float32(1, 0.0)}, only 0 fits")
    return FileLayer(layer.name, "ReLU")


def _tanh(layer, settings):
    return FileLayer(layer.name, "Tanh")


def _dropout(layer, settings):
    drop = settings.float32(1, 0.5)
    if not 0 <= drop < 1:
        raise DataError(f"its dropout_ratio is {drop}")
    scale = "train" if settings.integer(2, 1) else "test"
    return FileLayer(layer.name, "Dropout", {"drop": drop, "scale": scale})


def _softmax(layer, settings):
    _same(settings, {2: ("axis", 1)})
    return FileLayer(layer.name, "Softmax")


def _flatten(layer, settings):
    _same(settings, {1: ("axis", 1), 2: ("end_axis", -1)})
    return FileLayer(layer.name, "Flatten")


# For each type its function, and the settings that are read or, as fillers and engines do, change
# no number.
_CONVERSIONS = {
    "Convolution": (_convolution, range(1, 19)),
    "InnerProduct": (_inner_product, range(1, 7)),
    "Pooling": (_pooling, range(1, 14)),
    "LRN": (_lrn, range(1, 7)),
    "ReLU": (_relu, (1, 2)),
    "TanH": (_tanh, (1,)),
    "Dropout": (_dropout, (1, 2)),
    "Softmax": (_softmax, (1, 2)),
    "Flatten": (_flatten, (1, 2)),
}


# --- settings -------------------------------------------------------------------------------------


def _same(settings, expected):
    """Refuse settings {number: (name, the only value that fits)} of other values."""
    for number, (name, fits) in expected.items():
        value = settings.integer(number, fits)
        if value != fits:
            raise DataError(f"its {name} is {value}, only {fits} fits")


def _size(name, settings, number, default=None, least=1):
    return _checked(name, settings.integer(number, default), least)


def _pair(name, settings, numbers, default=None, least=0):
    """A size for rows and columns: one field with one or two values, or one field for each. An int
    if both are equal."""
    both, for_rows, for_columns = numbers
    values = settings.integers(both)
    apart = [settings.integer(number) for number in (for_rows, for_columns)]
    if apart != [None, None]:
        if values:
            raise DataError(f"it has {name} both for rows and columns and for each")
        values = [default if value is None else value for value in apart]
    if len(values) > 2:
        raise DataError(f"its {name} has {len(values)} values")
    rows, columns = (_checked(name, value, least) for value in (values * 2 or [default] * 2)[:2])
    return rows if rows == columns else (rows, columns)


def _checked(name, value, least):
    if value is None:
        raise DataError(f"it lacks {name}")
    if not least <= value <= LARGEST:
        raise DataError(f"its {name} is {value}")
    return value
