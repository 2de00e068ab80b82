"""Pickles of arrays: what NumPy writes is read, and nothing that a pickle names is called."""

import os
import pickle
import struct
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from alexnet.data import array_pickle

ARRAYS = [
    np.arange(12, dtype=np.uint8).reshape(3, 4),
    np.asfortranarray(np.arange(12, dtype=np.uint8).reshape(3, 4)),
    np.array([1, -2, 30_000], np.int16),
    np.array([7, 2**40], ">i8"),
]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype.str}{array.shape}")
def test_an_array_that_numpy_wrote_is_read(protocol, array):
    content = {b"data": array, "labels": [1, 2], b"rest": (None, "text", b"bytes", 1.5)}
    loaded = array_pickle.load(pickle.dumps(content, protocol), 200)
    np.testing.assert_array_equal(loaded[b"data"], array)
    assert loaded[b"data"].dtype == array.dtype
    assert loaded["labels"] == [1, 2] and loaded[b"rest"] == (None, "text", b"bytes", 1.5)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("dtype", ["f4", "f8", "O", "?", "c8", "S3", "U2", "M8[s]", "u1,i2", "V4"])
def test_arrays_of_anything_but_whole_numbers_are_refused(protocol, dtype):
    data = pickle.dumps({"data": np.zeros(3, dtype)}, protocol)
    with pytest.raises(pickle.UnpicklingError, match="no whole numbers|refers to"):
        array_pickle.load(data, 200)


def global_(module, name):
    return f"c{module}\n{name}\n".encode()


def dict_of(value):
    return b"}U\x04data" + value + b"s."


DTYPE, ARRAY = global_("numpy", "dtype"), global_("numpy", "ndarray")
U1 = DTYPE + b"(U\x02u1I0\nI1\ntR"
RECONSTRUCT = global_("numpy.core.multiarray", "_reconstruct")
ENCODE = global_("_codecs", "encode")
EMPTY = RECONSTRUCT + b"(" + ARRAY + b"(I0\ntU\x01btR"
OBJECTS = DTYPE + b"(U\x02O8I0\nI1\ntR"
STATES = {
    "no tuple": b"I1\n",
    "too short": b"(I1\nt",
    "text in place of bytes": b"(I1\n(I1\nt" + U1 + b"I0\nVa\nt",
    "more numbers than bytes": b"(I1\n(I9\nt" + U1 + b"I0\nU\x03abct",
    "a negative size": b"(I1\n(I-3\nI-1\nt" + U1 + b"I0\nU\x03abct",
    "a number in place of the type": b"(I1\n(I3\ntI3\nI0\nU\x03abct",
    "a class in place of the type": b"(I1\n(I3\nt" + DTYPE + b"I0\nU\x03abct",
    "too many axes": b"(I1\n(" + 70 * b"I1\n" + b"t" + U1 + b"I0\nU\x01at",
}
FORGED = {
    "ndarray called over a buffer of pointers": ARRAY
    + b"((I2\nt"
    + OBJECTS
    + b"U\x10AAAAAAAABBBBBBBBtR",
    "an array of objects from bytes": EMPTY + b"(I1\n(I1\nt" + OBJECTS + b"I0\nU\x08AAAAAAAAtb",
    "an order of bytes": U1 + b"(I3\nU\x01xNNNI-1\nI-1\nI0\ntb",
    "a type of a type": DTYPE + b"(" + DTYPE + b"tR",
    "a state for the class": DTYPE + b"(I3\nU\x01|NNNI-1\nI-1\nI0\ntb",
    "an attribute of the class": ARRAY + b"(N}U\x0c__setstate__I1\nstb",
    "default arguments of a function": ENCODE + b"(N}U\x0c__defaults__(I1\ntstb",
    "another text encoding": ENCODE + b"(Vabc\nVutf-16\ntR",
    "_reconstruct with another class": RECONSTRUCT + b"(cbuiltins\ndict\n(I0\ntU\x01btR",
    "tuples of two tuples as a key": b"}" + b")" + 60 * b"2\x86" + b"Ns",
    "a type that is tuples of two tuples": DTYPE + b"(" + b")" + 60 * b"2\x86" + b"tR",
    "an import": global_("os", "system") + b"(Vtrue\ntR",
    "an import by a stack": b"\x8c\x02os\x8c\x06system\x93(Vtrue\ntR",
    "an extension": b"\x82\x01",
    "a persistent object": b"Pdata\n",
    "nothing": b"",
} | {f"an array's state: {what}": EMPTY + state + b"b" for what, state in STATES.items()}
MEMORY = {
    "a large number in the memo": b"}r\xff\xff\xff\x7f.",
    "a large number as text": b"}p2147483647\n.",
    "a long string": b"\x80\x04\x8e" + struct.pack("<q", 2 << 30) + b"a.",
    "a long array of bytes": b"\x80\x05\x96" + struct.pack("<q", 2 << 30) + b"a.",
    "a long text": b"\x80\x04\x8d" + struct.pack("<q", 2 << 30) + b"a.",
    "a long number": b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b"a.",
    "a long frame": b"\x80\x04\x95" + struct.pack("<q", 2 << 40) + b"}.",
    "many dicts": b"(" + 1_000_000 * b"}" + b"t.",
    "one text encoded again and again": dict_of(
        b"V" + 100_000 * b"a" + b"\np0\n0" + ENCODE + b"p1\n0Vlatin1\np2\n0("
        + 200 * b"g1\n(g0\ng2\ntR" + b"t"
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", FORGED)
def test_a_forged_pickle_is_refused(what):
    before = dict(vars(array_pickle._Array)), dict(vars(array_pickle._Type))
    with pytest.raises(Exception) as raised:  # noqa: B017 (a damaged pickle raises nearly anything)
        content = array_pickle.load(dict_of(FORGED[what]), 1_000)
        raise AssertionError(f"it was read: {content}")
    assert not isinstance(raised.value, AssertionError | MemoryError), raised.value
    assert (dict(vars(array_pickle._Array)), dict(vars(array_pickle._Type))) == before


@pytest.mark.parametrize("what", MEMORY)
def test_a_short_pickle_takes_little_memory(what):
    assert len(MEMORY[what]) < 2_000_000
    with pytest.raises(Exception) as raised:  # noqa: B017
        array_pickle.load(MEMORY[what], 20_000)
    assert not isinstance(raised.value, MemoryError)


def test_damaged_pickles_end_no_process_and_take_little_memory(tmp_path):
    """300 pickles with flipped bits, cuts and foreign instructions, and all of those above, in a
    process of 1 GiB of addresses."""
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (20, 96), np.uint8)
    whole = [
        pickle.dumps({b"data": pixels, b"labels": list(range(20))}, protocol)
        for protocol in (0, 2, 4, 5)
    ]
    damaged = [dict_of(forged) for forged in FORGED.values()] + list(MEMORY.values())
    for number in range(300):
        data = bytearray(whole[number % 4])
        for place in generator.integers(0, min(len(data), 250), 1 + number % 3):
            data[place] = generator.integers(0, 256)
        damaged.append(bytes(data[: generator.integers(len(data))] if number % 5 == 0 else data))
    (tmp_path / "pickles").write_bytes(pickle.dumps(damaged))
    program = f"""
        import pickle, resource
        from alexnet.data import array_pickle
        from tests.alexnet.data.memory import peak_bytes
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
        before = peak_bytes()
        for data in pickle.load(open({str(tmp_path / "pickles")!r}, "rb")):
            try:
                array_pickle.load(data, 20_000)
            except MemoryError:
                raise
            except Exception:
                pass
        print(peak_bytes() - before)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True, text=True, timeout=120, cwd=Path(__file__).parents[3],
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, (done.returncode, done.stderr)
    assert int(done.stdout) < 64 << 20


@pytest.mark.parametrize(
    "state",
    [
        b"(I3\nU\x01|NNNI8\nI1\nI63\nt",  # flags of a type that holds objects
        b"(I3\nU\x01|N(U\x01at}U\x01a(" + U1 + b"I99\ntsI1\nI1\nI0\nt",  # a field outside it
    ],
)
def test_the_forged_state_of_a_type_changes_nothing_but_the_order_of_bytes(state):
    array = EMPTY + b"(I1\n(I3\nt" + U1 + state + b"bI0\nU\x03abctb"
    loaded = array_pickle.load(dict_of(array), 1_000)[b"data"]
    assert loaded.dtype == np.uint8 and loaded.tolist() == [97, 98, 99]


def test_the_limit_counts_instructions():
    data = pickle.dumps({"labels": list(range(100))}, 4)
    assert len(array_pickle.load(data, 150)["labels"]) == 100
    with pytest.raises(pickle.UnpicklingError, match="more than 90 instructions"):
        array_pickle.load(data, 90)


def test_only_a_dict_is_an_object_of_ours():
    with pytest.raises(pickle.UnpicklingError, match="holds a list, no dict"):
        array_pickle.load(pickle.dumps([1, 2]), 100)
