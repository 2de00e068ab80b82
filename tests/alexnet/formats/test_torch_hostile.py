"""Files of torch.save that attack their reader, or are damaged."""

import io
import os
import pickle
import struct
import subprocess
import sys
import textwrap
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from alexnet.errors import DataError
from alexnet.formats import torch_file, torch_pickle
from tests.alexnet.formats.hostile_pickles import ATTACKS, DEEP, MARKER, global_, text
from tests.alexnet.formats.torch_by_hand import (
    ARRAYS,
    PICKLE,
    archive,
    chain,
    holds_arrays,
    read,
    storages,
)


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


STORAGE = (
    b"(" + text("storage") + global_("torch", "FloatStorage") + text("0") + text("cpu")
    + b"M\x2c\x01tQ"
)  # fmt: skip


def tensor(offset=b"K\x00", shape=b"(K\x0fK\x14t", strides=b"(K\x14K\x01t", storage=STORAGE):
    """A program for conv1's numbers as a (15, 20) matrix, with one argument changed."""
    function = global_("torch._utils", "_rebuild_tensor_v2")
    return function + b"(" + storage + offset + shape + strides + b"\x89}tR"


def storage(*parts):
    return b"(" + b"".join(parts) + b"tQ"


KEY, FLOATS = text("0") + text("cpu"), global_("torch", "FloatStorage")
REBUILD = global_("torch._utils", "_rebuild_tensor_v2")
HUGE = b"\x8a\x08" + struct.pack("<q", 1 << 62)
TENSORS = {
    "a negative offset": (tensor(offset=b"J\xff\xff\xff\xff"), "no number from 0"),
    "a negative stride": (tensor(strides=b"(J\xff\xff\xff\xffK\x01t"), "no number from 0"),
    "a negative size": (tensor(shape=b"(J\xff\xff\xff\xffJ\xff\xff\xff\xfft"), "no number from 0"),
    "a huge size": (tensor(shape=b"(" + HUGE + HUGE + b"t"), "no number from 0"),
    "a huge stride": (tensor(strides=b"(" + HUGE + b"K\x01t"), "no number from 0"),
    "an offset that is a truth": (tensor(offset=b"\x88"), "no number from 0"),
    "a size that is a float": (tensor(shape=b"(G?\xf0\0\0\0\0\0\0K\x01t"), "no number from 0"),
    "a size that is a list": (tensor(shape=b"(K\x0fK\x14l"), "needs a tuple and finds a list"),
    "an offset too large": (tensor(offset=b"K\x01"), "reads beyond or repeats the 300 elements"),
    "a stride too large": (tensor(strides=b"(K\x15K\x01t"), "reads beyond or repeats"),
    "a size too large": (tensor(shape=b"(K\x10K\x14t"), "reads beyond or repeats"),
    "a number repeated": (tensor(shape=b"(K\x7fK\x7ft", strides=b"(K\0K\0t"), "reads beyond or re"),
    "fewer strides": (tensor(strides=b"(K\x01t"), "2 sizes and 1 strides"),
    "70 axes": (tensor(b"K\0", 2 * (b"(" + 70 * b"K\x01" + b"t"), b""), "70 sizes and 70 strides"),
    "a long size": (tensor(shape=b"(" + 9_999 * b"N" + b"t"), "9999 sizes"),
    "no storage": (tensor(storage=b"N"), "needs a Storage and finds a NoneType"),
    "a tensor of tensors": (tensor(storage=tensor()), "needs a Storage and finds a Tensor"),
    "few arguments": (REBUILD + b")R", "arguments"),
    "defaults of a function": (
        REBUILD + b"}" + text("__defaults__") + b")sb", "attributes of a StandIn",
    ),
    "a state for a tensor": (tensor() + b"}" + text("offset") + b"K\x01sb", "attributes of a Ten"),
    "a state for a storage": (STORAGE + b"}" + text("count") + b"Nsb", "attributes of a Storage"),
    "a parameter of nothing": (
        global_("torch._utils", "_rebuild_parameter") + b"(N\x88NtR", "needs a Tensor",
    ),
    "a call of a storage type": (FLOATS + b")R", "calls torch.FloatStorage"),
    "a persistent number": (b"K\x01Q", "no storage of a tensor"),
    "a persistent text": (b"P../../etc/passwd\n", "no storage of a tensor"),
    "persistent tuples of two tuples": (b")" + 60 * b"2\x86" + b"Q", "no storage of a tensor"),
    "tuples of two tuples as a key of a storage": (
        storage(text("storage"), FLOATS, b")" + 60 * b"2\x86", text("cpu"), b"K\x01"),
        "needs a str",
    ),
    "a persistent model": (storage(text("module"), FLOATS, KEY, KEY), "a whole model with its sou"),
    "a storage of no type": (storage(text("storage"), b"N", KEY, b"K\x01"), "needs a StandIn"),
    "a storage of a function": (storage(text("storage"), REBUILD, KEY, b"K\x01"), "unknown type"),
    "a storage of negative count": (
        storage(text("storage"), FLOATS, KEY, b"J\xff\xff\xff\xff"), "unknown type or count",
    ),
    "a storage of huge count": (storage(text("storage"), FLOATS, KEY, HUGE), "type or count"),
    "a storage of a view": (
        storage(text("storage"), FLOATS, KEY, b"M\x2c\x01(NNNt"), "view of another one",
    ),
    "a storage with a long key": (
        storage(text("storage"), FLOATS, text(101 * "0") + text("cpu"), b"K\x01"), "more than 100",
    ),
    "a storage of two types": (
        STORAGE + storage(text("storage"), global_("torch", "HalfStorage"), KEY, b"M\x2c\x01")
        + b"\x86", "two types or sizes",
    ),
    "a dict of no pairs": (
        global_("collections", "OrderedDict") + b"(((NNNlltR", "a list that is no pairs",
    ),
    "a dict of tuples of two tuples": (
        global_("collections", "OrderedDict") + b"(((" + b")" + 60 * b"2\x86" + b"NlltR",
        "tuple as a key",
    ),
}  # fmt: skip


def inside(program):
    """A pickle in which a tensor of a state dict is the value of this program."""
    return b"\x80\x02}" + text("conv1.weight") + program + b"s."


@pytest.mark.parametrize("form", [archive, chain])
@pytest.mark.parametrize("what", ATTACKS | TENSORS)
def test_an_attack_is_an_error_that_names_the_reason(form, what):
    program, reason = (ATTACKS | TENSORS)[what]
    with pytest.raises(DataError, match=f"a.pth cannot be read as a PyTorch .*{reason}"):
        read(form(inside(program)))
    assert not Path(MARKER).exists()


def test_a_list_that_becomes_many_dicts_takes_no_time():
    ordered = global_("collections", "OrderedDict")
    pairs = b"(" + b"".join(b"(K\x01Nl" for _ in range(10_000)) + b"l"
    program = b"(" + ordered + b"q\x00" + pairs + b"\x85q\x01" + 10_000 * b"h\x00h\x01R" + b"t"
    start = time.perf_counter()
    with pytest.raises(DataError, match="no dict of tensors"):
        read(archive(b"}K\x01" + program + b"s."))
    assert time.perf_counter() - start < 8  # 100 million pairs take longer


def test_a_dict_that_is_the_value_of_many_keys_takes_no_time():
    items = b"".join(text(str(n)) + b"h\x01" for n in range(10_000)) + text("last") + b"N"
    shared = tensor() + b"q\x010}(" + items + b"uq\x020"
    program = (
        shared + b"}(" + b"".join(b"M" + struct.pack("<H", n) + b"h\x02" for n in range(20_000))
    )
    start = time.perf_counter()
    with pytest.raises(DataError, match="no dict of tensors; its keys are 0, 1, 2"):
        read(archive(program + b"u."))
    assert time.perf_counter() - start < 8  # 200 million looks at a tensor take longer


def test_the_instructions_of_a_pickle_are_counted(monkeypatch):
    monkeypatch.setattr(torch_pickle, "_MOST_INSTRUCTIONS", 1_000)
    assert holds_arrays(read(archive(PICKLE)))
    with pytest.raises(DataError, match="more than 1,000 instructions"):
        read(archive(1_000 * b"N" + b"."))


def marked(name, flag):
    """An archive whose member of this name has a flag, in its own header and in the directory."""
    data = bytearray(archive(PICKLE))
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = data.index(signature)
        while name.encode() not in data[start : start + 60]:
            start = data.index(signature, start + 1)
        data[start + place] |= flag
    return bytes(data)


def doubled():
    file = io.BytesIO(archive(PICKLE))
    with pytest.warns(UserWarning), zipfile.ZipFile(file, "a") as opened:
        opened.writestr("a/data/0", ARRAYS["conv1.weight"].tobytes())
    return file.getvalue()


def claiming(size):
    """An archive whose storage 0 claims this size."""
    data = bytearray(archive(PICKLE))
    place = data.rindex(b"a/data/0")
    data[place - 46 + 20 : place - 46 + 28] = struct.pack("<II", size, size)
    return bytes(data)


def repeated(count):
    """Tensors that share one storage, each as large as it."""
    items = b"".join(text(f"a{n}.weight") + tensor() + b"s" for n in range(count))
    return b"\x80\x02}" + items + b"."


WHOLE = {f"data/{n}": a.tobytes() for n, a in enumerate(ARRAYS.values())}
FILES = {
    "nothing": (lambda: b"", "it is empty"),
    "text": (lambda: b"hello", "torch.save writes no such file"),
    "a tar archive": (lambda: 257 * b"a" + b"ustar", "a tar archive"),
    "another pickle": (lambda: pickle.dumps({"a": 1}, 4), "none that torch.save writes"),
    "a zip archive": (lambda: archive(b"").replace(b"data.pkl", b"date.pkl"), "0 members called"),
    "two pickles": (lambda: archive(PICKLE, WHOLE | {"b/data.pkl": b"N."}), "2 members called"),
    "a lost storage": (lambda: archive(PICKLE, {}), "lacks a/data/0"),
    "a key that climbs": (
        lambda: archive(PICKLE.replace(text("0"), text("../../b")), WHOLE), r"lacks a/data/\.\./",
    ),
    "a short storage": (
        lambda: archive(PICKLE, WHOLE | {"data/1": b"1234"}), "storage 1 has 4 bytes, where 4 elem",
    ),
    "a long storage": (lambda: archive(PICKLE, WHOLE | {"data/1": 99 * b"1"}), "99 bytes, 16 fit"),
    "an encrypted storage": (lambda: marked("data/1", 1), "member a/data/1 is encrypted"),
    "an encrypted pickle": (lambda: marked("data.pkl", 1), "member a/data.pkl is encrypted"),
    "a member twice": (doubled, "a/data/0 is in it more than once"),
    "another compression": (
        lambda: archive(PICKLE, compression=zipfile.ZIP_BZIP2), "compressed by method 12",
    ),
    "a storage that claims more than the file": (lambda: claiming(1 << 30), "members overlap"),
    "a storage that claims other bytes": (lambda: claiming(1000), "CRC|Overlapped|overlap"),
    "a bomb": (
        lambda: archive(PICKLE, WHOLE | {"data/3": (80 << 20) * b"\0"}, zipfile.ZIP_DEFLATED),
        "compressed members claim 83,8",
    ),
    "a bomb of a pickle": (
        lambda: archive((20 << 20) * b"(", WHOLE, zipfile.ZIP_DEFLATED), "16,777,216 fit",
    ),
    "tensors that share a storage": (lambda: archive(repeated(20)), "repeat the numbers"),
    "tensors that share a storage in a chain": (
        lambda: chain(repeated(20), ["0"], storages({"a": ARRAYS["conv1.weight"]})), "repeat the",
    ),
    "another magic number": (lambda: chain(PICKLE, magic=1), "none that torch.save writes"),
    "another protocol": (lambda: chain(PICKLE, protocol=1002), "another protocol"),
    "a lost key": (lambda: chain(PICKLE, ["0", "1"]), "list of storages differs"),
    "another key": (lambda: chain(PICKLE, ["0", "1", "2", "3"]), "list of storages differs"),
    "a key twice": (lambda: chain(PICKLE, ["0", "1", "2", "2"]), "list of storages differs"),
    "keys that are numbers": (lambda: chain(PICKLE, [0, 1, 2]), "no list of the keys"),
    "another count": (
        lambda: chain(PICKLE, data=b"\x2d" + storages()[1:]),
        "storage 0 should have 300 elements, and has 301",
    ),
    "a huge count": (
        lambda: chain(PICKLE, data=8 * b"\xff" + storages()[8:]), "has 18,446,744,073,709,551,615",
    ),
    "a short chain": (lambda: chain(PICKLE)[:-1], "storage 2 should .* the file is cut short"),
    "no storages": (lambda: chain(PICKLE, data=b""), "storage 0 should have 300 elements"),
}  # fmt: skip


@pytest.mark.parametrize("what", FILES)
def test_a_forged_file_is_an_error_that_names_the_reason(what):
    make, reason = FILES[what]
    with pytest.raises(DataError, match=f"a.pth cannot be read as a PyTorch .*{reason}"):
        read(make())


@pytest.mark.parametrize("form", [archive, chain])
def test_a_file_cut_anywhere_is_an_error(form):
    whole = form(PICKLE)
    for end in [*range(0, 400, 7), *range(400, len(whole), 97)]:
        with pytest.raises(DataError, match="a.pth cannot be read"):
            read(whole[:end])


def test_a_missing_file_a_folder_and_a_pipe_are_named():
    os.mkfifo("pipe")
    for name, reason in (("none", "No such file"), (".", "not a file"), ("pipe", "not a file")):
        with pytest.raises(DataError, match=reason):
            torch_file.read(name)
    with pytest.raises(DataError, match=r"\\x1b\[2J.pth cannot be read"):
        torch_file.read("\x1b[2J.pth")


def damaged():
    """300 files with changed bytes, in any place and in their pickles."""
    generator = np.random.default_rng(1)
    whole = [archive(PICKLE), chain(PICKLE), archive(PICKLE, compression=zipfile.ZIP_DEFLATED)]
    for number in range(300):
        data = bytearray(whole[number % 3])
        high = len(data) if number % 2 else 900
        for place in generator.integers(0, high, 1 + number % 4):
            data[place] = generator.integers(0, 256)
        yield bytes(data)


def test_attacks_and_damage_take_little_memory_and_end_no_process():
    """All files above and damaged ones, in a process of 1 GiB of addresses without PyTorch."""
    programs = [program for program, _ in (ATTACKS | TENSORS).values()] + list(DEEP.values())
    mains = [inside(program) for program in programs] + [p + b"." for p in DEEP.values()]
    files = [archive(main) for main in mains]
    files += [archive(199_000 * b"\x8f" + b".")]  # empty sets, which take the most memory
    files += [make() for make, _ in FILES.values()] + list(damaged())
    Path("files").write_bytes(pickle.dumps(files))
    program = """
        import pickle, resource, sys
        from alexnet.errors import DataError
        from alexnet.formats import torch_file
        from tests.alexnet.data.memory import peak_bytes
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
        files = pickle.load(open("files", "rb"))
        before, read = peak_bytes(), 0
        for data in files:
            open("a.pth", "wb").write(data)
            try:
                torch_file.read("a.pth")
                read += 1
            except DataError:
                pass
        print(peak_bytes() - before, read)
        assert "torch" not in sys.modules
    """
    environment = {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True, text=True, timeout=120, env=os.environ | environment,
    )  # fmt: skip
    assert done.returncode == 0, (done.returncode, done.stderr)
    memory, read = map(int, done.stdout.split())
    assert memory < 100 << 20 and read < 200
    assert not Path(MARKER).exists()
