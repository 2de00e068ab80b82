"""Pickles that attack their reader, in instructions: what they do and the reason that is expected.

Each program leaves one value on the stack. Those that call something would make a file.
"""

import struct

MARKER = "pickle-was-run"  # the file, in the folder of the process


def text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def global_(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


_SHELL = b"(" + text(f"touch {MARKER}") + b"t"
_PYTHON = b"(" + text(f"open({MARKER!r}, 'w')") + b"t"
_OPEN = b"(" + text(MARKER) + text("w") + b"t"
_LAUGHS = b")" + 60 * b"2\x86"  # a tuple of two tuples of two tuples ...: 2 ** 60 ends


def _run(module, name, arguments):
    return global_(module, name) + arguments + b"R"


CALLS = {
    "os.system": _run("os", "system", _SHELL),
    "posix.system": text("posix") + text("system") + b"\x93" + _SHELL + b"R",
    "nt.system": _run("nt", "system", _SHELL),
    "builtins.eval": _run("builtins", "eval", _PYTHON),
    "__builtin__.eval": _run("__builtin__", "eval", _PYTHON),
    "builtins.exec": _run("builtins", "exec", _PYTHON),
    "builtins.open": _run("builtins", "open", _OPEN),
    "builtins.__import__": _run("builtins", "__import__", b"(" + text("antigravity") + b"t"),
    "subprocess.Popen": _run("subprocess", "Popen", b"((" + text("touch") + text(MARKER) + b"ltt"),
    "builtins.getattr": _run(
        "builtins",
        "getattr",
        b"(" + _run("builtins", "__import__", b"(" + text("os") + b"t") + text("system") + b"t",
    )
    + _SHELL
    + b"R",
    "os.mkdir": b"(" + text(MARKER) + b"ios\nmkdir\n",  # INST
    "os.makedirs": b"(" + global_("os", "makedirs") + text(MARKER) + b"o",  # OBJ
    "io.FileIO": global_("io", "FileIO") + _OPEN + b"\x81",  # NEWOBJ
    "_io.FileIO": global_("_io", "FileIO") + _OPEN + b"}\x92",  # NEWOBJ_EX
    "torch._utils.os.system": _run("torch._utils", "os.system", _SHELL),
    "torch.hub.load": _run("torch.hub", "load", _SHELL),
    "torch.load": _run("torch", "load", _SHELL),
    "numpy.load": _run("numpy", "load", _SHELL),
    "functools.partial": _run("functools", "partial", b"(" + text("x") + b"t"),
    "copyreg._reconstructor": global_("copyreg", "_reconstructor"),
    "pickle.loads": _run("pickle", "loads", b"(" + text("cos\nsystem\n(S'true'\ntR.") + b"t"),
}

PROGRAMS = {
    "EXT1": (b"\x82\x01", "instruction"),
    "EXT2": (b"\x83\x01\x01", "instruction"),
    "EXT4": (b"\x84\x01\x01\x01\x01", "instruction"),
    "a buffer out of band": (b"\x97", "instruction"),
    "an unknown instruction": (b"\xff", "instruction"),
    "a large number in the memo": (b"Nr\xff\xff\xff\x7f", "larger than its length"),
    "a large number in the memo, as text": (b"Np2147483647\n", "larger than its length"),
    "a number below 0 in the memo": (b"Np-1\n", "larger than its length"),
    "a number of many digits": (b"L" + 100_000 * b"9" + b"L\n", "digits"),
    "a value that is not in the memo": (b"h\x63", "99"),
    "long bytes": (b"B\xff\xff\xff\xff", "needs 4,294,967,295 bytes"),
    "longer bytes": (b"\x8e" + struct.pack("<Q", 1 << 62), "needs 4,611,686,"),
    "a long text": (b"\x8d" + struct.pack("<Q", 1 << 40), "needs 1,099,511,627,776 bytes"),
    "a long array of bytes": (b"\x96" + struct.pack("<Q", 1 << 40), "needs 1,099,511,627,776"),
    "a string of negative length": (b"T\xff\xff\xff\xff", "needs -1 bytes"),
    "a long number": (b"\x8b\xff\xff\xff\x7f", "needs 2,147,483,647 bytes"),
    "a long frame": (b"\x95" + struct.pack("<Q", 1 << 40) + b"}", "needs 1,099,511,627,776"),
    "an empty stack": (b"a", "."),
    "no mark": (b"t", "."),
    "a list as a key": (b"}]Ns", "list as a key"),
    "tuples of two tuples as a key": (b"}" + _LAUGHS + b"Ns", "tuple as a key"),
    "tuples of two tuples in a set": (b"\x8f(" + _LAUGHS + b"\x90", "tuple as a key"),
    "tuples of two tuples as a function": (_LAUGHS + b")R", "calls a tuple"),
    "tuples of two tuples as a name": (_LAUGHS + text("a") + b"\x93", "needs a str"),
    "numbers with one hash": (
        b"}(" + b"".join(b"\x8a\x09" + (n * (2**61 - 1)).to_bytes(9, "little") + b"N"
                         for n in range(1, 100)) + b"u", "int as a key",
    ),
    "a state for a number": (b"K\x01}b", "attributes of a int"),
    "a state for a class": (
        global_("numpy", "dtype") + b"}" + text("__reduce__") + text("x") + b"sb",
        "attributes of a StandIn",
    ),
    "a state with slots for a class": (
        global_("numpy", "dtype") + b"(N}" + text("call") + text("x") + b"stb",
        "attributes of a StandIn",
    ),
    "a call of a text": (text("os.system") + b")R", "calls a str"),
    "a call of a call": (global_("numpy", "dtype") + b"(" + text("f4") + b"tR" + b")R", "calls a"),
}  # fmt: skip
DEEP = {
    "a deep tuple": b")" + 15_000 * b"\x85",
    "a deep list": b"]q\x00" + 6_000 * b"]q\x01h\x00ah\x01q\x00",
    "a wide tuple": b"(" + 15_000 * b"}" + b"t",
    "tuples of two tuples": _LAUGHS,
}
ATTACKS = {
    f"a call of {name}": (program, f"{name}.*nothing was run") for name, program in CALLS.items()
} | PROGRAMS
