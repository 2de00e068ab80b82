"""The GPU, as kernels see it: launches, products, scratch memory.

Kernels get a gpu as their first argument. This one is CuPy's; tests have one that runs the same .cu
files on a processor. All work is queued on CuPy's current stream, and no method waits for it.
"""

import math
import threading

import numpy as np

from . import launch
from .cublas import PRECISIONS, Cublas
from .recorder import Recorder
from .transfers import Download, Uploads


class Gpu:
    """CuPy's current device.

    xp            the array module
    name          the device's name
    chunk_bytes   bytes of a convolution's largest buffer for one chunk of images: a quarter of the
                  L2 cache, whose rest holds the other factors of the product
    precision     the precision of float32 products: one of cublas.PRECISIONS
    draws_before  int64 (1,): added to every draw of dropout (tinynet/gpu.py, CudaGraph)
    """

    def __init__(self, cupy):
        self.xp = cupy
        properties = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)
        self.name = properties["name"].decode()
        self.chunk_bytes = properties["l2CacheSize"] // 4
        self.precision = PRECISIONS[0]
        self.draws_before = cupy.zeros(1, np.int64)
        self._scratch = threading.local()
        self._modules, self._kernels = {}, {}
        self._cublas = Cublas(cupy)

    def launch(self, file, name, grid_and_block, *arguments):
        """Queue a kernel.

        file            the .cu file
        name            the kernel's name, without _float or _double
        grid_and_block  (grid, block), for example from launch.elements, threads, maps or blocks
        arguments       as launch.py describes
        """
        arguments, dtype = launch.typed(name, arguments, self.xp.ndarray)
        kernel = self._kernels.get((file, name, dtype)) or self._compiled(file, name, dtype)
        kernel(*grid_and_block, tuple(map(_passed, arguments)))

    def product(self, a, b, out, add=False):
        """out = a @ b, stack by stack; with add, out += a @ b. Shapes: cublas.product_shapes."""
        self._cublas.product(a, b, out, add, tf32=self.precision == "tf32")

    def workspace(self, key, shape, dtype):
        """Scratch memory, contents undefined, valid until this thread's next call with this key."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        if key not in self.buffers or self.buffers[key].nbytes < size:
            self.buffers[key] = self.xp.empty(size, np.uint8)
        return self.buffers[key][:size].view(dtype).reshape(shape)

    @property
    def buffers(self):
        """The scratch memory of this thread: {key: array of bytes}."""
        return self._scratch.__dict__

    def recorder(self):
        """The stream and the memory pool of a CudaGraph."""
        return Recorder(self.xp)

    def memory(self):
        """Bytes: (in CuPy's pool, in use on the device by all programs, of the device)."""
        free, total = self.xp.cuda.Device().mem_info
        return self.xp.get_default_memory_pool().total_bytes(), total - free, total

    def address(self, array):
        """The address of an array's first element."""
        return array.data.ptr

    def uploads(self):
        """A transfers.Uploads, which sends batches to the GPU while kernels run."""
        return Uploads(self.xp)

    def download(self, array):
        """Start to copy an array to the processor. Returns a transfers.Download, whose get() waits
        for that copy alone."""
        return Download(self.xp, array)

    def _compiled(self, file, name, dtype):
        """A compiled kernel of a .cu file. CuPy caches compiled code on disk, keyed by source."""
        if file not in self._modules:
            code = launch.source(file)
            self._modules[file] = self.xp.RawModule(code=code, options=("--std=c++17",))
        kernel = self._modules[file].get_function(f"{name}_{launch.NAMES[dtype]}")
        self._kernels[file, name, dtype] = kernel
        return kernel


def _passed(argument):
    """An argument as CuPy passes it: a list as struct Arrays of arrays.cuh, pointers by value."""
    if argument is None:
        return np.uintp(0)
    if isinstance(argument, list):
        addresses = [a.data.ptr for a in argument]
        return launch.struct([*addresses, *[0] * (launch.TABLE - len(addresses))], np.uintp)
    return argument
