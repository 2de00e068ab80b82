"""The layers of a Keras model from its configuration, in the order in which it computes them.

Keras describes a model as JSON: the class of each layer and the arguments that made it. A
Sequential model lists its layers in order; a functional one also says whose output each layer
reads. Both forms are read here, of Keras 2 and 3. A description may name any class and may hold
programs (Lambda): nothing of it is called, and a class that is not one of Keras' own is refused
where it is needed (keras_layers.py).

Source: keras-team/keras, keras/src/models/sequential.py and functional.py (get_config),
keras/src/saving/serialization_lib.py.
"""

import json
import re
from dataclasses import dataclass

from alexnet.errors import DataError
from alexnet.formats.keras_arrays import shown
from alexnet.weights import record as records
from alexnet.weights.record import LARGEST_IMAGE, short

MOST_LAYERS = 1_000
SIZE = records.whole(1, 1 << 20)
_KERAS = ("keras", "tf_keras")  # modules of Keras' own layers


@dataclass(frozen=True)
class KerasLayer:
    """A layer as the configuration has it.

    name      as the user or Keras called it
    kind      its class: Conv2D, Dense, ...
    settings  the arguments that made it
    group     the name under which Keras 3 saves its arrays: its class, counted
    sources   the names of the layers whose outputs it reads; None in a Sequential model
    """

    name: str
    kind: str
    settings: dict
    group: str
    sources: tuple[str, ...] | None

    def pair(self, name: str, default=None) -> tuple[int, int]:
        """A setting that is a size for rows and columns: one number or two. Raises DataError."""
        value = listed(self.settings.get(name, default))
        both = value if isinstance(value, list) else [value] * 2
        records.check(f"{shown(self.name)}: {name}", both, records.pair(SIZE))
        return tuple(both)

    def flag(self, name: str) -> bool:
        """A setting that is true or false; true if it is left out. Raises DataError."""
        value = self.settings.get(name, True)
        records.check(f"{shown(self.name)}: {name}", value, records.TRUTH)
        return value


def listed(value):
    """A list where Keras 3 writes {"class_name": "__tuple__", "items": a list}."""
    return value.get("items") if isinstance(value, dict) else value


def parse(text: str) -> tuple[list[KerasLayer], int | None]:
    """(the layers in order, rows and columns of the input or None). Raises DataError for a
    description that is none, is of no chain of layers, or has layers of classes not Keras' own."""
    try:
        model = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"its description of the model is no JSON ({error})") from error
    kind, config = _field(model, "class_name", str), model.get("config")
    if kind not in ("Sequential", "Functional", "Model"):
        raise DataError(f"it holds a model of class {short(kind)}; Sequential and Functional fit")
    rows = config if isinstance(config, list) else _field(config, "layers", list)
    if not rows or len(rows) > MOST_LAYERS:
        raise DataError(f"its model has {len(rows):,} layers")
    layers, counts = [], {}
    for row in rows:
        layers.append(_layer(row, kind == "Sequential", counts))
    if len({layer.name for layer in layers}) < len(layers):
        raise DataError("two layers of its model have one name")
    if kind != "Sequential":
        layers = _chain(layers)
    shape = next((s for s in map(_input_shape, layers) if s), None)
    if shape is None and isinstance(config, dict):  # of a Sequential model without an InputLayer
        shape = config.get("build_input_shape")
    return layers, _square(shape)


def _field(value, name, kind):
    found = value.get(name) if isinstance(value, dict) else None
    if not isinstance(found, kind):
        raise DataError(f"its description of the model has {short(found)} for {name}")
    return found


def _layer(row, sequential, counts):
    kind, settings = _field(row, "class_name", str), _field(row, "config", dict)
    name = settings.get("name", row.get("name"))
    if not isinstance(name, str) or not name:
        raise DataError(f"a layer of class {short(kind)} has the name {short(name)}")
    module, registered = row.get("module"), row.get("registered_name")
    own = module is None or (isinstance(module, str) and module.split(".")[0] in _KERAS)
    if not own or registered not in (None, kind):
        raise DataError(
            f"{shown(name)} is of class {short(registered or kind)}, which is not one of Keras' own"
        )
    # Keras 3: Conv2D is conv2d, the second conv2d_1; MaxPooling2D is max_pooling2d.
    group = re.sub("([a-z])([A-Z])", r"\1_\2", re.sub("(.)([A-Z][a-z]+)", r"\1_\2", kind)).lower()
    counts[group] = counts.get(group, -1) + 1
    group = f"{group}_{counts[group]}" if counts[group] else group
    sources = None if sequential else _sources(name, _field(row, "inbound_nodes", list))
    return KerasLayer(name, kind, settings, group, sources)


def _sources(name, nodes):
    """The names of the layers that a layer of a functional model reads."""
    if not nodes:
        return ()
    node = nodes[0]
    if isinstance(node, dict):  # Keras 3: a call with tensors as arguments
        tensors = _field(node, "args", list)
        histories = [
            _field(_field(tensor, "config", dict), "keras_history", list) for tensor in tensors
        ]
    else:  # Keras 2: [[name, call, output, arguments], ...]
        calls = node if isinstance(node, list) else []
        histories = [calls] if calls and isinstance(calls[0], str) else calls
    names = [h[0] for h in histories if isinstance(h, list) and h and isinstance(h[0], str)]
    if len(nodes) > 1 or len(names) != 1:
        raise DataError(
            f"{shown(name)} is called {len(nodes)} times with {len(names)} "
            "inputs; the layers of an AlexNet form one chain"
        )
    return tuple(names)


def _chain(layers):
    """The layers of a functional model in the order of computation."""
    readers = {}
    for layer in layers:
        readers.setdefault(layer.sources[0] if layer.sources else None, []).append(layer)
    ordered, name = [], None
    while name in readers:
        following = readers.pop(name)
        if len(following) > 1:
            others = " and ".join(shown(layer.name) for layer in following[:2])
            raise DataError(f"its layers form no chain: {others} read the same")
        ordered += following
        name = following[0].name
    if len(ordered) < len(layers):
        raise DataError("its layers form no chain")
    return ordered


def _input_shape(layer):
    settings = layer.settings  # Keras 3 and 2; Keras 2 has it in the first layer of any class too
    return settings.get("batch_shape") or settings.get("batch_input_shape")


def _square(shape):
    """Rows and columns of images of shape (N, rows, columns, 3), or None if they may vary."""
    shape = listed(shape)
    if shape is None or (isinstance(shape, list) and shape[1:3] == [None, None]):
        return None
    if not isinstance(shape, list) or len(shape) != 4:
        raise DataError(f"its input has the shape {short(shape)}, images fit")
    rows, columns = shape[1:3]
    if type(rows) is not int or rows != columns or not 1 <= rows <= LARGEST_IMAGE:
        raise DataError(
            f"its input has {short(rows)} x {short(columns)} pixels; squares of up to "
            f"{LARGEST_IMAGE} fit"
        )
    return rows
