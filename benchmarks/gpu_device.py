"""One GPU, reached by two libraries: CuPy, which tinynet runs on, and PyTorch.

    cupy, torch = open_devices()
    seconds(cupy, forward, backward)     the time of what two functions queue, by device events

Each library has its own clock (its events on its stream), its own memory pool and its own way to
queue a matrix product or a copy. The best rates of the GPU are measured through both, and what
counts is the faster one. Nothing here imports CuPy or PyTorch before it is asked for a device.
"""

import argparse
import gc
import math
import os
import sys
import time
from dataclasses import dataclass

import numpy as np

import tinynet as tn
from tinynet.backends import AUTO, why_not

PRODUCT = 8192  # rows, sum and columns of the product that stands for a GPU's best rate
COPY_BYTES = 1 << 30  # read, and as many written
PEERLESS = "PyTorch is left out"


def asked_for(argv) -> bool:
    """Whether a command line, or else TINYNET_BACKEND, asks for the cupy backend, or for the one
    that "auto" finds and a GPU answers."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--backend", default=os.environ.get("TINYNET_BACKEND"))
    backend = parser.parse_known_args(argv)[0].backend
    return backend == "cupy" or backend == AUTO and why_not("cupy") is None


def open_devices():
    """(CupyDevice, TorchDevice or None): tinynet's default backend is cupy from now on.

    Raises BackendError where the cupy backend cannot work, which says why. A PyTorch that is
    missing or reaches no GPU is left out with a line on stderr.
    """
    tn.use_backend("cupy")
    cupy = CupyDevice(tn.get_backend().gpu)
    try:
        import torch
    except ImportError as error:
        print(f"{PEERLESS}: {error}", file=sys.stderr)
        return cupy, None
    if not torch.cuda.is_available():
        print(f"{PEERLESS}: PyTorch {torch.__version__} reaches no GPU", file=sys.stderr)
        return cupy, None
    return cupy, TorchDevice(torch)


# --- the two ways ---------------------------------------------------------------------------------


class CupyDevice:
    """CuPy's current device and stream; gpu: of the cupy backend."""

    def __init__(self, gpu, size=PRODUCT):
        self._gpu, self._cupy = gpu, gpu.xp
        a, b = square_matrices(size)
        self._factors = [self._cupy.asarray(matrix[None]) for matrix in (a, b)]
        self._product = self._cupy.empty((1, size, size), np.float32)
        self.product_flop = 2 * size**3
        self.product()  # cuBLAS takes its memory

    def set_precision(self, precision):
        """Of products of float32: one of PRECISIONS."""
        self._gpu.precision = precision

    def mark(self):
        """An event in the stream."""
        event = self._cupy.cuda.Event()
        event.record()
        return event

    def passed(self, mark) -> bool:
        """Whether the device has come to a mark."""
        return mark.done

    def between(self, first, last) -> float:
        """Seconds between two marks that the device has passed."""
        return self._cupy.cuda.get_elapsed_time(first, last) / 1e3

    def synchronize(self):
        """Wait until all work is done, whoever queued it."""
        self._cupy.cuda.Device().synchronize()

    def product(self):
        """Queue a large product, of product_flop."""
        self._gpu.product(*self._factors, self._product)

    def copies(self, size):
        """A function that queues a copy of so many bytes."""
        source = self._cupy.zeros(size, np.uint8)
        target = self._cupy.empty_like(source)
        return lambda: self._cupy.copyto(target, source)

    def used_bytes(self) -> int:
        """Bytes that arrays take now, but for scratch memory: a step's is its own, also where one
        before it has asked for it."""
        scratch = sum(buffer.nbytes for buffer in self._gpu.buffers.values())
        return self._cupy.get_default_memory_pool().used_bytes() - scratch

    def peak_bytes(self, run) -> int:
        """The most bytes that arrays, scratch memory included, took at a time while run() was
        queued; those in a pool of its own, as captures have one, are counted from its start on."""
        taken = peak = self._cupy.get_default_memory_pool().used_bytes()

        class Watch(self._cupy.cuda.MemoryHook):
            name = "Watch"

            def malloc_postprocess(watch, *, mem_size, **where):
                nonlocal taken, peak
                taken += mem_size
                peak = max(peak, taken)

            def free_postprocess(watch, *, mem_size, **where):
                nonlocal taken
                taken -= mem_size

        with Watch():
            run()
        self.synchronize()
        return peak

    def release(self):
        """Give memory that no array takes back to the device."""
        self.synchronize()
        gc.collect()
        self._cupy.get_default_memory_pool().free_all_blocks()


class TorchDevice:
    """PyTorch's current device and stream."""

    def __init__(self, torch, size=PRODUCT):
        self._torch = torch
        torch.backends.cudnn.benchmark = True  # the fastest algorithm for each shape
        self._factors = [torch.from_numpy(matrix).cuda() for matrix in square_matrices(size)]
        self._product = torch.empty_like(self._factors[0])
        self.product_flop = 2 * size**3
        self.product()

    def set_precision(self, precision):
        self._torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        self._torch.backends.cudnn.allow_tf32 = precision == "tf32"  # its convolutions'

    def mark(self):
        event = self._torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def passed(self, mark):
        return mark.query()

    def between(self, first, last):
        return first.elapsed_time(last) / 1e3

    def synchronize(self):
        self._torch.cuda.synchronize()

    def product(self):
        self._torch.mm(*self._factors, out=self._product)

    def copies(self, size):
        source = self._torch.zeros(size, dtype=self._torch.uint8, device="cuda")
        target = self._torch.empty_like(source)
        return lambda: target.copy_(source)

    def used_bytes(self):
        return self._torch.cuda.memory_allocated()

    def peak_bytes(self, run):
        self._torch.cuda.reset_peak_memory_stats()
        run()
        self.synchronize()
        return self._torch.cuda.max_memory_allocated()

    def release(self):
        self.synchronize()
        gc.collect()
        self._torch.cuda.empty_cache()


def square_matrices(size) -> tuple[np.ndarray, np.ndarray]:
    """Two float32 matrices of random numbers: zeros would be multiplied with less power, faster."""
    rows = np.random.default_rng(0).standard_normal((2, min(size, 512), size), np.float32)
    return tuple(np.resize(matrix, (size, size)) for matrix in rows)


# --- timing ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Timed:
    """seconds       that the device took for what each part queued
    host_seconds  that the processor took to queue all parts
    device_bound  whether the processor was ahead all the time, so that seconds are the device's own
    """

    seconds: list[float]
    host_seconds: float
    device_bound: bool


def seconds(device, *parts, behind=0) -> Timed:
    """The time of each part between device events; the host waits for the device before and after.

    parts   functions that queue work
    behind  so many large products are queued first, so that the device is busy while the processor
            queues the parts: what is timed then is the device's work without gaps for launches
    """
    device.synchronize()
    for _ in range(behind):
        device.product()
    marks, start = [device.mark()], time.perf_counter()
    for part in parts:
        part()
        marks.append(device.mark())
    host_seconds = time.perf_counter() - start
    device_bound = not device.passed(marks[0])
    device.synchronize()
    pairs = zip(marks, marks[1:], strict=False)
    return Timed([device.between(*pair) for pair in pairs], host_seconds, device_bound)


def product_rate(devices, runs=3) -> float:
    """FLOP/s of the large product at the devices' precision: the fastest run of the faster library,
    after one that is not timed."""
    rates = []
    for device in devices:
        seconds(device, device.product)
        timed = seconds(device, *[device.product] * runs)
        rates.append(device.product_flop / min(timed.seconds))
    return max(rates)


def copy_rate(devices, size=COPY_BYTES, runs=9) -> float:
    """Bytes/s, read plus written, of copying so many bytes on the device: the median run of the
    faster library."""
    rates = []
    for device in devices:
        copy = device.copies(size)
        seconds(device, copy)
        rates.append(2 * size / float(np.median(seconds(device, *[copy] * runs).seconds)))
        del copy
        device.release()
    return max(rates)


def products_lasting(device, wanted, rate) -> int:
    """How many large products take so many seconds at this rate."""
    return max(1, math.ceil(wanted * rate / device.product_flop))
