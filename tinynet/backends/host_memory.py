"""Memory for the processor's backends: reused buffers, and scratch space.

A training step asks for the same large arrays every time. Fresh memory from the system costs a
page fault for every 4 KiB, which takes longer than the arithmetic of many layers. So a block is
kept and reused once no array refers to it:

    block = mmap                               raw memory, on a page boundary
    array = ndarray(shape, dtype, block)       the base of every view of it
    finalize(array, give back block)           runs when the array and all its views are gone

The block is an mmap, not an ndarray: NumPy makes a view's base the outermost ndarray, so with an
ndarray as block a view would not keep `array` alive and the block would come back too early.
"""

import itertools
import math
import mmap
import threading
import weakref

import numpy as np

SMALLEST = 64 * 1024  # bytes; below it the system's allocator is quicker than the book-keeping
KEPT = 4096  # requests (some twenty training steps) after which an unused block is freed

_requests = itertools.count()
_unused: dict[int, list[tuple[int, mmap.mmap]]] = {}  # bytes -> (request when it came back, block)
_scratch = threading.local()


def empty(shape, dtype):
    """A C-contiguous array of this shape and dtype, its contents undefined."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    if size < SMALLEST:
        return np.empty(shape, dtype)
    # next, pop and append are atomic in the interpreter: threads need no lock, and the garbage
    # collector may run _give_back inside this function.
    request = next(_requests)
    try:
        _, block = _unused[size].pop()
    except (KeyError, IndexError):
        _give_up(before=request - KEPT)
        block = mmap.mmap(-1, size)
        if hasattr(mmap, "MADV_HUGEPAGE"):
            block.madvise(mmap.MADV_HUGEPAGE)
    array = np.ndarray(shape, dtype, buffer=block)
    weakref.finalize(array, _give_back, block).atexit = False
    return array


def _give_back(block):
    _unused.setdefault(len(block), []).append((next(_requests), block))


def _give_up(before):
    """Free the blocks that came back before this request and were not used since. Blocks are taken
    from the end of their list, so the oldest are at its start."""
    for blocks in list(_unused.values()):
        while blocks and blocks[0][0] < before:
            try:
                blocks.pop(0)
            except IndexError:  # another thread took the last one
                break


def workspace(key, shape, dtype):
    """Scratch memory, contents undefined: one buffer for each key and thread, grown as needed."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    buffers = _scratch.__dict__
    if key not in buffers or buffers[key].nbytes < size:
        buffers[key] = np.empty(size, np.uint8)
    return buffers[key][:size].view(dtype).reshape(shape)
