"""Run the pickle of a file of PyTorch: plain data in which tensors are descriptions.

PyTorch pickles a tensor as a call of torch._utils._rebuild_tensor_v2 with a storage, an offset, a
size and strides; a storage is a persistent id that says its key, type and number of elements. Its
bytes lie elsewhere in the file. Here the calls make a Tensor, which describes where the numbers
are; torch_file.py reads those that it needs. What a training script puts beside the weights
(argparse.Namespace, numbers of NumPy, paths) becomes an empty object.

Source: PyTorch's torch/_utils.py, torch/serialization.py and torch/_weights_only_unpickler.py.
"""

import math
import pickle
from dataclasses import dataclass

import numpy as np

from alexnet.data.pickle_machine import StandIn, Stateful, checked, run, set_items

MOST_BYTES = 16 << 20  # of a pickle; a state dict of 1,000 arrays has 200 kB
_MOST_INSTRUCTIONS = 200_000  # a state dict of 1,000 arrays has 35,000
_MOST_AXES = 8
_MOST = 1 << 48  # elements of a storage

# Storage types: the dtype of the stored numbers. bfloat16 is the upper half of a float32.
_STORAGES = {
    "FloatStorage": "f4",
    "DoubleStorage": "f8",
    "HalfStorage": "f2",
    "BFloat16Storage": "u2",
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
    "ComplexFloatStorage": "c8",
    "ComplexDoubleStorage": "c16",
}
_DTYPES = (
    "float16 float32 float64 bfloat16 half float double int8 int16 int32 int64 uint8 bool short "
    "int long complex64 complex128"
).split()


@dataclass(frozen=True)
class Storage:
    """The memory of one or more tensors.

    key    its name in the file
    kind   the type in PyTorch, FloatStorage, ...
    count  of elements, as the pickle claims
    """

    key: str
    kind: str
    count: int

    @property
    def dtype(self) -> np.dtype:
        """Of the stored elements, little-endian."""
        return np.dtype(_STORAGES[self.kind]).newbyteorder("<")

    @property
    def size(self) -> int:
        """In bytes."""
        return self.count * self.dtype.itemsize


@dataclass(frozen=True)
class Tensor:
    """A tensor: which elements of its storage, in steps of `strides` from `offset` on.

    Its elements lie within the storage's count, and are not more than that.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def __post_init__(self):
        axes, steps = len(checked(self.shape, tuple)), len(checked(self.strides, tuple))
        if axes != steps or axes > _MOST_AXES:
            raise pickle.UnpicklingError(
                f"a tensor has {axes} sizes and {steps} strides; the same number fits, up to "
                f"{_MOST_AXES}"
            )
        numbers = (self.offset, *self.shape, *self.strides)
        if not all(type(number) is int and 0 <= number < _MOST for number in numbers):
            raise pickle.UnpicklingError("a tensor's offset, size or stride is no number from 0")
        last = self.offset + sum(
            (size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True)
        )
        storage, elements = checked(self.storage, Storage), math.prod(self.shape)
        if elements and (last >= storage.count or elements > storage.count):
            raise pickle.UnpicklingError(
                f"a tensor of size {self.shape} and strides {self.strides} at {self.offset:,} "
                f"reads beyond or repeats the {storage.count:,} elements of storage {storage.key}"
            )


class Plain(Stateful):
    """What stands for an object that holds no weights: it is empty."""

    def set_state(self, state):
        pass


@dataclass(frozen=True)
class Loaded:
    """What a pickle holds.

    content   dicts, lists, tuples, numbers, text, Tensor and Plain
    storages  every storage that the pickle names, by its key
    end       the byte after the pickle
    """

    content: object
    storages: dict[str, Storage]
    end: int


def load(data: bytes, start: int = 0) -> Loaded:
    """Run the pickle that starts at this byte.

    Raises pickle.UnpicklingError for anything else that the pickle names, which is not run, and
    nearly any other exception for a damaged pickle.
    """
    storages = {}

    def persistent(identity):
        storage = _storage(identity)
        known = storages.setdefault(storage.key, storage)
        if known != storage:
            raise pickle.UnpicklingError(f"its storage {storage.key} has two types or sizes")
        return known

    content, end = run(data, _MOST_INSTRUCTIONS, _find, persistent, start, "utf-8")
    return Loaded(content, storages, end)


# --- what a pickle may name -----------------------------------------------------------------------


def _plain(*arguments):
    return Plain()


def _dict(items=None):
    """Stands for collections.OrderedDict, which Python 2 calls with [[key, value], ...]."""
    ordered = {}
    for pair in checked(items, list) if items is not None else []:
        if len(checked(pair, list)) != 2:
            raise pickle.UnpicklingError("it makes a dict from a list that is no pairs")
        set_items(ordered, pair)
    if items:
        items.clear()  # a program could make dicts of the same list again and again
    return ordered


def _counted(*arguments):
    return {}  # its items follow


def _tensor(storage, offset, shape, strides, *gradient):
    """Stands for _rebuild_tensor and _rebuild_tensor_v2; the rest is about the gradient."""
    return Tensor(storage, offset, shape, strides)


def _parameter(tensor, *gradient):
    return checked(tensor, Tensor)


def _size(sizes):
    return checked(sizes, tuple)


_FUNCTIONS = (
    {
        ("collections", "OrderedDict"): _dict,
        ("collections", "defaultdict"): _counted,
        ("collections", "Counter"): _counted,
        ("torch._utils", "_rebuild_tensor"): _tensor,
        ("torch._utils", "_rebuild_tensor_v2"): _tensor,
        ("torch._utils", "_rebuild_parameter"): _parameter,
        ("torch._utils", "_rebuild_parameter_with_state"): _parameter,
        ("torch", "Size"): _size,
        ("torch", "device"): _plain,
        ("argparse", "Namespace"): _plain,
        ("_codecs", "encode"): _plain,
        ("numpy", "dtype"): _plain,
    }
    | {(f"{core}.multiarray", "scalar"): _plain for core in ("numpy.core", "numpy._core")}
    | {
        (module, f"{system}Path"): _plain
        for module in ("pathlib", "pathlib._local")
        for system in ("", "Posix", "Windows")
    }
    | {
        (module, name): _plain
        for module in ("builtins", "__builtin__")
        for name in ("set", "frozenset", "complex", "range", "slice")
    }
    # these are named, and never called
    | {(module, name): None for module in ("builtins", "__builtin__") for name in ("dict", "list")}
    | {("torch", name): None for name in (*_STORAGES, *_DTYPES)}
)


def _find(module, name):
    if (module, name) not in _FUNCTIONS:
        raise pickle.UnpicklingError(
            f"its pickle names {module[:100]}.{name[:100]}, which no state dict needs; nothing was "
            "run. If the file holds a whole model, save model.state_dict() instead"
        )
    return StandIn(f"{module}.{name}", _FUNCTIONS[module, name])


def _storage(identity):
    """The Storage of a persistent id: ("storage", type, key, device, count), and in old files a
    view of another storage."""
    if type(identity) is tuple and identity[:1] == ("module",):
        raise pickle.UnpicklingError(
            "it holds a whole model with its source code; nothing was run. Save "
            "model.state_dict() instead"
        )
    if type(identity) is not tuple or len(identity) not in (5, 6) or identity[0] != "storage":
        raise pickle.UnpicklingError("a persistent id in its pickle is no storage of a tensor")
    _, kind, key, _, count, *view = identity
    name = checked(kind, StandIn).name.removeprefix("torch.")
    if name not in _STORAGES or type(count) is not int or not 0 <= count < _MOST:
        raise pickle.UnpicklingError("a persistent id in its pickle has an unknown type or count")
    if len(checked(key, str)) > 100:
        raise pickle.UnpicklingError("the key of a storage has more than 100 letters")
    if view not in ([], [None]):
        raise pickle.UnpicklingError("a storage is a view of another one, as before PyTorch 0.4")
    return Storage(key, name, count)
