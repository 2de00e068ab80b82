"""The machine that runs pickles: the same values as Python's own, in bounded time and memory."""

import pickle
import time
from collections import OrderedDict

import pytest

from alexnet.data.pickle_machine import StandIn, run

PLAIN = {
    "numbers": [0, 1, -1, 255, 256, 65_536, -(2**31), 2**31, 2**70, -(2**70), 1.5, -0.25],
    "text": ["", "a", "ä\ud800", "\n\\u0041\\", 300 * "b", 70_000 * "c"],
    "bytes": [b"d", 300 * b"e"],
    "nested": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [[]], {1: {b"f": None}, 2: False}),
}


def find(module, name):
    """Stand-ins for what Python's protocols 0 to 2 need for bytes and sets."""
    functions = {
        "_codecs.encode": lambda text, encoding: text.encode(encoding),
        "builtins.set": set, "__builtin__.set": set,
        "builtins.frozenset": frozenset, "__builtin__.frozenset": frozenset,
        "builtins.bytearray": bytearray, "__builtin__.bytearray": bytearray,
        "collections.OrderedDict": dict,
        "argparse.Namespace": None,
    }  # fmt: skip
    return StandIn(f"{module}.{name}", functions[f"{module}.{name}"])


@pytest.mark.parametrize("protocol", range(6))
def test_plain_data_are_what_pickle_loads(protocol):
    shared = [1]
    content = PLAIN | {"twice": [shared, shared], "set": {1, "a"}, "frozen": frozenset((None,))}
    loaded, end = run(pickle.dumps(content, protocol) + b"rest", 1_000, find)
    assert loaded == content and loaded["twice"][0] is loaded["twice"][1]
    assert end == len(pickle.dumps(content, protocol))


def test_strings_of_python_2_are_bytes():
    program = b"(S'a\\xff\\n'\nS\"it's\"\nU\x01\xfeT\x02\x00\x00\x00bcL12L\nI01\nF1.5\nt."
    assert run(program, 100, find)[0] == (b"a\xff\n", b"it's", b"\xfe", b"bc", 12, True, 1.5)
    assert run(b"(S'a\\xc3\\xa4'\nU\x01bt.", 9, find, encoding="utf-8")[0] == ("aä", "b")


@pytest.mark.parametrize("protocol", range(6))
def test_a_subclass_of_dict_is_a_dict_without_its_attributes(protocol):
    content = OrderedDict(a=1)
    content.extra = "dropped"
    assert run(pickle.dumps(content, protocol), 100, find)[0] == {"a": 1}


def test_a_second_program_begins_where_the_first_ended():
    data = pickle.dumps([1], 2) + pickle.dumps("b", 2)
    first, end = run(data, 10, find)
    assert (first, run(data, 10, find, start=end)) == ([1], ("b", len(data)))


def test_persistent_ids_go_to_the_reader():
    assert run(b"Pa b\n.", 10, find, persistent=str.upper)[0] == "A B"
    assert run(b"X\x01\x00\x00\x00cQ.", 10, find, persistent=str.upper)[0] == "C"
    with pytest.raises(pickle.UnpicklingError, match="instruction b'Q'"):
        run(b"NQ.", 10, find)


@pytest.mark.parametrize(
    "program, reason",
    [
        (b"}" + b")" + 100 * b"2\x86" + b"Ns.", "tuple as a key"),
        (b"\x8f()" + 100 * b"2\x86" + b"\x90.", "tuple as a key"),
        (b"()" + 100 * b"2\x86" + b"\x91.", "tuple as a key"),
        (b"}G?\xf0\x00\x00\x00\x00\x00\x00Ns.", "float as a key"),  # 2.0 ** (61 * n) have one hash
        (b"}\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x1fNs.", "int as a key"),  # and 2 ** 61 - 1, ...
        (b"r\xff\xff\xff\x7f.", "."),
        (b"Nr\xff\xff\xff\x7f.", "larger than its length"),
        (b"\x8b\xff\xff\xff\xff.", "needs -1 bytes"),
        (b"cargparse\nNamespace\n)R.", "calls argparse.Namespace"),
        (b"cbuiltins\nset\n(" + 21 * b"N" + b"tR.", "calls builtins.set with many arguments"),
        (b"N)R.", "calls a NoneType"),
        (b"cbuiltins\nset\n}R.", "needs a tuple and finds a dict"),
        (b"cbuiltins\nset\n)}U\x01aNs\x92.", "arguments with names"),
        (b"cbuiltins\nset\n}U\x01aNsb.", "sets attributes of a StandIn"),
        (b"N}b.", "sets attributes of a NoneType"),
        (b"NNa.", "needs a list and finds a NoneType"),
        (b"(NNNu.", "."),
        (b"}(Nu.", "a key without a value"),
        (b"\x82\x01.", "instruction"),
        (b"Sabc\n.", "without quotes"),
        (b"N", "needs 1 bytes"),
        (301 * b"N" + b".", "more than 300 instructions"),
    ],
)
def test_a_program_that_no_pickle_of_plain_data_is(program, reason):
    start = time.perf_counter()
    with pytest.raises((pickle.UnpicklingError, LookupError), match=reason):
        run(program, 300, find)
    assert time.perf_counter() - start < 1
