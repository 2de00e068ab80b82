"""Load a pickle of NumPy arrays without a call of any function that the pickle names.

A pickle is a program for a stack machine. Some of its instructions name a function and call it.
NumPy's functions that rebuild an array trust their arguments: others than NumPy writes corrupt
memory. So the functions are our own here. They check their arguments and make arrays of whole
numbers from bytes. Before the program runs, its instructions are counted and the lengths that they
name are compared with the file's, so that a short file cannot take much memory.

Source: CPython's Lib/pickletools.py for the instructions; numpy/_core/src/multiarray/methods.c
(array_reduce, array_setstate) and numpy/_core/numeric.py (_frombuffer) for the arguments.
"""

import io
import pickle
import pickletools

import numpy as np

_WHOLE_NUMBERS = {kind + size for kind in "iu" for size in "1248"}


def load(data: bytes, most_instructions: int) -> dict:
    """The pickle's dict; its values are arrays of whole numbers, lists, strings, numbers, ...

    data               the file's content, of any protocol, by Python 2 or 3
    most_instructions  a longer program is refused
    Strings of Python 2 arrive as bytes. An array is read-only if the pickle holds bytes. Raises
    pickle.UnpicklingError for other contents and nearly any other exception for a damaged pickle.
    """
    _check_instructions(data, most_instructions)
    content = _Unpickler(data).load()
    if not isinstance(content, dict):
        raise pickle.UnpicklingError(f"it holds a {type(content).__name__}, no dict")
    return {
        name: value.array if isinstance(value, _Array) else value for name, value in content.items()
    }


def _check_instructions(data, most):
    # genops raises ValueError for an unknown instruction and for one that is longer than the data.
    for number, (instruction, argument, _) in enumerate(pickletools.genops(data)):
        # The unpickler allocates a table up to the largest number of a PUT.
        if number > most or (instruction.name.endswith("PUT") and argument > most):
            raise pickle.UnpicklingError(f"it has more than {most:,} instructions")


class _Unpickler(pickle.Unpickler):
    def __init__(self, data):
        super().__init__(io.BytesIO(data), encoding="bytes")
        functions = _Functions(len(data))
        self._stand_ins = {
            ("numpy", "ndarray"): _Array,
            ("numpy", "dtype"): _Type,
            ("_codecs", "encode"): functions.encode,
        }
        for core in ("numpy.core", "numpy._core"):  # NumPy 1 and 2
            self._stand_ins[f"{core}.multiarray", "_reconstruct"] = functions.reconstruct
            self._stand_ins[f"{core}.numeric", "_frombuffer"] = functions.frombuffer

    def find_class(self, module, name):
        try:
            return self._stand_ins[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it refers to {module}.{name}, no array") from None


class _Functions:
    """The functions that a pickle may call. They are methods, whose attributes a pickle cannot set,
    and not the unpickler's own, since it keeps them: that cycle would hold the file's bytes."""

    def __init__(self, characters):
        self._characters_left = characters

    def reconstruct(self, kind, shape, code):
        """Stands for numpy's _reconstruct."""
        return _Array()  # its __setstate__ fills it

    def frombuffer(self, data, dtype, shape, order):
        """Stands for numpy's _frombuffer."""
        return _Array().fill(data, dtype, shape, order)

    def encode(self, text, encoding):
        """Stands for _codecs.encode: Python 3 writes bytes into pickles of protocols 0 to 2 as text
        and this call."""
        self._characters_left -= len(text)  # a program could encode the same text again and again
        if encoding != "latin1" or self._characters_left < 0:
            raise pickle.UnpicklingError("it holds bytes as text in another way than Python does")
        return text.encode("latin1")


class _Type:
    """Stands for numpy.dtype."""

    __slots__ = ("code", "order")

    def __init__(self, code, align=False, copy=True):
        code = code.decode("ascii") if isinstance(code, bytes) else code
        if code not in _WHOLE_NUMBERS:
            raise pickle.UnpicklingError(f"it holds an array of {code!r}, no whole numbers")
        self.code, self.order = code, "="

    def __setstate__(self, state):
        order = state[1]
        self.order = order.decode("ascii") if isinstance(order, bytes) else order
        if self.order not in ("<", ">", "=", "|"):
            raise pickle.UnpicklingError(f"{self.order!r} is no order of bytes")


class _Array:
    """Stands for numpy.ndarray."""

    __slots__ = ("array",)

    def fill(self, data, dtype, shape, order):
        if not isinstance(data, bytes | bytearray):
            raise pickle.UnpicklingError("it holds an array that is not made of bytes")
        numbers = np.frombuffer(data, dtype.order + dtype.code)
        self.array = numbers.reshape([int(size) for size in shape], order=order)
        return self

    def __setstate__(self, state):
        _, shape, dtype, fortran, data = state
        self.fill(data, dtype, shape, "F" if fortran else "C")
