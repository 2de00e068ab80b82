"""CUDA kernels on the processor: .cu files compiled by g++, their grids run block by block.

Each launch is checked more closely than on a GPU:

- Each argument is compared with the kernel's C parameter: a pointer's type, a number's size. A
  kernel that writes into a const array does not compile.
- Each array is copied between two protected pages. An access outside the array stops the kernel
  with an error that names the kernel and the array.
- Each launch runs twice: with threads and blocks in ascending order and the arrays next to the
  upper page, then in descending order and next to the lower page. Both must give the same bits.

host_cuda.h defines CUDA's keywords and functions, and lists the mistakes that are not detected.
"""

import ctypes
import hashlib
import mmap
import re
import signal
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from tests.gpu_on_cpu.device_arrays import DeviceArray
from tinynet.backends.cupy.device import launch

HEADER = Path(__file__).with_name("host_cuda.h")
FLAGS = "-std=c++17 -O1 -fPIC -shared -w -ffp-contract=off -U_FORTIFY_SOURCE".split()
TRAPS = ["-fsanitize=undefined", "-fsanitize-undefined-trap-on-error", "-fno-sanitize=vptr"]
PAGE = mmap.PAGESIZE
POINTED = {"f": np.float32, "d": np.float64, "i": np.int32, "q": np.int64, "B": np.uint8}


# --- compiling ------------------------------------------------------------------------------------


@cache
def load_library(file):
    """The compiled kernels of a .cu file. The library on disk is named after a hash of its text."""
    program = HEADER.read_text() + launch.source(file)
    names = _kernel_names(program)
    program += "".join(f"HOST_KERNEL({name})\n" for name in names)
    key = hashlib.sha256(" ".join([program, *FLAGS, *TRAPS]).encode()).hexdigest()[:16]
    folder = Path(__file__).parent / "__pycache__" / "host_kernels"
    library = folder / f"{Path(file).stem}-{key}.so"
    if not library.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as work:
            cpp, so = Path(work) / "kernels.cpp", Path(work) / "kernels.so"
            cpp.write_text(program)
            _gcc([*FLAGS, *TRAPS, str(cpp), "-o", str(so)])
            so.rename(library)
    return ctypes.CDLL(str(library))


def _kernel_names(program):
    text = _gcc(["-std=c++17", "-E", "-P", "-x", "c++", "-"], program)
    return re.findall(r'extern "C"\s+void (\w+)\(', text.split("host_fault")[1])


def _gcc(arguments, text=None):
    process = subprocess.run(["g++", *arguments], input=text, capture_output=True, text=True)
    if process.returncode:
        raise RuntimeError(f"g++ {' '.join(arguments)}\n{process.stderr}")
    return process.stdout


# --- running --------------------------------------------------------------------------------------


def run(library, name, grid, block, arguments):
    """Run a kernel of a library. The arguments come from launch.typed.

    Raises TypeError if the arguments do not fit the kernel's parameters, AssertionError if the
    kernel makes a mistake.
    """
    function = getattr(library, f"{name}_signature")
    function.restype = ctypes.c_char_p
    codes = function().decode().split()
    if len(codes) != len(arguments):
        raise TypeError(f"{name} has {len(codes)} parameters, {len(arguments)} were given")
    for number, (code, argument) in enumerate(zip(codes, arguments, strict=True)):
        _check(name, number, code, argument)
    results = [_run_once(library, name, grid, block, codes, arguments, order) for order in (0, 1)]
    for first, second, array in zip(*results, _outputs(codes, arguments), strict=True):
        if first.tobytes() != second.tobytes():
            raise AssertionError(
                f"{name}: an array of shape {array.shape} depends on the order of the threads"
            )
        array.host.reshape(-1)[...] = first.reshape(-1)


def _check(name, number, code, argument):
    """Raise TypeError unless the argument fits the kernel's parameter."""
    if code[0] == "L":
        fits = isinstance(argument, list) and len(argument) <= launch.TABLE
        fits = fits and all(a.dtype == POINTED[code[2]] for a in argument)
    elif code[0] in "rw":
        fits = argument is None or (
            isinstance(argument, DeviceArray) and argument.dtype == POINTED[code[1]]
        )
    elif code[0] == "s":
        fits = isinstance(argument, np.ndarray) and argument.nbytes == int(code[1:])
    else:
        fits = isinstance(argument, np.generic) and argument.dtype == POINTED[code]
    if not fits:
        kind = getattr(argument, "dtype", type(argument).__name__)
        raise TypeError(f"{name}: argument {number} is {kind}, the kernel's parameter is {code}")


def _outputs(codes, arguments):
    """The arrays that the kernel may write, also from lists."""
    arrays = []
    for code, argument in zip(codes, arguments, strict=True):
        if code.startswith("Lw"):
            arrays += argument
        elif code[0] == "w" and argument is not None:
            arrays.append(argument)
    return arrays


Pointers, Sizes = ctypes.c_void_p * launch.TABLE, ctypes.c_uint * 3


@cache
def _bytes(count):
    """ctypes' type for this many bytes. It is cached: these types are reference cycles and would
    pile up until the garbage collector runs."""
    return ctypes.c_char * count


def _run_once(library, name, grid, block, codes, arguments, order):
    """Run the grid on copies of the arrays; returns copies of the arrays that it may write."""
    copies, pointers, places, outputs = [], [], [], []

    def guard(array, is_output):
        copy = GuardedCopy(array.host, at_end=not order)
        copies.append(copy)
        if is_output:
            outputs.append(copy.array)
        return copy.address

    for code, argument in zip(codes, arguments, strict=True):
        if code[0] == "L":
            addresses = [guard(a, code[1] == "w") for a in argument]
            value = Pointers(*addresses)
        elif code[0] in "rw":
            address = None if argument is None else guard(argument, code[0] == "w")
            value = ctypes.c_void_p(address)
        else:
            value = _bytes(argument.nbytes).from_buffer_copy(argument.tobytes())
        places.append(value)
        pointers.append(ctypes.addressof(value))
    outcome = getattr(library, f"{name}_launch")(
        Sizes(*(*grid, 1, 1)[:3]),
        Sizes(*(*block, 1, 1)[:3]),
        order,
        Pointers(*pointers),
    )
    try:
        if outcome:
            raise AssertionError(f"{name}: {_describe(library, outcome, copies)}")
        return [array.copy() for array in outputs]
    finally:
        for copy in copies:
            copy.close()


def _describe(library, outcome, copies):
    """The mistake that stopped a kernel, in words."""
    if outcome == -1:
        return "only some threads of a block reached __syncthreads()"
    if outcome != signal.SIGSEGV:
        return (
            f"stopped by {signal.Signals(outcome).name}: an index beyond a fixed array, an integer "
            "overflow, a misaligned access or a null pointer"
        )
    library.host_fault.restype = ctypes.c_void_p
    fault = library.host_fault() or 0
    near = min(copies, key=lambda copy: copy.distance(fault), default=None)
    if near is None or near.distance(fault) > 64 * PAGE:
        return f"accessed {fault:#x}, far from every array"
    place = fault - near.address
    return f"accessed byte {place} of an array of shape {near.array.shape}, {near.size} bytes"


class GuardedCopy:
    """A copy of an array between two protected pages, right next to one of them."""

    _free = {}  # number of pages -> unused mappings of this size, with two protected pages

    def __init__(self, array, at_end):
        self.size = array.nbytes
        self._pages = max(1, -(-self.size // PAGE))
        free = self._free.setdefault(self._pages, [])
        self._start = free.pop() if free else _map_between_guards(self._pages)
        self.address = self._start + (self._pages * PAGE - self.size if at_end else 0)
        buffer = _bytes(self.size).from_address(self.address)
        self.array = np.frombuffer(buffer, array.dtype).reshape(array.shape)
        self.array[...] = array

    def distance(self, address):
        return max(self.address - address, address - self.address - self.size, 0)

    def close(self):
        self._free[self._pages].append(self._start)


_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


def _map_between_guards(pages):
    start = _libc.mmap(
        None, (pages + 2) * PAGE, 0, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0
    )  # fmt: skip
    _libc.mprotect(start + PAGE, pages * PAGE, mmap.PROT_READ | mmap.PROT_WRITE)
    return start + PAGE
