"""The instructions of a pickle, read one by one from its bytes.

An instruction is a byte and an argument, whose form the byte tells. No length that an argument
names is believed before it is compared with the data.

Source: CPython's Lib/pickletools.py.
"""

import pickle
import struct

# The argument of each instruction: a line of text, two lines, a struct format of a number, or
# "bytes" and the format of the number of bytes that follow.
_FORMS = {
    "line": "INT LONG FLOAT STRING UNICODE PERSID GET PUT",
    "lines": "GLOBAL INST",
    "<B": "PROTO BININT1 BINGET BINPUT",
    "<H": "BININT2",
    "<i": "BININT",
    "<I": "LONG_BINGET LONG_BINPUT",
    "<Q": "FRAME",
    ">d": "BINFLOAT",
    "bytes <B": "LONG1 SHORT_BINSTRING SHORT_BINBYTES SHORT_BINUNICODE",
    "bytes <i": "LONG4 BINSTRING",
    "bytes <I": "BINBYTES BINUNICODE",
    "bytes <Q": "BINBYTES8 BINUNICODE8 BYTEARRAY8",
}
_ARGUMENTS = {getattr(pickle, name): form for form, all in _FORMS.items() for name in all.split()}


class Program:
    """The instructions of the pickle that starts at this byte: take() and argument() pass over
    what they return. place is the next byte.

    data  the bytes of the file
    Errors are pickle.UnpicklingError, ValueError and struct.error.
    """

    def __init__(self, data: bytes, start: int):
        self.data, self.place = data, start

    def argument(self, code):
        """The argument of this instruction, as it stands in the data."""
        form = _ARGUMENTS.get(code)
        if form is None:
            return None
        if form == "line":
            return self._line()
        if form == "lines":
            return self._line().decode("utf-8"), self._line().decode("utf-8")
        number_form = form.removeprefix("bytes ")
        (number,) = struct.unpack(number_form, self.take(struct.calcsize(number_form)))
        return number if number_form == form else self.take(number)

    def take(self, count):
        """The next bytes of the data."""
        self.check_rest(count)
        self.place += count
        return self.data[self.place - count : self.place]

    def check_rest(self, count):
        left = len(self.data) - self.place
        if not 0 <= count <= left:
            raise pickle.UnpicklingError(
                f"an instruction needs {count:,} bytes at byte {self.place:,}, where {left:,} are"
            )

    def _line(self):
        end = self.data.index(b"\n", self.place)
        line, self.place = self.data[self.place : end], end + 1
        return line
