"""Files of weights: which format a file has, and the module that reads or writes it.

    read   .npz  .pth  .safetensors  .onnx  .caffemodel  .npy  .h5  .keras   by the first bytes
    write  .npz  .pth  .safetensors  .onnx                                   by the ending

No function that a file names is ever called.
"""

import os
import zipfile
from pathlib import Path

from alexnet.data.names import printable
from alexnet.errors import DataError, UsageError
from alexnet.formats import (
    caffe_file,
    keras_file,
    npz_file,
    numpy_dict,
    onnx_file,
    onnx_write,
    safetensors_file,
    torch_file,
    torch_write,
)
from alexnet.formats.named_arrays import torchvision_name
from alexnet.weights.checkpoint import Checkpoint
from alexnet.weights.file_kind import is_text, kind_of_file, what_to_export
from alexnet.weights.file_network import FileNetwork

READABLE = (
    ".npz, .pth (PyTorch), .safetensors, .onnx, .caffemodel (Caffe), .npy (Caffe's weights as a "
    "NumPy dict), .h5 and .keras (Keras)"
)
WRITABLE = (".npz", ".safetensors", ".pth", ".onnx")


def read(path: str | Path) -> FileNetwork:
    """The network in a file, or in the best.npz of a run's folder. Raises DataError that names the
    file, and UsageError where the package for its format is missing."""
    try:
        network = _reader(Path(path))(path)
    except OSError as error:
        raise DataError(f"{printable(path)} cannot be read: {error.strerror}") from error
    return network


def _reader(path):
    if path.is_dir():
        if (path / "saved_model.pb").exists():
            raise DataError(
                f"{printable(path)} is a SavedModel of TensorFlow; save the model as .keras or .h5"
            )
        return npz_file.read
    if not path.exists():
        raise DataError(f"{printable(path)} is not there")
    if not path.is_file():  # a pipe would be waited for
        raise DataError(f"{printable(path)} is no regular file")
    with open(path, "rb") as file:
        start = file.read(512)
    if start.startswith(b"PK"):
        return _zip_reader(path)
    if is_text(start) or what_to_export(path):
        raise _unknown(path)
    beginnings = {
        b"\x89HDF": keras_file.read,
        b"\x93NUMPY": numpy_dict.read,
        b"\x80": torch_file.read,  # a pickle
        b"\x08": onnx_file.read,  # field 1 of ONNX's ModelProto is a number, ir_version
        b"\x0a": caffe_file.read,  # field 1 of Caffe's NetParameter is a text, its name
    }
    for beginning, reader in beginnings.items():
        # A .safetensors file begins with the length of its header, which may be any byte.
        if start.startswith(beginning) and start[8:9] != b"{":
            return reader
    if start[8:9] == b"{":
        return safetensors_file.read
    by_ending = {".onnx": onnx_file.read, ".caffemodel": caffe_file.read}
    if path.suffix.lower() in by_ending:
        return by_ending[path.suffix.lower()]
    raise _unknown(path)


def _unknown(path):
    kind = kind_of_file(path)
    seems = f"it seems to be {kind}; " if kind else ""
    return DataError(f"{printable(path)} holds no weights that can be read: {seems}{READABLE} can")


def _zip_reader(path):
    try:
        with zipfile.ZipFile(path) as archive:
            names = [os.path.basename(name) for name in archive.namelist()]
    except Exception as error:  # a damaged archive can raise nearly anything in zipfile
        raise DataError(f"{printable(path)} is no whole zip archive ({error})") from error
    if "data.pkl" in names:
        return torch_file.read
    if "model.weights.h5" in names:
        return keras_file.read
    if not any(name.endswith(".npy") for name in names):
        raise _unknown(path)
    return npz_file.read


def write(saved: Checkpoint, path: str | Path) -> None:
    """Write a checkpoint's network in the format of the path's ending. What a format has no place
    for, such as velocities, is left out. Raises UsageError for another ending, and DiskError."""
    path = Path(path)
    ending = path.suffix.lower()
    check_ending(path)
    if ending == ".npz":
        saved.save(path)
        return
    record = {
        "build": saved.build,
        "classes": saved.classes,
        "stored_size": saved.stored_size,
        "normalization": {name: _numbers(a) for name, a in saved.normalization.arrays().items()},
        "words": saved.words,
    }
    if ending == ".safetensors":
        safetensors_file.write(path, saved.model, record)
    elif ending == ".onnx":
        onnx_write.write(path, saved.layers(), saved.model, record)
    else:
        torch_write.write(path, _named_for_torch(saved), record)


def _named_for_torch(saved):
    """The arrays under torchvision's names, if torchvision's model has all of these layers."""
    names = {name: torchvision_name(name.rpartition(".")[0]) for name in saved.model}
    if saved.build["spec"] != "torchvision" or None in names.values():
        return saved.model
    return {f"{names[n]}.{n.rpartition('.')[2]}": array for n, array in saved.model.items()}


def check_ending(path: Path) -> None:
    """Raise UsageError for a file that write() has no format for."""
    if path.suffix.lower() not in WRITABLE:
        raise UsageError(
            f"{printable(path)} has the ending {path.suffix or 'of no format'}; "
            f"{', '.join(WRITABLE)} can be written"
        )


def _numbers(array):
    """An array of float32 as nested lists of the shortest numbers that give its bits again."""
    if array.ndim:
        return [_numbers(part) for part in array]
    return float(str(array))
