"""A GPU for machines without one.

HostGpu replaces Gpu (tinynet/backends/cupy/device/gpu.py), so the backend's own launch code runs
with its grids, arguments and dtypes. The arrays are as strict as CuPy's (device_arrays.py). The
kernels are the same .cu files, compiled for the processor (host_kernels.py).
"""

import threading
from collections import deque
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace

import numpy as np

from tests.gpu_on_cpu import host_kernels
from tests.gpu_on_cpu.device_arrays import DeviceArray, do, recording, xp
from tests.gpu_on_cpu.host_streams import cuda
from tinynet.backends.cupy import Backend
from tinynet.backends.cupy.device import launch
from tinynet.backends.cupy.device.cublas import product_shapes


class HostGpu:
    """Runs kernels on this processor; its arrays are DeviceArrays."""

    xp = SimpleNamespace(**vars(xp), cuda=cuda)
    name = "this processor, as a GPU"
    chunk_bytes = 6000  # of columns: a few small images a chunk, and a last chunk that is not full
    precision = "float32"

    def __init__(self):
        self._scratch = threading.local()
        self._lock = threading.Lock()  # a library's static variables serve one launch at a time
        self.launched = set()  # the names of the kernels that ran, with their dtypes
        self.draws_before = xp.zeros((1,), np.int64)

    def launch(self, file, name, grid_and_block, *arguments):
        """As Gpu.launch."""
        arguments, dtype = launch.typed(name, arguments, DeviceArray)
        kernel = f"{name}_{launch.NAMES[dtype]}"
        library = host_kernels.load_library(file)

        def run():
            with self._lock:
                host_kernels.run(library, kernel, *grid_and_block, arguments)

        do(run)
        self.launched.add(kernel)

    def product(self, a, b, out, add=False):
        """As Gpu.product."""
        product_shapes(a, b, out)
        if add:
            do(lambda: np.add(out.host, np.matmul(a.host, b.host), out=out.host))
        else:
            do(lambda: np.matmul(a.host, b.host, out=out.host))

    def workspace(self, key, shape, dtype):
        """As Gpu.workspace."""
        buffers = self.buffers
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        if key not in buffers or buffers[key].nbytes < size:
            buffers[key] = xp.empty((size,), np.uint8)
        return buffers[key][:size].view(dtype).reshape(shape)

    @property
    def buffers(self):
        """As Gpu.buffers."""
        return self._scratch.__dict__

    def recorder(self):
        """As Gpu.recorder."""
        return HostRecorder()

    def memory(self):
        """As Gpu.memory, of a device with 1 GB."""
        return 10_000_000, 20_000_000, 1_000_000_000

    def address(self, array):
        """As Gpu.address."""
        return array.host.ctypes.data

    def uploads(self):
        """As Gpu.uploads."""
        return HostUploads()

    def download(self, array):
        """As Gpu.download."""
        return HostDownload(array.host.copy())


class HostRecorder:
    """As recorder.Recorder: a recording is a list of functions."""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def record(self, function):
        with recording() as work:
            outputs = function()
        return Graph(work), outputs


@dataclass
class Graph:
    """As a CUDA graph."""

    work: list

    def launch(self):
        for work in self.work:
            work()


class HostUploads:
    """As transfers.Uploads, but in new memory: an upload that starts before done() is an error."""

    def __init__(self):
        self._uploads = deque([None, None])

    def start(self, arrays):
        """As Uploads.start."""
        previous = self._uploads.popleft()
        assert previous is None or previous.is_done, "memory is used again before done()"
        self._uploads.append(Upload([xp.asarray(a) for a in arrays]))
        return self._uploads[-1]


@dataclass
class Upload:
    """As a slot of transfers.py. done() fills the arrays with NaN to expose later reads."""

    arrays: list
    is_done: bool = True

    def arrive(self):
        self.is_done = False
        return self.arrays

    def done(self):
        self.is_done = True
        for array in self.arrays:
            array.host.reshape(-1).view(np.uint8)[...] = 0xFF


@dataclass
class HostDownload:
    """As transfers.Download."""

    array: np.ndarray

    def get(self):
        return self.array


@cache
def host_backend():
    """The cupy backend on this processor, one for all tests."""
    return Backend(HostGpu())
