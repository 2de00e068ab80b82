"""A checkpoint: the whole state of a training at one moment, in one .npz file.

    model/<name>                    each parameter and buffer
    velocity/<number>               of each trained parameter, in the optimiser's order; not in
                                    best.npz
    normalization/mean, /divisor    of the images
    record                          the other fields of Checkpoint, and the CRC-32 of each array:
                                    JSON as bytes, uint8

evaluate and predict need no other file: the record also holds the classes, the arguments of
alexnet.build, and the size at which images are read. A network that alexnet.convert brought from
another program has no options and no position of a training; its record says where it came from.

A file is believed in nothing. The record is checked first (record.py); from its arguments of
alexnet.build follow the names and shapes of all arrays, which are compared with the file's before
an array is read; then all numbers must be finite, and each array the one that was saved under its
name. (Checkpoints of older versions have no checksums.)
"""

import contextlib
import json
import os
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import tinynet as tn
from alexnet.data.names import printable
from alexnet.data.normalization import Normalization
from alexnet.errors import ELSEWHERE, DataError, UsageError, writing
from alexnet.network.build import build
from alexnet.network.plan import Layer, array_shapes
from alexnet.weights import record as records
from alexnet.weights.file_kind import kind_of_file
from tinynet.serialization import ArrayFile

FORMAT = 1
RECORD_BYTES = 1 << 22  # 4 MiB: 100,000 classes with names of 40 letters
_NEEDED = ("build", "classes", "stored_size", "options", "training")
_OPTIONAL = ("frozen", "words", "origin")
_RECORD_KINDS = {
    "options": records.OBJECT, "training": records.OBJECT, "words": records.WORDS,
    "origin": records.TEXT,
}  # fmt: skip


@dataclass
class Checkpoint:
    """The state of a training.

    build           the keyword arguments of alexnet.build
    classes         names, in label order
    stored_size     the size at which images are read before the middle is cut out
    normalization   of the images
    model           the model's state_dict
    velocities      the optimiser's state_dict, or None
    options         the run's options (training/options.py), as a dict; {} if converted
    training        position, sums, schedule, random state, best accuracy (training/run_state.py);
                    {} if converted
    frozen          names of the layers that are not trained, in order; they have no velocities
    path            the file it was loaded from, or None
    words           {class: name as people read it}, for classes that are wnids
    origin          of a converted network, the file and format it came from; else ""
    """

    build: dict
    classes: list[str]
    stored_size: int
    normalization: Normalization
    model: dict[str, np.ndarray]
    velocities: dict[str, np.ndarray] | None
    options: dict
    training: dict
    frozen: list[str] = field(default_factory=list)
    path: Path | None = None
    words: dict[str, str] = field(default_factory=dict)
    origin: str = ""

    def save(self, path: str | Path, remedy: str = ELSEWHERE) -> None:
        """Write the file whole, or not at all. Raises DiskError, which ends with the remedy, and
        UsageError if the names of the classes do not fit a record."""
        record = {"format": FORMAT} | {name: getattr(self, name) for name in _NEEDED}
        # Left out where empty, so that a run's files are the same as before there were such.
        record |= {name: value for name in _OPTIONAL if (value := getattr(self, name))}
        parts = {
            "model": self.model,
            "velocity": self.velocities or {},
            "normalization": self.normalization.arrays(),
        }
        arrays = {f"{part}/{name}": a for part, all in parts.items() for name, a in all.items()}
        record["checksums"] = {name: _checksum(array) for name, array in arrays.items()}
        text = json.dumps(record).encode()
        if len(text) > RECORD_BYTES:  # load would refuse it
            raise UsageError(
                f"the names of {len(self.classes):,} classes are too long: the record of a "
                f"checkpoint takes {len(text):,} bytes, {RECORD_BYTES:,} fit"
            )
        arrays["record"] = np.frombuffer(text, np.uint8)
        with writing(path, remedy):
            tn.save(path, arrays)

    def layers(self) -> list[Layer]:
        """The plan of the network."""
        return records.planned(self.build)

    def make_model(self):
        """The network with these weights, in test mode, on the backend in use."""
        model = build(**self.build)
        self.fill(model)
        return model.eval()

    def fill(self, model, optimizer=None) -> None:
        """Load this state into a model, and into an optimiser of its parameters. Raises DataError
        if it does not fit."""
        try:
            model.load_state_dict(self.model)
            if optimizer:
                optimizer.load_state_dict(self.velocities)
        except (KeyError, ValueError) as error:
            with naming(self.path):
                raise DataError(
                    f"it does not fit the network it was made from: {error.args[0]}"
                ) from error


@contextlib.contextmanager
def naming(path: Path | None):
    """Inside the block, a DataError about a checkpoint gets its path and a remark."""
    try:
        yield
    except DataError as error:
        name = "the checkpoint" if path is None else f"checkpoint {printable(path)}"
        raise DataError(
            f"{name} cannot be used: {error}; it is damaged, or made by another version of this "
            "program"
        ) from error


def load(path: str | Path) -> Checkpoint:
    """The Checkpoint in this file; of a folder, in its best.npz. Raises DataError if the file holds
    none, or one with a part that does not fit the others."""
    path = Path(path)
    if os.path.isdir(path):
        path = _best_of(path)
    try:
        with ArrayFile(path) as file, naming(path):
            return _read(file, path)
    except (OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(_not_readable(path, error)) from error


def _best_of(folder):
    best = folder / "best.npz"
    if not best.is_file():
        inside = sorted(file.name for file in folder.glob("*.npz"))
        remark = f"; {printable(folder / inside[0])} is there" if inside else ""
        raise DataError(
            f"{printable(folder)} is a folder without best.npz, so no run folder{remark}"
        )
    return best


def _not_readable(path, error):
    fits, name = "best.npz and last.npz of a run folder fit", printable(path)
    reason = getattr(error, "strerror", None)
    if not reason:
        kind = kind_of_file(path)
        if kind:
            return (
                f"{name} is no checkpoint of alexnet.train: it seems to be {kind}; {fits}; python "
                "-m alexnet.convert makes such a file from weights of other programs"
            )
        reason = str(error).replace(f"load: {path}", "it")
    return f"checkpoint {name} cannot be read: {reason}; {fits}"


def _read(file, path):
    if "record" not in file.headers:
        raise DataError("it is an .npz file but no checkpoint of alexnet.train: it has no record")
    header = file.headers["record"]
    if header.dtype != np.uint8 or len(header.shape) != 1 or header.shape[0] > RECORD_BYTES:
        raise DataError(
            f"its record is {header.dtype} {header.shape}, should be uint8 of up to {RECORD_BYTES}"
        )
    record = records.parse(file.read("record").tobytes())
    if record.get("format") != FORMAT:
        own = records.short(record.get("format"))
        raise DataError(f"it has format {own}, this program reads {FORMAT}")
    records.check_fields("its record", record, _RECORD_KINDS, _NEEDED)
    layers = records.check_network(record)
    frozen = records.check_frozen(record, layers)
    dtype = np.dtype(record["build"].get("dtype", "float32"))
    parameters, buffers = array_shapes(layers)
    trained = [shape for name, shape in parameters.items() if name.rpartition(".")[0] not in frozen]
    image_size = record["build"]["image_size"]
    _check_headers(file.headers, parameters | buffers, trained, dtype, image_size)
    arrays = {n: _finite(n, file.read(n)) for n in file.headers if n != "record"}
    parts = {"model": {}, "velocity": {}, "normalization": {}}
    for name, array in arrays.items():
        part, _, key = name.partition("/")
        parts[part][key] = array
    saved = Checkpoint(
        **{name: record[name] for name in _NEEDED},
        normalization=_normalization(parts["normalization"], dtype),
        model=parts["model"],
        velocities=parts["velocity"] or None,
        path=path,
        **{name: record[name] for name in _OPTIONAL if name in record},
    )
    _check_sums(record.get("checksums", {}), arrays)
    return saved


def _check_headers(headers, state, trained, dtype, image_size):
    """Compare the file's arrays with the arrays of this network, before one is read.

    state    {name: shape} of the network's arrays
    trained  the shapes of the trained parameters, of which a file holds all velocities or none
    """
    velocities = trained if any(name.startswith("velocity/") for name in headers) else []
    mean = headers.get("normalization/mean")
    mean_shape = (3, 1, 1) if mean and mean.shape == (3, 1, 1) else (3, image_size, image_size)
    expected = {f"model/{name}": (shape, dtype) for name, shape in state.items()}
    expected |= {f"velocity/{number}": (shape, dtype) for number, shape in enumerate(velocities)}
    expected["normalization/mean"] = mean_shape, np.dtype(np.float32)
    expected["normalization/divisor"] = (3, 1, 1), np.dtype(np.float32)
    missing = sorted(expected.keys() - headers.keys())
    unknown = sorted(headers.keys() - expected.keys() - {"record"})
    if missing or unknown:
        parts = [
            f"{word} {', '.join(names[:5])}" + (", ..." if len(names) > 5 else "")
            for word, names in (("lacks", missing), ("holds the unknown", unknown))
            if names
        ]
        raise DataError(f"it does not fit the network it was made from: it {' and '.join(parts)}")
    for name, (shape, kind) in expected.items():
        header = headers[name]
        if (header.shape, header.dtype) != (shape, kind):
            raise DataError(
                f"it does not fit the network it was made from: {name} is {header.dtype} "
                f"{header.shape}, the network needs {kind} {shape}"
            )
        if header.compressed:
            raise DataError(
                f"{name} is compressed, which alexnet.train never does; tinynet.save writes what "
                "tinynet.load reads uncompressed"
            )


def _check_sums(checksums, arrays):
    records.check("checksums", checksums, records.OBJECT)
    for name, array in arrays.items():
        if name in checksums and checksums[name] != _checksum(array):
            raise DataError(
                f"{name} is not the array that was saved under this name; to change one, load and "
                "save a Checkpoint (alexnet/weights/checkpoint.py)"
            )


def _checksum(array):
    return zlib.crc32(np.ascontiguousarray(array))


def _finite(name, array):
    count = array.size - np.count_nonzero(np.isfinite(array))
    if count:
        raise DataError(f"{name} holds {count:,} numbers that are NaN or infinite")
    if name.endswith(".running_var") and array.min() < 0:
        raise DataError(f"{name} holds a negative variance, {array.min()}")
    return array


def _normalization(arrays, dtype):
    try:
        return Normalization.from_arrays(arrays, dtype)
    except ValueError as error:
        raise DataError(str(error)) from error
