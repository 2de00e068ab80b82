"""Load a pickle of NumPy arrays without a call of any function that the pickle names.

NumPy's functions that rebuild an array trust their arguments: others than NumPy writes corrupt
memory. So the functions are our own here. They check their arguments and make arrays of numbers
from bytes. pickle_machine.py runs the pickle's program.

Source: numpy/_core/src/multiarray/methods.c (array_reduce, array_setstate) and
numpy/_core/numeric.py (_frombuffer) for the arguments.
"""

import pickle
from dataclasses import dataclass

import numpy as np

from alexnet.data.pickle_machine import StandIn, Stateful, checked, run

WHOLE_NUMBERS = {kind + size for kind in "iu" for size in "1248"}
FLOATS = {"f2", "f4", "f8"}


def load(data: bytes, most_instructions: int) -> dict:
    """The pickle's dict; its values are arrays of whole numbers, lists, strings, numbers, ...

    data               the file's content, of any protocol, by Python 2 or 3
    most_instructions  a longer program is refused
    Strings of Python 2 arrive as bytes. An array is read-only if the pickle holds bytes. Raises
    pickle.UnpicklingError for other contents and nearly any other exception for a damaged pickle.
    """
    functions = _Functions(len(data), WHOLE_NUMBERS)
    content, _ = run(data, most_instructions, functions.find)
    if not isinstance(content, dict):
        raise pickle.UnpicklingError(f"it holds a {type(content).__name__}, no dict")
    return {name: array_of(value) for name, value in content.items()}


def load_object(data: bytes, most_instructions: int) -> object:
    """The one object of an array without axes, as np.save writes any object that is no array.

    Arguments and errors are those of load. The arrays in the object may hold floats too; array_of
    gives them.
    """
    functions = _Functions(len(data), WHOLE_NUMBERS | FLOATS | {"O8", "O4", "O"})
    outer, _ = run(data, most_instructions, functions.find)
    objects = outer.objects if isinstance(outer, _Array) else None
    if objects is None or len(objects) != 1:
        raise pickle.UnpicklingError("it does not hold one array of one object")
    return objects[0]


def array_of(value):
    """The NumPy array, where a pickle's value is one, or the value."""
    return value.array if isinstance(value, _Array) and value.array is not None else value


def _text(value):
    """A word of NumPy's, which is bytes if Python 2 wrote it."""
    word = value.decode("ascii") if isinstance(value, bytes) else checked(value, str)
    return word[:20]  # for a message


class _Functions:
    """The functions that a pickle may call.

    characters  of the pickle
    codes       of the dtypes that fit
    """

    def __init__(self, characters, codes):
        self._characters_left, self._codes = characters, codes
        functions = {
            ("numpy", "ndarray"): None,
            ("numpy", "dtype"): self._dtype,
            ("_codecs", "encode"): self._encode,
        }
        for core in ("numpy.core", "numpy._core"):  # NumPy 1 and 2
            functions[f"{core}.multiarray", "_reconstruct"] = self._reconstruct
            functions[f"{core}.numeric", "_frombuffer"] = self._frombuffer
        self._functions = functions

    def find(self, module, name):
        """The StandIn of module.name."""
        if (module, name) not in self._functions:
            raise pickle.UnpicklingError(f"it refers to {module}.{name}, no array; nothing was run")
        return StandIn(f"{module}.{name}", self._functions[module, name])

    def _dtype(self, code, align=False, copy=True):
        """Stands for numpy.dtype."""
        code = _text(code)
        if code not in self._codes:
            fits = "numbers" if FLOATS <= self._codes else "whole numbers"
            raise pickle.UnpicklingError(f"it holds an array of {code!r}, no {fits}")
        return _Type(code)

    def _reconstruct(self, kind, shape, code):
        """Stands for numpy's _reconstruct."""
        return _Array()  # its state fills it

    def _frombuffer(self, data, dtype, shape, order):
        """Stands for numpy's _frombuffer."""
        return _Array().fill(data, dtype, shape, order)

    def _encode(self, text, encoding):
        """Stands for _codecs.encode: Python 3 writes bytes into pickles of protocols 0 to 2 as text
        and this call."""
        self._characters_left -= len(text)  # a program could encode the same text again and again
        if encoding != "latin1" or self._characters_left < 0:
            raise pickle.UnpicklingError("it holds bytes as text in another way than Python does")
        return text.encode("latin1")


@dataclass(eq=False)
class _Type(Stateful):
    """Stands for a numpy.dtype."""

    code: str
    order: str = "="

    def set_state(self, state):
        self.order = _text(state[1])
        if self.order not in ("<", ">", "=", "|"):
            raise pickle.UnpicklingError(f"{self.order!r} is no order of bytes")


@dataclass(eq=False)
class _Array(Stateful):
    """Stands for a numpy.ndarray: of numbers, or of objects in a list."""

    array: np.ndarray | None = None
    objects: list | None = None

    def fill(self, data, dtype, shape, order):
        """Take the numbers from bytes."""
        if not isinstance(data, bytes | bytearray):
            raise pickle.UnpicklingError("it holds an array that is not made of bytes")
        numbers = np.frombuffer(data, checked(dtype, _Type).order + dtype.code)
        self.array = numbers.reshape([int(size) for size in shape], order=order)
        return self

    def set_state(self, state):
        _, shape, dtype, fortran, data = state
        if checked(dtype, _Type).code.startswith("O"):
            self.objects = checked(data, list)
        else:
            self.fill(data, dtype, shape, "F" if fortran else "C")
