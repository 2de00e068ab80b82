"""Read Caffe's weights from a NumPy file (.npy) that holds a pickled dict: nothing in it is run.

caffe-tensorflow and others wrote Caffe's AlexNet as np.save(file, {layer: [weights, biases]}), or
{layer: {"weights": ..., "biases": ...}}: an array without axes, of one object. Weights have
TensorFlow's layout:

    convolution      (rows, columns, in / groups, out)    ->    (out, in / groups, rows, columns)
    fully connected  (in, out)                            ->    (out, in)

The first fully connected layer takes the maps as (rows, columns, channels), and the first
convolution takes B, G, R as Caffe does: FileNetwork says so.

Source: ethereon/caffe-tensorflow, kaffe/transformers.py and kaffe/tensorflow/transformer.py.
"""

import os
from pathlib import Path

import numpy as np

from alexnet.data import array_pickle
from alexnet.data.names import printable
from alexnet.errors import DataError
from alexnet.formats.named_arrays import layers_of
from alexnet.formats.reading import reading
from alexnet.weights.file_network import FileNetwork
from tinynet.serialization import read_header

FORMAT = "Caffe weights in a NumPy dict"
_FITS = "np.save(FILE, {layer: [weights, biases]}) fits"
_MOST_INSTRUCTIONS = 20_000  # of a pickle; Caffe's AlexNet has 400
_MOST_BYTES = 4 << 30  # Python 2's first protocol writes Caffe's AlexNet as 0.7 GB
_PARTS = ("weights", "biases")


def read(path: str | Path) -> FileNetwork:
    """The network of this file.

    Layers named conv1, ..., fc8 are ordered by their numbers, others as in the dict. Raises
    DataError for every other content.
    """
    with reading(path, FORMAT, _FITS) as file:
        size = os.fstat(file.fileno()).st_size
        if size > _MOST_BYTES:
            raise DataError(f"it has {size:,} bytes; such files have fewer than {_MOST_BYTES:,}")
        _check_header(file)
        content = array_pickle.load_object(file.read(), _MOST_INSTRUCTIONS)
        layers = layers_of(_arrays(content, size))
        return FileNetwork(FORMAT, layers, channels="bgr", flatten="hwc", spec="caffe")


def _check_header(file):
    """Pass over the header of an array of one object."""
    shape, dtype = read_header(file, "it")
    if dtype.kind != "O" or shape != ():
        raise DataError(f"it holds an array of {dtype} {shape}, no dict")


def _arrays(content, size):
    """{"conv1.weights": array, ...} in this project's layout; size: of the file, in bytes."""
    if type(content) is not dict:
        raise DataError(f"it holds a {type(content).__name__}, no dict of layers")
    arrays = {}
    for key, value in content.items():
        layer = _text(key)
        for part, array in _parts(layer, array_pickle.array_of(value)):
            if f"{layer}.{part}" in arrays:
                raise DataError(f"its layer {printable(layer)} is in it twice")
            if not isinstance(array, np.ndarray):
                raise DataError(f"its layer {printable(layer)} has {part} that are no array")
            arrays[f"{layer}.{part}"] = _transposed(array) if part == "weights" else array
    if sum(array.nbytes for array in arrays.values()) > size:
        raise DataError("it repeats the numbers of its arrays")
    return arrays


def _parts(layer, value):
    """(weights or biases, array) of a layer: a list of them, or a dict by name."""
    if type(value) is dict:
        pairs = [(_text(part), array) for part, array in value.items()]
    elif type(value) in (list, tuple):
        if len(value) > 2:
            raise DataError(f"its layer {printable(layer)} has {len(value)} arrays, where 2 fit")
        pairs = list(zip(_PARTS, value, strict=False))
    else:
        raise DataError(f"its layer {printable(layer)} is a {type(value).__name__}, no list")
    unknown = [part for part, _ in pairs if part not in _PARTS]
    if unknown:
        raise DataError(f"its layer {printable(layer)} has {printable(unknown[0])}")
    return [(part, array_pickle.array_of(array)) for part, array in pairs]


def _transposed(weights):
    """A view with the outputs in front."""
    if weights.ndim not in (2, 4):
        raise DataError(f"it has weights {weights.shape}; (rows, columns, in, out), (in, out) fit")
    return weights.transpose(3, 2, 0, 1) if weights.ndim == 4 else weights.T


def _text(key):
    """A key as text: bytes if Python 2 wrote it."""
    if type(key) not in (str, bytes) or len(key) > 80:
        raise DataError("it has a key that is no name of a layer")
    return key.decode("utf-8") if isinstance(key, bytes) else key
