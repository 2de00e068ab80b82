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
from alexnet.formats.named_arrays import layers_of, spec_of
from alexnet.formats.reading import reading
from alexnet.weights import record as records
from alexnet.weights.file_network import FileNetwork
from tinynet.serialization import replacing

FLOATS = ("F16", "F32", "F64")  # NumPy has no other floats
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
    kind = file.get_slice(name).get_dtype()
    if kind[0] not in "IU" and kind not in FLOATS:
        raise DataError(f"{printable(name)} is {kind}; {', '.join(FLOATS)} fit")
    return file.get_tensor(name)
