"""A stand-in for the parts of CuPy that launches and copies use, with the laziest possible GPU.

Work that is queued on a stream runs only when the program waits for it, and then in the stream's
order. A missing wait for a copy, or memory that is reused too early, gives wrong numbers here.
"""

import os
import weakref
from itertools import count
from types import SimpleNamespace

import numpy as np


class Stream:
    """A queue of work. done: the number of entries that have run. of: {ptr: its Stream}."""

    of = weakref.WeakValueDictionary()
    _ptrs = count(1)

    def __init__(self, non_blocking=False):
        self.queue, self.done = [], 0
        self.ptr = next(self._ptrs)
        self.of[self.ptr] = self

    def add(self, work):
        self.queue.append(work)

    def run(self, until=None):
        until = len(self.queue) if until is None else until
        while self.done < until:
            work = self.queue[self.done]
            self.done += 1
            work()

    def synchronize(self):
        self.run()

    def record(self):
        event = Event()
        event.record(self)
        return event

    def wait_event(self, event):
        stream, place = event.stream, event.place
        self.add(lambda: stream.run(place) if stream else None)


class Event:
    """A place in a queue. Before record() it has no place, and there is nothing to wait for."""

    stream = place = None

    def __init__(self, disable_timing=False):
        pass

    def record(self, stream=None):
        self.stream = stream or current
        self.place = len(self.stream.queue)

    @property
    def done(self):
        """A GPU goes on by itself; this one when it is asked."""
        self.synchronize()
        return True

    def synchronize(self):
        if self.stream:
            self.stream.run(self.place)


current = Stream()


class Array:
    """Memory of the device; views share it."""

    def __init__(self, host):
        self.host = host
        self.shape, self.dtype = host.shape, host.dtype
        self.size, self.nbytes = host.size, host.nbytes
        self.flags, self.data = host.flags, SimpleNamespace(ptr=host.ctypes.data)

    def __getitem__(self, key):
        return Array(self.host[key])

    def __len__(self):
        return len(self.host)

    def view(self, dtype):
        return Array(self.host.view(dtype))

    def reshape(self, shape):
        return Array(self.host.reshape(shape))

    def set(self, source, stream=None):
        (stream or current).add(lambda: np.copyto(self.host, source))

    def get(self, out, blocking):
        assert not blocking
        current.add(lambda: np.copyto(out, self.host))


class RawModule:
    """A compiled file. Its kernels record the arguments of their launches."""

    compiled = []

    def __init__(self, code, options):
        self.compiled.append((code, options))

    def get_function(self, name):
        return Kernel(name)


class Kernel:
    launches = []

    def __init__(self, name):
        self.name = name

    def __call__(self, grid, block, arguments):
        self.launches.append((self.name, grid, block, arguments))


def make():
    """A new cupy module, with nothing queued, compiled or launched."""
    current.queue, current.done = [], 0
    RawModule.compiled, Kernel.launches = [], []
    properties = {"name": b"NVIDIA Example", "l2CacheSize": 4000}
    return SimpleNamespace(
        ndarray=Array,
        empty=lambda shape, dtype: Array(np.full(shape, 77, dtype)),
        zeros=lambda shape, dtype: Array(np.zeros(shape, dtype)),
        RawModule=RawModule,
        cuda=SimpleNamespace(
            Stream=Stream,
            Event=Event,
            Device=lambda: SimpleNamespace(id=0, pci_bus_id=f"GPU of process {os.getpid()}"),
            get_current_stream=lambda: current,
            alloc_pinned_memory=bytearray,
            runtime=SimpleNamespace(getDeviceProperties=lambda number: properties),
        ),
    )
