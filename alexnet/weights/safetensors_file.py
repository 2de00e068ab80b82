"""A .safetensors file: a JSON header of names, dtypes, shapes and places, then the bytes.

    metadata (text)   one entry for each field of a checkpoint's record, as JSON

Written files hold the state_dict under this program's names. The package `safetensors` reads and
writes: it checks that the places lie inside the file and do not overlap.

Source: github.com/huggingface/safetensors, README, "Format".
"""

import json
from pathlib import Path

import numpy as np

from alexnet.data.names import printable
from alexnet.errors import DataError, UsageError, writing
from alexnet.weights import record as records
from alexnet.weights.file_network import FileNetwork
from alexnet.weights.named_arrays import is_torchvision, layers_of
from tinynet.serialization import replacing

FLOATS = ("F16", "F32", "F64")  # NumPy has no other floats
PRODUCER = "tinynet-alexnet"


def read(path: str | Path) -> FileNetwork:
    """The network of a .safetensors file. Raises DataError, and UsageError where the package is
    missing."""
    package = _package()
    try:
        with package.safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            arrays = {name: _array(file, name) for name in file.keys()}  # noqa: SIM118 - no dict
    except (OSError, ValueError, package.SafetensorError) as error:
        if isinstance(error, DataError):
            raise DataError(f"{printable(path)} cannot be used: {error}") from error
        raise DataError(f"{printable(path)} cannot be read: {printable(error)}") from error
    arrays = {name: array for name, array in arrays.items() if array is not None}
    record = _record(metadata, path) if metadata.get("producer") == PRODUCER else {}
    spec = "torchvision" if is_torchvision(arrays) else None
    return FileNetwork("a .safetensors file", layers_of(arrays), spec=spec, record=record)


def write(path: str | Path, arrays: dict[str, np.ndarray], record: dict) -> None:
    """Write the arrays and the record, whole or not at all.

    record  {field: value that JSON holds}
    Raises DiskError, and UsageError where the package is missing.
    """
    _package()
    from safetensors.numpy import save

    metadata = {"producer": PRODUCER} | {name: json.dumps(v) for name, v in record.items()}
    data = save({name: np.ascontiguousarray(array) for name, array in arrays.items()}, metadata)
    with writing(path), replacing(path) as file:
        file.write(data)


def _package():
    try:
        import safetensors
    except ImportError as error:
        raise UsageError(
            ".safetensors files need the package safetensors: pip install safetensors"
        ) from error
    return safetensors


def _array(file, name):
    """The array of this name as float32 or float64; None for integers, which count batches."""
    kind = file.get_slice(name).get_dtype()
    if kind[0] in "IU":
        return None
    if kind not in FLOATS:
        raise DataError(f"{name} is {kind}; {', '.join(FLOATS)} fit")
    array = file.get_tensor(name)
    return array.astype(np.float32) if kind == "F16" else array


def _record(metadata, path):
    try:
        return {
            name: records.parse_json(text, name)
            for name, text in metadata.items()
            if name != "producer"
        }
    except DataError as error:
        raise DataError(f"{printable(path)} cannot be used: {error}") from error
