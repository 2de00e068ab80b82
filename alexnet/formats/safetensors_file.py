"""A .safetensors file: a JSON header of names, dtypes, shapes and places, then the bytes.

    metadata (text)   one entry for each field of a checkpoint's record, as JSON

Written files hold the state_dict under this program's names. The package `safetensors` reads: it
checks that the places lie inside the file and do not overlap. Nothing but Python writes, array by
array, because the package takes the file's size in memory twice more.

Source: github.com/huggingface/safetensors, README, "Format".
"""

import json
import struct
from pathlib import Path

import numpy as np

from alexnet.data.names import printable
from alexnet.errors import DataError, UsageError, writing
from alexnet.formats.named_arrays import layers_of, spec_of
from alexnet.formats.reading import reading
from alexnet.weights import record as records
from alexnet.weights.file_network import FileNetwork
from tinynet.serialization import replacing

FLOATS = ("F16", "F32", "F64")  # NumPy has no other floats
_DTYPES = {"float32": "F32", "float64": "F64"}
_ALIGNMENT = 8  # bytes: where the arrays begin
PRODUCER = "tinynet-alexnet"


def read(path: str | Path) -> FileNetwork:
    """The network of a .safetensors file. Raises DataError, and UsageError where the package is
    missing."""
    package = _package()
    with (
        reading(path, "a .safetensors file", "a whole one of float arrays fits"),
        package.safe_open(path, framework="np") as file,
    ):
        metadata = file.metadata() or {}
        layers = layers_of({name: _array(file, name) for name in file.keys()})  # noqa: SIM118
        record = {}
        if metadata.pop("producer", None) == PRODUCER:
            record = {name: records.parse_json(text, name) for name, text in metadata.items()}
    return FileNetwork("a .safetensors file", layers, spec=spec_of(layers), record=record)


def write(path: str | Path, arrays: dict[str, np.ndarray], record: dict) -> None:
    """Write the arrays and the record, whole or not at all.

    arrays  of float32 or float64
    record  {field: value that JSON holds}
    Raises DiskError, and UsageError for a record that is too long.
    """
    fields = {name: records.as_json(name, value) for name, value in record.items()}
    header, place = {"__metadata__": {"producer": PRODUCER} | fields}, 0
    for name, array in arrays.items():
        places = [place, place := place + array.nbytes]
        dtype = _DTYPES[array.dtype.name]
        header[name] = {"dtype": dtype, "shape": array.shape, "data_offsets": places}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    with writing(path), replacing(path) as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for array in arrays.values():
            file.write(np.asarray(array, array.dtype.newbyteorder("<"), order="C").data)


def _package():
    try:
        import safetensors
    except ImportError as error:
        raise UsageError(
            ".safetensors files need the package safetensors: pip install safetensors"
        ) from error
    return safetensors


def _array(file, name):
    kind = file.get_slice(name).get_dtype()
    if kind[0] not in "IU" and kind not in FLOATS:
        raise DataError(f"{printable(name)} is {kind}; {', '.join(FLOATS)} fit")
    return file.get_tensor(name)
