"""Run a pickle's program without a call of anything that the program names.

A pickle is a program for a stack machine. Some of its instructions name a function or a class,
call it and set attributes of what it returns. Python's own unpickler imports what is named. Here a
name becomes a StandIn of the reader's choice, or an error: no module is imported, and a program
gets no object of Python's but numbers, text, bytes, lists, tuples, sets and dicts.

A program cannot take more time or memory than its length allows: its instructions are counted, no
length in it is believed before it is compared with the data (pickle_program.py), and keys of dicts
are numbers or text. (Python computes the hash of a tuple anew each time, so that a tuple of two
tuples of two tuples ... as a key would take for ever.)

Source: CPython's Lib/pickletools.py for the instructions, Lib/pickle.py for what they do.
"""

import codecs
import pickle
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from alexnet.data.names import printable
from alexnet.data.pickle_program import Program

_MOST_ARGUMENTS = 20  # of a call: a program could give a long tuple to many calls
_LARGEST_KEY = 1 << 60  # whole numbers below it have different hashes


@dataclass(frozen=True)
class StandIn:
    """What a pickle gets for a function or class that it names.

    name  module.name
    call  what its call computes; None: a pickle may name it, but not call it
    """

    name: str
    call: Callable | None = None


class Stateful(ABC):
    """What a StandIn's call may return, if the pickle then gives it a state."""

    @abstractmethod
    def set_state(self, state) -> None:
        """Take the argument of the instruction BUILD."""


def run(
    data: bytes,
    most_instructions: int,
    find: Callable[[str, str], StandIn],
    persistent: Callable[[object], object] | None = None,
    start: int = 0,
    encoding: str | None = None,
) -> tuple[object, int]:
    """What the program that starts at this byte makes, and the byte after its end.

    data               pickles of any protocol, by Python 2 or 3
    most_instructions  a longer program is refused
    find               the StandIn of (module, name); raises pickle.UnpicklingError for other names
    persistent         the object of a persistent id; None: a pickle with such ids is refused
    encoding           of the strings of Python 2; None: they become bytes
    Raises pickle.UnpicklingError for a forbidden instruction and nearly any other exception for a
    damaged program.
    """
    program = Program(data, start)
    machine = _Machine(program, find, persistent, encoding)
    for _ in range(most_instructions):
        code = program.take(1)
        if code == pickle.STOP:
            return machine.stack.pop(), program.place
        machine.step(code, program.argument(code))
    raise pickle.UnpicklingError(f"it has more than {most_instructions:,} instructions")


class _Machine:
    """stack holds the objects above the last MARK, below holds the stacks under each MARK."""

    def __init__(self, program, find, persistent, encoding):
        self.program, self._encoding = program, encoding
        self._find, self._persistent = find, persistent
        self.stack, self._below, self._memo = [], [], {}

    def _memo_number(self, argument):
        number = int(argument)
        if not 0 <= number <= len(self.program.data):  # each takes an instruction
            raise pickle.UnpicklingError("it keeps a value under a number larger than its length")
        return number

    def step(self, code, argument):
        """Run one instruction."""
        stack = self.stack
        match code:
            # --- numbers, text and the memo
            case pickle.BININT | pickle.BININT1 | pickle.BININT2 | pickle.BINFLOAT:
                stack.append(argument)
            case pickle.BINUNICODE | pickle.SHORT_BINUNICODE | pickle.BINUNICODE8:
                stack.append(str(argument, "utf-8", "surrogatepass"))
            case pickle.PUT | pickle.BINPUT | pickle.LONG_BINPUT:
                self._memo[self._memo_number(argument)] = stack[-1]
            case pickle.MEMOIZE:
                self._memo[len(self._memo)] = stack[-1]
            case pickle.GET | pickle.BINGET | pickle.LONG_BINGET:
                stack.append(self._memo[int(argument)])
            case pickle.BINSTRING | pickle.SHORT_BINSTRING:
                stack.append(self._string(argument))
            case pickle.BINBYTES | pickle.SHORT_BINBYTES | pickle.BINBYTES8:
                stack.append(argument)
            case pickle.BYTEARRAY8:
                stack.append(bytearray(argument))
            case pickle.NONE:
                stack.append(None)
            case pickle.NEWTRUE | pickle.NEWFALSE:
                stack.append(code == pickle.NEWTRUE)
            case pickle.LONG1 | pickle.LONG4:
                stack.append(int.from_bytes(argument, "little", signed=True))
            case pickle.INT:
                stack.append(argument == b"01" if argument in (b"00", b"01") else int(argument))
            case pickle.LONG:
                stack.append(int(argument.removesuffix(b"L")))
            case pickle.FLOAT:
                stack.append(float(argument))
            case pickle.STRING:
                stack.append(self._string(codecs.escape_decode(_unquoted(argument))[0]))
            case pickle.UNICODE:
                stack.append(str(argument, "raw-unicode-escape"))
            # --- the stack
            case pickle.MARK:
                self._below.append(stack)
                self.stack = []
            case pickle.POP:
                if stack:
                    stack.pop()
                else:
                    self._to_mark()
            case pickle.POP_MARK:
                self._to_mark()
            case pickle.DUP:
                stack.append(stack[-1])
            case pickle.PROTO:
                pass
            case pickle.FRAME:
                self.program.check_rest(argument)
            # --- tuples, lists, dicts, sets
            case pickle.EMPTY_TUPLE:
                stack.append(())
            case pickle.TUPLE1 | pickle.TUPLE2 | pickle.TUPLE3:
                count = 1 + (pickle.TUPLE1 + pickle.TUPLE2 + pickle.TUPLE3).index(code)
                stack.append(tuple(self._pop(count)))
            case pickle.TUPLE:
                self._push(tuple(self._to_mark()))
            case pickle.EMPTY_LIST:
                stack.append([])
            case pickle.LIST:
                self._push(self._to_mark())
            case pickle.APPEND:
                value = stack.pop()
                checked(stack[-1], list).append(value)
            case pickle.APPENDS:
                values = self._to_mark()
                checked(self.stack[-1], list).extend(values)
            case pickle.EMPTY_DICT:
                stack.append({})
            case pickle.DICT:
                self._push(set_items({}, self._to_mark()))
            case pickle.SETITEM:
                pair = self._pop(2)
                set_items(stack[-1], pair)
            case pickle.SETITEMS:
                pairs = self._to_mark()
                set_items(self.stack[-1], pairs)
            case pickle.EMPTY_SET:
                stack.append(set())
            case pickle.ADDITEMS:
                values = self._to_mark()
                checked(self.stack[-1], set).update(map(_key, values))
            case pickle.FROZENSET:
                self._push(frozenset(map(_key, self._to_mark())))
            # --- what the program names
            case pickle.GLOBAL:
                stack.append(self._find(*argument))
            case pickle.STACK_GLOBAL:
                module, name = self._pop(2)
                stack.append(self._find(checked(module, str), checked(name, str)))
            case pickle.REDUCE | pickle.NEWOBJ:
                stack.append(_call(*self._pop(2)))
            case pickle.NEWOBJ_EX:
                function, arguments, named = self._pop(3)
                if checked(named, dict):
                    raise pickle.UnpicklingError("it makes an object from arguments with names")
                stack.append(_call(function, arguments))
            case pickle.INST:
                arguments = self._to_mark()
                self._push(_call(self._find(*argument), tuple(arguments)))
            case pickle.OBJ:
                function, *arguments = self._to_mark()
                self._push(_call(function, tuple(arguments)))
            case pickle.BUILD:
                state = stack.pop()
                _set_state(stack[-1], state)
            case pickle.PERSID | pickle.BINPERSID if self._persistent:
                identity = str(argument, "ascii") if code == pickle.PERSID else stack.pop()
                stack.append(self._persistent(identity))
            case _:
                raise pickle.UnpicklingError(
                    f"it has the instruction {code!r}, which no pickle of plain data needs"
                )

    def _string(self, text):
        return text if self._encoding is None else str(text, self._encoding)

    def _push(self, value):
        """After _to_mark has changed the stack."""
        self.stack.append(value)

    def _pop(self, count):
        """The last values of the stack."""
        values = self.stack[-count:]
        if len(values) < count:
            raise pickle.UnpicklingError("an instruction finds too few values")
        del self.stack[-count:]
        return values

    def _to_mark(self):
        """The values above the last MARK, which is taken away."""
        values, self.stack = self.stack, self._below.pop()
        return values


def _unquoted(text):
    if len(text) < 2 or text[:1] != text[-1:] or text[:1] not in (b"'", b'"'):
        raise pickle.UnpicklingError("it holds a string without quotes")
    return text[1:-1]


def checked(value, kind):
    """The value, if it is of this class. Raises pickle.UnpicklingError."""
    if type(value) is not kind:
        raise pickle.UnpicklingError(
            f"an instruction needs a {kind.__name__} and finds a {type(value).__name__}"
        )
    return value


def _key(value):
    """The value, if it may be a key of a dict."""
    small = type(value) is int and abs(value) < _LARGEST_KEY
    if not small and type(value) not in (str, bytes, bool, type(None)):
        raise pickle.UnpicklingError(
            f"it has a {type(value).__name__} as a key, where text and whole numbers fit"
        )
    return value


def set_items(target: dict, values: list) -> dict:
    """Set target[values[0]] = values[1], and so on; keys are checked."""
    if len(values) % 2:
        raise pickle.UnpicklingError("it has a key without a value")
    for key, value in zip(values[::2], values[1::2], strict=True):
        checked(target, dict)[_key(key)] = value
    return target


def _call(function, arguments):
    if not isinstance(function, StandIn):
        raise pickle.UnpicklingError(f"it calls a {type(function).__name__}")
    if function.call is None:
        raise pickle.UnpicklingError(f"it calls {printable(function.name)}")
    if len(checked(arguments, tuple)) > _MOST_ARGUMENTS:
        raise pickle.UnpicklingError(f"it calls {printable(function.name)} with many arguments")
    return function.call(*arguments)


def _set_state(target, state):
    """Only a Stateful takes a state. A dict's is the attributes of a subclass of dict: dropped."""
    if isinstance(target, Stateful):
        target.set_state(state)
    elif type(target) is not dict:
        raise pickle.UnpicklingError(f"it sets attributes of a {type(target).__name__}")
