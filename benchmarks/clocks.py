"""Clocks: the processor's, and a GPU's as CuPy and PyTorch reach it, with one interface.

    clock.mark()               a moment, in the order of the work
    clock.between(a, b)        seconds between two marks
    clock.passed(mark)         whether a GPU has reached a mark; always False on a processor
    clock.synchronize()        wait until all work is done
    clock.product()            a matrix product of product_flop, large enough for the best rate
    clock.copies()             (bytes, a function that copies as many)
    clock.peak_bytes(run)      the most memory in use at a time while run() works
    clock.cache_bytes          of a GPU's L2 cache; None on a processor
    clock.set_precision(name)  of products of float32: "float32" or "tf32"
    clock.release()            give memory without arrays back

On a processor a function has done its work when it returns, and a mark is a time. On a GPU it has
only queued the work, and a mark is an event in the queue. Nothing here imports CuPy, PyTorch or
tinynet before a GPU's clock is made.
"""

import contextlib
import gc
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

PRODUCT, GPU_PRODUCT = 2048, 8192  # rows, and columns, of the matrices of the large product


def alternating(names: Iterable[str], rounds: int) -> Iterator[tuple[int, str]]:
    """(round, name) for every round and name. Reverse the order every other round, so that no
    program always follows the same one."""
    names = list(names)
    for number in range(rounds):
        for name in names[:: -1 if number % 2 else 1]:
            yield number, name


@dataclass(frozen=True)
class Timed:
    """The times of some parts.

    seconds       of each part, on the clock
    host_seconds  in which the processor did, or queued, all parts
    device_bound  whether a device never waited for the processor, so that seconds are its own
    """

    seconds: list[float]
    host_seconds: float
    device_bound: bool


def seconds(clock, *parts, behind: int = 0) -> Timed:
    """Time each part, a function. All work is done before the first part and after the last one.

    behind  this many large products are queued first, so that a GPU is busy while the processor
            queues the parts: the times are then the GPU's own, without gaps between launches
    """
    clock.synchronize()
    for _ in range(behind):
        clock.product()
    marks, start = [clock.mark()], time.perf_counter()
    for part in parts:
        part()
        marks.append(clock.mark())
    host_seconds = time.perf_counter() - start
    device_bound = not clock.passed(marks[0])
    clock.synchronize()
    pairs = zip(marks, marks[1:], strict=False)
    return Timed([clock.between(*pair) for pair in pairs], host_seconds, device_bound)


# --- the best rates -------------------------------------------------------------------------------


def product_rate(clock, runs: int = 9) -> float:
    """FLOP/s of the clock's large product: the median run after an untimed one."""
    return clock.product_flop / _median_seconds(clock, clock.product, runs)


def copy_rate(clock, runs: int = 9) -> float:
    """Bytes/s of a copy far larger than any cache, bytes read plus bytes written: the median run
    after an untimed one."""
    size, copy = clock.copies()
    rate = 2 * size / _median_seconds(clock, copy, runs)
    del copy
    clock.release()
    return rate


def _median_seconds(clock, run, runs):
    seconds(clock, run)  # the first faults pages in and wakes threads
    return float(np.median(seconds(clock, *[run] * runs).seconds))


def square_matrices(size) -> list[np.ndarray]:
    """Two float32 matrices of random numbers: a GPU multiplies zeros faster, on less power."""
    rows = np.random.default_rng(0).standard_normal((2, min(size, 512), size), np.float32)
    return [np.resize(matrix, (size, size)) for matrix in rows]


# --- the processor --------------------------------------------------------------------------------


class HostClock:
    """The processor's. It is never behind its own program, so nothing is ever waited for.

    threads  of products and copies
    """

    asynchronous, cache_bytes, copy_bytes = False, None, 256 << 20

    def __init__(self, threads=1, size=PRODUCT):
        self.threads, self._size, self.product_flop = threads, size, 2 * size**3
        self._matrices = None

    def mark(self):
        return time.perf_counter()

    def between(self, first, last):
        return last - first

    def passed(self, mark):
        return False

    def synchronize(self):
        pass

    def product(self):
        """By SciPy's BLAS, as in the numba backend; all matrices lie column by column."""
        from scipy.linalg.blas import sgemm  # a program of another framework has NumPy alone

        if self._matrices is None:
            import threadpoolctl

            self._blas = threadpoolctl.ThreadpoolController().select(user_api="blas")
            pair = square_matrices(self._size)
            self._matrices = [np.asfortranarray(m) for m in (*pair, np.zeros_like(pair[0]))]
        a, b, c = self._matrices
        with self._blas.limit(limits=self.threads):
            sgemm(1.0, a, b, 0.0, c, overwrite_c=1)

    def copies(self):
        """np.copyto in this many Python threads, each its share (it releases Python's lock). The C
        library's copy bypasses the cache where that is faster, so loops that do not bypass it may
        stay below this rate."""
        source = np.ones(self.copy_bytes // 4, np.float32)
        target = np.zeros_like(source)
        shares = (np.array_split(array, self.threads) for array in (target, source))
        shares = list(zip(*shares, strict=True))

        def run():
            workers = [threading.Thread(target=np.copyto, args=share) for share in shares]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()

        return source.nbytes, run

    def set_precision(self, precision):
        """Products of float32 are computed in float32, the one precision there is."""

    def release(self):
        gc.collect()

    def peak_bytes(self, run):
        """The most bytes of this process in memory at once, libraries included; None where the
        system does not tell. Where the count cannot be reset, since the start of the process."""
        with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as file:
            file.write("5")  # Linux: proc_pid_clear_refs(5)
        run()
        with contextlib.suppress(OSError, StopIteration), open("/proc/self/status") as file:
            return next(int(line.split()[1]) << 10 for line in file if line.startswith("VmHWM"))
        with contextlib.suppress(ImportError):
            import resource

            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            return peak if sys.platform == "darwin" else peak << 10
        return None


# --- a GPU ----------------------------------------------------------------------------------------


class CupyClock:
    """CuPy's current device and stream, where tinynet's default backend computes."""

    asynchronous, copy_bytes = True, 1 << 30

    def __init__(self):
        import tinynet as tn

        self._gpu, self._cupy = tn.gpu.device(), tn.gpu.device().xp
        self.cache_bytes = self._cupy.cuda.Device().attributes["L2CacheSize"]
        pair = square_matrices(GPU_PRODUCT)
        self._factors = [self._cupy.asarray(matrix[None]) for matrix in pair]
        self._product = self._cupy.empty_like(self._factors[0])
        self.product_flop = 2 * GPU_PRODUCT**3
        self.product()  # cuBLAS takes its memory
        self._own_bytes = self._cupy.get_default_memory_pool().used_bytes()

    def set_precision(self, precision):
        self._gpu.precision = precision

    def mark(self):
        event = self._cupy.cuda.Event()
        event.record()
        return event

    def passed(self, mark):
        return mark.done

    def between(self, first, last):
        return self._cupy.cuda.get_elapsed_time(first, last) / 1e3

    def synchronize(self):
        self._cupy.cuda.Device().synchronize()

    def product(self):
        self._gpu.product(*self._factors, self._product)

    def copies(self):
        source = self._cupy.zeros(self.copy_bytes, np.uint8)
        target = self._cupy.empty_like(source)
        return source.nbytes, lambda: self._cupy.copyto(target, source)

    def peak_bytes(self, run):
        """Of arrays and scratch memory. A CUDA graph has a memory pool of its own; its bytes are
        counted from the start of run() on, for which all scratch memory is taken anew."""
        self._gpu.buffers.clear()
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
        return peak - self._own_bytes

    def release(self):
        self.synchronize()
        gc.collect()
        self._cupy.get_default_memory_pool().free_all_blocks()


class TorchClock:
    """PyTorch's current device and stream."""

    asynchronous, copy_bytes = True, 1 << 30

    def __init__(self):
        import torch

        self._torch = torch
        torch.backends.cudnn.benchmark = True  # the fastest algorithm for each shape
        self._factors = [torch.from_numpy(matrix).cuda() for matrix in square_matrices(GPU_PRODUCT)]
        self._product = torch.empty_like(self._factors[0])
        self.product_flop = 2 * GPU_PRODUCT**3
        self.product()
        self._own_bytes = torch.cuda.memory_allocated()

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

    def copies(self):
        source = self._torch.zeros(self.copy_bytes, dtype=self._torch.uint8, device="cuda")
        target = self._torch.empty_like(source)
        return source.nbytes, lambda: target.copy_(source)

    def peak_bytes(self, run):
        self._torch.cuda.reset_peak_memory_stats()
        run()
        self.synchronize()
        return self._torch.cuda.max_memory_allocated() - self._own_bytes

    def release(self):
        self.synchronize()
        gc.collect()
        self._torch.cuda.empty_cache()
