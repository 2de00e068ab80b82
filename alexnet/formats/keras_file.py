"""Read a network from a file of Keras, without Keras: .h5, .weights.h5 and .keras.

    .h5           Keras 2, whole model     groups model_weights/<layer>/<array>, JSON model_config
    .h5           Keras 2, weights         groups <layer>/<array>
    .weights.h5   Keras 3, weights         groups layers/<class>_<number>/vars/<0, 1, ...>
    .keras        Keras 3, whole model     a zip archive: config.json, model.weights.h5

A whole model has a description of its layers (keras_config.py, keras_layers.py), which gives a
complete network. Weights alone give the layers that have arrays: in the order of the file where it
has one, and else by their kinds and numbers. A file of weights does not say whether its maps are
(rows, columns, channels); Keras' default is assumed.

Source: keras-team/keras, keras/src/saving/saving_lib.py and
keras/src/legacy/saving/legacy_h5_format.py.
"""

import re
import zipfile
from itertools import zip_longest
from pathlib import Path

from alexnet.errors import DataError
from alexnet.formats import keras_arrays, keras_config, keras_layers
from alexnet.formats.hdf5 import HDF5File
from alexnet.formats.hdf5_attributes import LONGEST_TEXT
from alexnet.formats.keras_arrays import shown
from alexnet.formats.reading import reading
from alexnet.weights.file_network import FileNetwork
from alexnet.weights.record import short

# Keras 3 and TensorFlow's Keras 2.13 to 2.15.
_LAYERS = ("layers", "_layer_checkpoint_dependencies")
# Weights compress by about a tenth, and small files have empty places.
_MOST_COMPRESSED, _SMALL = 4, 1 << 20


def read(path: str | Path) -> FileNetwork:
    """The network in a file of Keras, with channels "rgb" and maps flattened as "hwc".

    Of weights alone, spec is "batch-norm" if five layers of batch normalisation are there, else
    "single-tower". Takes the memory of the arrays, for .keras twice. Raises UsageError if h5py is
    missing, and DataError for a file that is none of Keras, is damaged, holds a program (Lambda),
    or holds another network than a chain of the layers of AlexNets.
    """
    path = Path(path)
    with reading(path, "a file of Keras", "a whole .keras or .h5 file fits") as opened:
        if opened.read(4) == b"PK\x03\x04":
            return _from_archive(path, path.stat().st_size)
        with HDF5File(path) as file:
            return _from_hdf5(file)


# --- the four layouts -----------------------------------------------------------------------------


def _from_archive(path, size):
    try:
        with zipfile.ZipFile(path) as archive:
            config = _member(archive, "config.json", LONGEST_TEXT).decode("utf-8")
            weights = _member(archive, "model.weights.h5", _MOST_COMPRESSED * size + _SMALL)
    except (DataError, OSError):
        raise
    except Exception as error:  # a damaged archive can raise nearly anything in zipfile
        raise DataError(f"it is a damaged zip archive ({error})") from error
    layers, image_size = keras_config.parse(config)
    with HDF5File(weights) as file:
        groups = _layer_groups(file)
        if groups is None:
            raise DataError("its model.weights.h5 has no group layers")

        def arrays(layer, names):
            group = file.group(groups, layer.group, "vars")
            return _numbered(file, group, layer.name, names)

        return _network(keras_layers.convert(layers, arrays, image_size), image_size)


def _member(archive, name, most):
    if name not in archive.namelist():
        raise DataError(f"it is a zip archive without {name}, so no .keras file")
    if archive.getinfo(name).file_size > most:
        raise DataError(f"its {name} has {archive.getinfo(name).file_size:,} bytes, {most:,} fit")
    with archive.open(name) as member:
        return member.read(most)


def _from_hdf5(file):
    whole = file.group(file.root, "model_weights")
    groups = file.root if whole is None else whole
    config = file.texts(file.root, "model_config")
    if config is not None:
        layers, image_size = keras_config.parse(config[0] if len(config) == 1 else "")

        def arrays(layer, names):
            found = _named(file, groups, layer.name)
            if set(found) != set(names):
                raise DataError(
                    f"{shown(layer.name)} has the arrays {short(sorted(found))}, "
                    f"its settings need {', '.join(names)}"
                )
            return {name: file.array(*place) for name, place in found.items()}

        return _network(keras_layers.convert(layers, arrays, image_size), image_size)
    names = file.texts(groups, "layer_names")
    if names is not None:
        found = [(name, _named(file, groups, name)) for name in names]
        return _network([_by_names(file, name, places) for name, places in found if places])
    groups = _layer_groups(file)
    if groups is None:
        raise DataError("it is an HDF5 file without layer_names and layers, so none of Keras")
    return _network([_by_numbers(file, groups, name) for name in _ordered(file, groups)])


def _network(layers, image_size=None):
    if not any(layer.arrays for layer in layers):
        raise DataError("it has no layers with arrays")
    norms = sum(layer.kind == "BatchNorm2d" for layer in layers)
    complete = any(not layer.arrays for layer in layers)
    return FileNetwork(
        "a Keras model" if complete else "Keras weights",
        layers,
        complete=complete,
        flatten="hwc",
        spec=None if complete else "batch-norm" if norms == 5 else "single-tower",
        image_size=image_size,
    )


# --- Keras 2: arrays by their names ---------------------------------------------------------------


def _named(file, groups, layer):
    """{"kernel": (group, *names of the path to it), ...} of a layer, by its list of arrays."""
    group = file.group(groups, *(part for part in layer.split("/") if part))
    if group is None:
        raise DataError(f"it has no arrays of {shown(layer)}")
    places = {}
    for path in file.texts(group, "weight_names") or []:
        parts = [part for part in path.split("/") if part]
        if not parts:
            raise DataError(f"{shown(layer)} has an array without a name")
        name = parts[-1].partition(":")[0]  # conv2d/kernel:0 of Keras 2
        if name in places:
            raise DataError(f"{shown(layer)} has two arrays {short(name)}")
        places[name] = (group, *parts)
    return places


def _by_names(file, layer, places):
    arrays = {}
    for name, place in places.items():
        if name not in ("kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance"):
            raise DataError(f"{shown(layer)} has an array {short(name)}")
        arrays[name] = file.array(*place)
    if "kernel" in arrays and set(arrays) <= {"kernel", "bias"}:
        return _weighted(layer, arrays)
    if {"moving_mean", "moving_variance"} <= set(arrays) and "kernel" not in arrays:
        return keras_arrays.batch_norm(layer, arrays, {})
    raise DataError(f"{shown(layer)} has the arrays {', '.join(sorted(arrays))}")


def _weighted(layer, arrays):
    kernel, bias = arrays["kernel"], arrays.get("bias")
    if kernel.ndim == 2:
        return keras_arrays.dense(layer, kernel, bias)
    return keras_arrays.convolution(layer, kernel, bias, {})


# --- Keras 3: arrays by their numbers -------------------------------------------------------------


def _layer_groups(file):
    found = (file.group(file.root, name) for name in _LAYERS)
    return next((group for group in found if group is not None), None)


def _numbered(file, group, layer, names):
    """The arrays 0, 1, ... of a layer under these names."""
    stored = [] if group is None else file.names(group)
    if stored != [str(number) for number in range(len(names))]:
        raise DataError(
            f"{shown(layer)} has the arrays {short(stored)}, its settings need {', '.join(names)}"
        )
    return {name: file.array(group, str(number)) for number, name in enumerate(names)}


def _ordered(file, groups):
    """The names of the layers with arrays: each convolution before the batch normalisation of its
    number, then the fully connected layers."""
    numbers = {"conv2d": [], "batch_normalization": [], "dense": []}
    for name in file.names(groups):
        group = file.group(groups, name, "vars")
        if group is None or not file.names(group):
            continue
        kind, number = re.fullmatch(r"(.*?)(?:_(\d{1,4}))?", name, re.DOTALL).groups()
        if kind not in numbers:
            raise DataError(f"it has arrays of {shown(name)}")
        numbers[kind].append((int(number or 0), name))
    convolutions, norms, dense = ([name for _, name in sorted(numbers[kind])] for kind in numbers)
    if len(norms) > len(convolutions):
        raise DataError(
            f"it has {len(convolutions)} convolutions and {len(norms)} batch normalisations, and "
            "does not tell their order; a .keras file does"
        )
    pairs = zip_longest(convolutions, norms)
    return [name for pair in pairs for name in pair if name] + dense


def _by_numbers(file, groups, name):
    group = file.group(groups, name, "vars")
    count = len(file.names(group))
    if name.startswith("batch_normalization"):
        if count not in (2, 4):
            raise DataError(
                f"{shown(name)} has {count} arrays, and the file does not tell which; a "
                ".keras file does"
            )
        names = ["gamma", "beta", "moving_mean", "moving_variance"][4 - count :]
        return keras_arrays.batch_norm(name, _numbered(file, group, name, names), {})
    names = ["kernel", "bias"][:count]
    return _weighted(name, _numbered(file, group, name, names))
