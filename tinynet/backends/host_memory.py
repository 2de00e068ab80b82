"""Memory for the processor's backends: reused buffers, and scratch space.

A training step asks for the same large arrays every time. Fresh memory from the system costs a
page fault for every 4 KiB, which takes longer than the arithmetic of many layers. So a block is
kept and reused once no array refers to it:

    block = mmap                               raw memory, on a page boundary
    array = ndarray(shape, dtype, block)       the base of every view of it
    finalize(array, returned.append, block)    runs when the array and all its views are gone

The block is an mmap, not an ndarray: NumPy makes a view's base the outermost ndarray, so with an
ndarray as block a view would not keep `array` alive and the block would come back too early.

A block serves arrays of its own size only. Unused blocks are kept as long as all blocks together
stay within a bound: KEPT times the most bytes that were lately in use at once. Beyond it the blocks
that were unused for the longest time are freed, so images of ever new sizes do not fill the memory.
A training step stays within the bound and finds every block again: a layer whose size occurs once
takes three blocks (y, dy, dx), one of which is in use when the forward pass ends.
"""

import contextlib
import math
import mmap
import os
import threading
import weakref
from collections import defaultdict, deque

import numpy as np

SMALLEST = 64 * 1024  # bytes; below it the system's allocator is quicker than the book-keeping
KEPT = 3
RECENT = 16384  # requests, hundreds of training steps: "lately" is this period and the one before

_scratch = threading.local()


class _Blocks:
    """The blocks of memory of this process, in use and unused.

    A finalizer may run in any thread and, from the garbage collector, inside any line of this
    class. So it only appends to `returned`, which is atomic, and takes no lock. All else changes
    under the lock, which one thread may enter twice: a signal handler or a __del__ method may ask
    for an array in the middle of a request. Ctrl-C may end a request at any line. It leaves
    `unused` right, and `used` wrong by one block at most, which moves the bound a little.
    """

    def __init__(self):
        self.returned = deque()  # blocks whose arrays are gone
        self.requests = 0
        self.used = 0  # bytes of the blocks in use
        self.largest = 0  # the largest `used` in this period of RECENT requests
        self.largest_before = 0  # and in the period before
        self.forget_unused()

    def forget_unused(self):
        """Give up the unused blocks, and the lock, which another thread may hold that is not there
        any more: in a child process after a fork."""
        self.lock = threading.RLock()
        self.unused = defaultdict(list)  # bytes -> [(request before which it came back, block)]
        self.unused_bytes = 0

    def take(self, size):
        """A block of this many bytes, its contents undefined. Raises OSError or OverflowError where
        the system has no such block."""
        with self.lock:
            self._take_back_returned()
            self.requests += 1
            if not self.requests % RECENT:
                self.largest_before, self.largest = self.largest, self.used
                self._give_up(to=self._bound(0))
            try:
                _, block = self.unused[size].pop()
                self.unused_bytes -= size
            except IndexError:
                self._give_up(to=self._bound(size) - size)
                block = self._new(size)
            self.used += size
            if self.used > self.largest:
                self.largest = self.used
            return block

    def _take_back_returned(self):
        while self.returned:
            try:
                block = self.returned.popleft()
            except IndexError:  # a request in the middle of this one took it
                break
            size = len(block)
            self.unused[size].append((self.requests, block))
            self.unused_bytes += size
            self.used -= size

    def _bound(self, size):
        """The bytes that all blocks together may have when `size` more are in use."""
        return KEPT * max(self.largest, self.largest_before, self.used + size)

    def _give_up(self, to):
        """Free unused blocks, those that came back first, until all blocks together have at most
        `to` bytes or none is unused."""
        while self.used + self.unused_bytes > to:
            lists = [blocks for blocks in list(self.unused.values()) if blocks]
            if not lists:
                break
            oldest = min(lists, key=lambda blocks: blocks[0][0])
            _, block = oldest.pop(0)
            self.unused_bytes -= len(block)
            if not oldest:
                del self.unused[len(block)]

    def _new(self, size):
        try:
            return _private_memory(size)
        except OSError:
            self.give_up_all()
            return _private_memory(size)

    def give_up_all(self):
        """Free all unused blocks."""
        with self.lock:
            self._take_back_returned()
            self._give_up(to=0)


def _private_memory(size):
    """Fresh memory, private to this process: with shared memory a forked child would write into
    its parent's arrays. mmap is private on Windows, which has no fork."""
    if not hasattr(mmap, "MAP_PRIVATE"):
        return mmap.mmap(-1, size)
    block = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with contextlib.suppress(OSError):  # a system without huge pages
            block.madvise(mmap.MADV_HUGEPAGE)
    return block


def _obtainable(size):
    """The bytes, fewer than `size`, that the system would give at once: to one part in 1000."""
    fits, fails = 0, size
    while fails - fits > size // 1000 + 1:
        middle = (fits + fails) // 2
        try:
            _private_memory(middle).close()
            fits = middle
        except (OSError, OverflowError):
            fails = middle
    return fits


_blocks = _Blocks()
if hasattr(os, "register_at_fork"):
    # The child's blocks are copies of its parent's, made page by page when either writes. It gives
    # up the unused ones, so that no page is copied for contents that are not wanted. The blocks in
    # use belong to arrays of the child; they come back and are reused like its own.
    os.register_at_fork(after_in_child=_blocks.forget_unused)


def empty(shape, dtype):
    """A C-contiguous array of this shape and dtype, its contents undefined. Raises MemoryError."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    if size < SMALLEST:
        return np.empty(shape, dtype)
    try:
        block = _blocks.take(size)
    except (OSError, OverflowError) as error:
        rows = shape[0] * _obtainable(size) // size
        raise MemoryError(
            f"an array {tuple(shape)} of {dtype} takes {size / 1e9:.3g} GB, and the arrays in use "
            f"{_blocks.used / 1e9:.3g} GB; beside them at most {(rows, *shape[1:])} fits"
        ) from error
    array = np.ndarray(shape, dtype, buffer=block)
    weakref.finalize(array, _blocks.returned.append, block).atexit = False
    return array


def workspace(key, shape, dtype):
    """Scratch memory, contents undefined: one buffer for each key and thread, grown as needed.
    Raises MemoryError."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    buffers = _scratch.__dict__
    if key not in buffers or buffers[key].nbytes < size:
        buffers.pop(key, None)  # frees the smaller buffer first
        try:
            buffers[key] = np.empty(size, np.uint8)
        except MemoryError:
            _blocks.give_up_all()
            buffers[key] = np.empty(size, np.uint8)
    return buffers[key][:size].view(dtype).reshape(shape)
