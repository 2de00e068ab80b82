"""An .npz file of weights: a checkpoint of this program, or arrays named by layer.

    conv1.weight, conv1.bias, ...      a state_dict of this program, as tinynet.save writes it
    features.0.weight, ...             torchvision's names
    conv1_w, conv1_b, ...              short names

Other arrays are an error.
"""

from pathlib import Path

from alexnet.data.names import printable
from alexnet.errors import DataError
from alexnet.formats.named_arrays import layers_of, spec_of
from alexnet.formats.reading import reading
from alexnet.weights import checkpoint
from alexnet.weights.file_network import FileNetwork
from tinynet.serialization import ArrayFile


def read(path: str | Path) -> FileNetwork:
    """The network of an .npz file; of a run's folder, the network in its best.npz. Raises
    DataError."""
    path = Path(path)
    if path.is_dir() or _is_checkpoint(path):
        saved = checkpoint.load(path)
        record = {
            "build": saved.build,
            "classes": saved.classes,
            "stored_size": saved.stored_size,
            "normalization": saved.normalization.arrays(),
            "words": saved.words,
        }
        layers = layers_of(saved.model)
        return FileNetwork("a checkpoint of this program", layers, record=record)
    with reading(path, "weights", "arrays named like conv1.weight fit"), ArrayFile(path) as file:
        others = [name for name, header in file.headers.items() if header.dtype.kind not in "fiu"]
        if others:
            raise DataError(f"its array {printable(others[0])} is not of numbers")
        layers = layers_of({name: file.read(name) for name in file.headers})
    return FileNetwork("arrays in an .npz file", layers, spec=spec_of(layers))


def _is_checkpoint(path):
    """Whether the file has a record. A file that cannot be read has none; the caller finds out."""
    try:
        with ArrayFile(path) as file:
            return "record" in file.headers
    except (OSError, ValueError):
        return False
