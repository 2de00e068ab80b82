"""Asynchronous copies between the processor's memory and the GPU's.

A copy to the GPU runs at the same time as the processor and as kernels only if it comes from pinned
memory, which the system does not move, and has a stream of its own. Uploads uses SLOTS slots in
turn, each with pinned memory and memory on the GPU: while kernels read one batch, the next is
copied to another slot.

Source: CUDA C++ Programming Guide, "Asynchronous Concurrent Execution"; cupy#7939: a pinned source
is read when the copy runs, so it must not be overwritten before.
"""

import math
import weakref
from itertools import cycle

import numpy as np

SLOTS = 2


class Uploads:
    """Sends lists of arrays to the GPU. The arrays must have the shapes and dtypes of the slot's
    first list, or be shorter."""

    def __init__(self, cupy):
        self._slots = cycle([_Slot(cupy) for _ in range(SLOTS)])
        self._stream = cupy.cuda.Stream(non_blocking=True)
        # The memory must not be freed while a copy is under way.
        weakref.finalize(self, self._stream.synchronize).atexit = False

    def start(self, arrays):
        """Start to copy NumPy arrays, which the caller may then overwrite. Returns the slot: its
        arrive() gives the arrays on the GPU."""
        slot = next(self._slots)
        slot.send(arrays, self._stream)
        return slot


class _Slot:
    def __init__(self, cupy):
        self._cupy = cupy
        self._pinned, self._device = [], []
        self._copied = cupy.cuda.Event(disable_timing=True)
        self._free = cupy.cuda.Event(disable_timing=True)

    def send(self, arrays, stream):
        if not self._pinned:
            self._pinned = [_empty_pinned(self._cupy, a.shape, a.dtype) for a in arrays]
            self._device = [self._cupy.empty(a.shape, a.dtype) for a in arrays]
            # Kernels may still use this memory for an array that was freed.
            self._free.record()
        self._copied.synchronize()  # this slot's last copy: the pinned memory is free
        stream.wait_event(self._free)
        self._sent = []
        for array, pinned, device in zip(arrays, self._pinned, self._device, strict=True):
            count = len(array)
            np.copyto(pinned[:count], array, casting="no")
            device[:count].set(pinned[:count], stream=stream)
            self._sent.append(device[:count])
        self._copied.record(stream)

    def arrive(self):
        """The arrays on the GPU, for kernels that are queued from now on until done()."""
        self._cupy.cuda.get_current_stream().wait_event(self._copied)
        return self._sent

    def done(self):
        """Call when the kernels that read the arrays are queued; the slot is free after them."""
        self._free.record()


class Download:
    """A copy of an array to pinned memory, queued now."""

    def __init__(self, cupy, array):
        self._pinned = _empty_pinned(cupy, array.shape, array.dtype)
        array.get(out=self._pinned, blocking=False)
        self._copied = cupy.cuda.Event(disable_timing=True)
        self._copied.record()

    def get(self):
        """The NumPy array; waits until the copy is done, and for nothing queued after it."""
        self._copied.synchronize()
        return self._pinned


def _empty_pinned(cupy, shape, dtype):
    """A NumPy array in pinned memory."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    return np.ndarray(shape, dtype, buffer=cupy.cuda.alloc_pinned_memory(size))
