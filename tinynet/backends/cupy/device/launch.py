"""Shared by all kernel launches: the grid, the typed arguments, and the source text.

A kernel is launched as gpu.launch(CU, name, grid_and_block, *arguments). CU is the .cu file beside
the launching .py; gpu is the device (gpu.py, or the tests' stand-in that runs the same sources on a
processor). The arguments are converted to the types of the kernel's C parameters:

    array            T *, or int *, long long *, unsigned char *: contiguous, floats of one dtype
    list of arrays   Arrays<T>                   up to TABLE pointers by value (arrays.cuh)
    int              long long
    float            T
    None             a null pointer
    struct()         a struct by value

A kernel sees no strides and no dtypes, and would compute wrong numbers from a wrong array. So wrong
arrays are refused here.
"""

import math
from functools import cache
from pathlib import Path

import numpy as np

BLOCK = 256  # threads
ITEMS_PER_THREAD = 4  # elements of a thread in elementwise kernels, a block apart
LANES = 32  # threads side by side in a map, which read 128 bytes together
MAPS = BLOCK // LANES  # maps of a block
TABLE = 64  # arrays in a list at most
MANY = 1 << 21  # threads that keep a large GPU busy several times over
HEIGHT = 65_535  # blocks of a grid along y at most

ROOT = Path(__file__).resolve().parents[1]  # the .cu files name their includes from here
NAMES = {np.dtype(np.float32): "float", np.dtype(np.float64): "double"}
INTEGERS = (np.dtype(np.int32), np.dtype(np.int64), np.dtype(np.uint8))


def elements(count):
    """(grid, block) of a kernel whose threads take ITEMS_PER_THREAD elements."""
    return (max(1, math.ceil(count / (ITEMS_PER_THREAD * BLOCK))),), (BLOCK,)


def threads(count):
    """(grid, block) of a kernel with one thread for each of count things."""
    return (max(1, math.ceil(count / BLOCK)),), (BLOCK,)


def threads_of_rows(rows, count):
    """(grid, block) of a kernel with one thread for each of count things of a row. Rows lie along
    y: of more than HEIGHT rows, a thread takes several, one grid height apart."""
    (across,), block = threads(count)
    return (across, max(1, min(rows, HEIGHT))), block


def maps(count, pixels):
    """(grid, block) of a kernel over maps: LANES pixels of MAPS maps a block.

    Maps lie along x, where a grid has up to 2^31 - 1 blocks. Along y it has up to HEIGHT blocks: a
    thread of a larger map takes several pixels, one grid height apart. If there would be more than
    MANY threads, each takes ITEMS_PER_THREAD pixels, so that it computes the numbers of its map
    once for all of them.
    """
    rows = max(1, math.ceil(pixels / LANES))
    if count * rows * LANES > MANY:
        rows = math.ceil(rows / ITEMS_PER_THREAD)
    return (max(1, math.ceil(count / MAPS)), min(rows, HEIGHT)), (LANES, MAPS)


def blocks(count):
    """(grid, block) of a kernel with one block for each of count things."""
    return (max(1, count),), (BLOCK,)


def typed(name, arguments, array_type):
    """The arguments as the kernel takes them, and the dtype of its T.

    array_type  the device's arrays
    Raises ValueError for an array that is not contiguous, and TypeError for floats of two dtypes,
    for integer arrays of a dtype that kernels do not take, and for objects of other types.
    """
    arrays = []
    for a in arguments:
        arrays += a if isinstance(a, list) else [a] if isinstance(a, array_type) else []
    floats = {a.dtype for a in arrays if a.dtype not in INTEGERS}
    if len(floats) != 1 or not floats <= NAMES.keys():
        dtypes = ", ".join(sorted(map(str, floats))) or "none"
        raise TypeError(f"{name}: float arrays must be all float32 or all float64, got {dtypes}")
    for a in arrays:
        if not a.flags.c_contiguous:
            raise ValueError(
                f"{name}: an array of shape {a.shape} is not contiguous; copy it first"
            )
    (dtype,) = floats
    return [_typed(name, a, dtype, array_type) for a in arguments], dtype


def _typed(name, a, dtype, array_type):
    if a is None or isinstance(a, (array_type, list)):
        return a
    if isinstance(a, np.ndarray) and a.dtype.kind == "V" and a.shape == (1,):
        return a
    if isinstance(a, (bool, np.generic)):
        raise TypeError(f"{name}: {a!r} is no argument; plain ints and floats get their type here")
    if isinstance(a, int):
        return np.int64(a)
    if isinstance(a, float):
        return dtype.type(a)
    raise TypeError(f"{name}: {type(a).__name__} is no argument of a kernel")


def int_struct(**numbers):
    """A C struct whose members are these ints, in this order, to be passed by value."""
    return struct(list(numbers.values()), np.int32)


def struct(numbers, dtype):
    """Numbers side by side, as one element that CuPy passes by value. It has no named fields,
    because CuPy would describe them anew at every launch."""
    array = np.array(numbers, dtype)
    return array.view(f"V{array.nbytes}")


@cache
def source(file):
    """The text of a .cu file with its includes (paths from backends/cupy/) written out. CuPy's disk
    cache is keyed by the text alone and would not see a change in an included file."""
    lines = []
    for line in Path(file).read_text().splitlines():
        if line.startswith('#include "'):
            lines += source(ROOT / line.split('"')[1]).splitlines()
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


def sizes(numbers):
    """struct Sizes of arrays.cuh: up to TABLE numbers by value."""
    return struct([*numbers, *[0] * (TABLE - len(numbers))], np.int64)
