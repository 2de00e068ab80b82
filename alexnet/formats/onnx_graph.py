"""An ONNX graph: who makes a value, who uses it, which values are constants.

A constant is an initializer, or what Constant and ConstantOfShape make, or one of these behind
Identity, Cast, Transpose, Squeeze and Unsqueeze. It is computed when a layer asks for it.

Source: onnx/onnx, docs/IR.md and docs/Operators.md.
"""

import math
from pathlib import Path

import numpy as np

from alexnet.errors import DataError
from alexnet.formats.onnx_tensors import array_of, dimensions
from alexnet.weights.record import short

_MOST_IN_ALL = 1 << 29  # numbers of all layers together: 2 GiB of float32, eight AlexNets
_MOST_FOLDS = 8  # nodes between a constant and its user; each may copy the array
_FOLDED = ("Identity", "Cast", "Transpose", "Squeeze", "Unsqueeze")
_CASTS = {1: np.float32, 6: np.int64, 7: np.int64, 10: np.float16, 11: np.float64}
_INT, _FLOAT, _STRING, _INTS = 2, 1, 3, 7  # AttributeProto.AttributeType


def title(node) -> str:
    """A node for a message: its name and operator."""
    name = node.name or (node.output[0] if node.output else "")
    return f"node {short(name)} ({short(node.op_type)[1:-1]})"


def attributes(node, **defaults) -> dict:
    """The attributes of a node: these names, each of its default's kind (int, float, str, list of
    int). Raises DataError for another name, another kind, and for a float that is not finite.

    A float32 becomes the shortest decimal number that rounds to it, 1e-4 and not
    0.0000999999974737875.
    """
    values, kinds = dict(defaults), {int: _INT, float: _FLOAT, str: _STRING, list: _INTS}
    seen = set()
    for entry in node.attribute:
        name = entry.name
        if name not in defaults or name in seen:
            reason = "twice" if name in seen else "which an AlexNet does not need"
            raise DataError(f"it has the attribute {short(name)} {reason}")
        seen.add(name)
        kind = kinds[type(defaults[name])]
        if entry.type != kind or entry.ref_attr_name:
            raise DataError(f"its attribute {name} is of another kind than ONNX says")
        if kind == _FLOAT:
            values[name] = shortest(np.float32(entry.f))
            if not math.isfinite(values[name]):
                raise DataError(f"its attribute {name} is {entry.f}")
        else:
            texts = entry.s.decode("utf-8", "replace")
            values[name] = {_INT: entry.i, _INTS: list(entry.ints), _STRING: texts}[kind]
    return values


def shortest(number: np.floating) -> float:
    """The float with the fewest digits that rounds to this float32 or float64."""
    return float(str(number))


class Graph:
    """The nodes of a GraphProto by the values that they make and use.

    folder  where external data must lie
    Raises DataError for a value that is made twice.
    """

    def __init__(self, graph, folder: Path):
        self._folder = folder
        self._tensors = {tensor.name: tensor for tensor in graph.initializer}
        self._makers, self._users = {}, {}
        self._left = _MOST_IN_ALL
        self.inputs = [entry for entry in graph.input if entry.name not in self._tensors]
        self.outputs = [entry.name for entry in graph.output]
        made = {entry.name for entry in self.inputs} | self._tensors.keys()
        if len(self._tensors) != len(graph.initializer):
            raise DataError("two of its initializers have the same name")
        for node in graph.node:
            for name in filter(None, node.output):
                if name in made:
                    raise DataError(f"{title(node)} makes {short(name)}, which exists already")
                made.add(name)
                self._makers[name] = node
            for name in set(node.input):
                self._users.setdefault(name, []).append(node)

    def users(self, value: str) -> list:
        """The nodes that compute with this value; to read its shape (Shape) does not count."""
        return [node for node in self._users.get(value, []) if node.op_type != "Shape"]

    def weights(self, name: str) -> np.ndarray:
        """A constant of floating type. Raises DataError, as constant does."""
        array = self.constant(name)
        if array.dtype.kind != "f":
            raise DataError(f"{short(name)} holds whole numbers, should be floating")
        return array

    def constant(self, name: str) -> np.ndarray:
        """The constant of this name, C-contiguous: float32, float64 or int64. Raises DataError for
        a value that is none, or that is too large."""
        value, folds = name, []
        while value not in self._tensors:
            node = self._makers.get(value)
            if node is None or len(folds) > _MOST_FOLDS:
                raise DataError(f"its input {short(name)} must be a constant, and is none")
            if node.op_type not in _FOLDED or not node.input:
                break
            folds.append(node)
            value = node.input[0]
        try:
            array = self._base(value)
            for node in reversed(folds):
                array = self._fold(node, array)
        except DataError as error:
            raise DataError(f"its input {short(name)} cannot be used: {error}") from error
        return np.ascontiguousarray(array).reshape(array.shape)  # 0-d stays 0-d

    def _base(self, value):
        if value in self._tensors:
            return self._read(self._tensors[value])
        node = self._makers[value]
        if node.op_type == "Constant" and len(node.attribute) == 1:
            entry = node.attribute[0]
            match entry.name:
                case "value":
                    return self._read(entry.t)
                case "value_float":
                    return np.array(entry.f, np.float32)
                case "value_int":
                    return np.array(entry.i, np.int64)
                case "value_floats":
                    return np.array(entry.floats, np.float32)
                case "value_ints":
                    return np.array(entry.ints, np.int64)
        if node.op_type == "ConstantOfShape" and len(node.input) == 1:
            return self._filled(node)
        raise DataError(f"{title(node)} makes no constant")

    def _read(self, tensor):
        self._take(dimensions(tensor.dims))
        return array_of(tensor, self._folder)

    def _filled(self, node):
        sizes = self._tensors.get(node.input[0])
        if sizes is None:
            raise DataError(f"the shape that {title(node)} makes is no constant")
        shape = dimensions(self._read(sizes).ravel()[:9])
        self._take(shape)
        tensors = [entry.t for entry in node.attribute if entry.name == "value"]
        value = self._read(tensors[0]) if tensors else np.zeros(1, np.float32)
        if value.size != 1:
            raise DataError(f"{title(node)} repeats {value.size} numbers, should be one")
        return np.full(shape, value.ravel()[0])

    def _take(self, shape):
        """Count the numbers, before memory is taken: nodes can refer to the same bytes again and
        again."""
        self._left -= math.prod(shape)
        if self._left < 0:
            raise DataError(f"the network's layers have more than {_MOST_IN_ALL:,} numbers")

    def _fold(self, node, array):
        match node.op_type:
            case "Identity":
                return array
            case "Cast":
                to = attributes(node, to=0, saturate=1, round_mode="up")["to"]
                if to not in _CASTS or array.dtype.kind != np.dtype(_CASTS[to]).kind:
                    raise DataError(f"{title(node)} changes it to ONNX's data type {to}")
                with np.errstate(over="ignore"):
                    array = array.astype(_CASTS[to])
                return array.astype(np.float32) if to == 10 else array
            case "Transpose":
                axes = attributes(node, perm=[])["perm"] or list(range(array.ndim))[::-1]
                if sorted(axes) != list(range(array.ndim)):
                    raise DataError(f"{title(node)} has the impossible perm {short(axes)}")
                return array.transpose(axes)
        return self._reshaped(node, array)

    def _reshaped(self, node, array):
        """Squeeze and Unsqueeze."""
        axes = self.axes(node)
        try:
            if node.op_type == "Squeeze":
                return np.squeeze(array, tuple(axes) if axes else None)
            return np.expand_dims(array, tuple(axes))
        except (ValueError, IndexError, OverflowError) as error:
            raise DataError(f"{title(node)} has the axes {short(axes)}: {error}") from error

    def axes(self, node) -> list[int]:
        """The axes of Squeeze or Unsqueeze: an attribute before opset 13, an input since."""
        axes = attributes(node, axes=[])["axes"]
        if len(node.input) > 1 and node.input[1]:
            tensor = self._small(node.input[1])
            axes = [int(axis) for axis in tensor.ravel()]
        if len(axes) > 8:
            raise DataError(f"{title(node)} has {len(axes)} axes")
        return axes

    def _small(self, name):
        """A constant without folds, so that no chain of them calls itself."""
        if name not in self._tensors and name not in self._makers:
            raise DataError(f"{short(name)} is no constant")
        return self._base(name)

    def target(self, name: str) -> list[int]:
        """The shape to which a Reshape brings its input; 0 where it copies the number of images.

        Exporters that leave this number free compute it:
        Concat(Unsqueeze(Gather(Shape(x), 0)), -1).
        """
        maker = self._makers.get(name)
        if maker is None or maker.op_type != "Concat":
            return [int(size) for size in self.constant(name).ravel()[:9]]
        sizes = []
        for part in maker.input[:9]:
            sizes += [0] if self._is_batch(part) else self.constant(part).ravel()[:9].tolist()
        return sizes

    def _is_batch(self, name):
        """Whether the value is the first size of another value: the number of images. A layer keeps
        this number, so it does not matter whose size it is."""
        for _ in range(4):
            node = self._makers.get(name)
            if node is None or not node.input:
                return False
            operator, name = node.op_type, node.input[0]
            if operator == "Shape":
                options = attributes(node, start=0, end=99)
                return (options["start"], options["end"]) == (0, 1)
            if operator in ("Gather", "Slice"):
                maker = self._makers.get(name)
                bounds = [self._small(entry).ravel().tolist() for entry in node.input[1:]]
                first = bounds == [[0]] if operator == "Gather" else bounds[:2] == [[0], [1]]
                whole = maker is not None and maker.op_type == "Shape" and not maker.attribute
                return first and whole
            if operator not in ("Unsqueeze", "Cast", "Identity"):
                return False
        return False
