"""The machine under a benchmark: what it is, whether it is idle, and how fast it could be at best.

A figure is worth something only beside the machine's own: a product is measured against the rate of
BLAS (GFLOP/s), a pooling or a normalisation against the rate of a copy (GB/s), in the same run. An
addition and a multiplication are two FLOP; a byte read and a byte written are two bytes.
"""

import datetime
import json
import os
import platform
import re
import statistics
import sys
import threading
import time
from importlib import metadata
from pathlib import Path

import numpy as np
import threadpoolctl

from benchmarks.peers.protocol import peak_memory  # noqa: F401  a benchmark finds it here

# rows, sum, columns: the convolutions conv2 to conv4 of `paper`, one group of one image as a matrix
# product each, and a square of the size with which machines are usually praised.
PRODUCTS = ((128, 1200, 729), (384, 2304, 169), (192, 1728, 169), (2048, 2048, 2048))
COPY_BYTES = 256 << 20  # read, and as many written: far more than any cache holds
BUSY = 0.1  # a machine is idle while other processes use less than this share of its processors


# --- idle or not ----------------------------------------------------------------------------------


def wait_until_idle(seconds: float = 120) -> bool:
    """Whether the machine is idle, as soon as it is: at most so many seconds from now.

    Idle: other processes use less than a tenth of all processors for a second. Where the system
    does not tell (it is asked as Linux wants it), the answer is False: nobody saw it idle.
    """
    until = time.monotonic() + seconds
    said = False
    while True:
        share = others_share()
        if share is None:
            print("this system does not tell whether it is idle: 'not idle'", file=sys.stderr)
            return False
        if share < BUSY:
            return True
        if time.monotonic() >= until:
            print(f"other processes use {share:.0%} of the processors: 'not idle'", file=sys.stderr)
            return False
        if not said:
            print(
                f"other processes use {share:.0%} of the processors; waiting at most "
                f"{seconds:.0f} s until they rest ...",
                file=sys.stderr,
            )
            said = True


def others_share(seconds: float = 1.0) -> float | None:
    """The share, 0 to 1, of all processors' time that other processes than this one used in so many
    seconds from now; None where the system does not tell."""
    try:
        before, own = _ticks(), time.process_time()
        time.sleep(seconds)
        after = _ticks()
    except OSError:
        return None
    own = (time.process_time() - own) * os.sysconf("SC_CLK_TCK")
    busy, every = (late - early for late, early in zip(after, before, strict=True))
    return min(max((busy - own) / max(every, 1), 0.0), 1.0)


def _ticks():
    """(busy, all) ticks of all processors since the machine started. Time that a virtual machine's
    host gave to others is busy: ours it was not."""
    with open("/proc/stat") as file:
        user, nice, system, idle, io_wait, *others = map(int, file.readline().split()[1:9])
    busy = user + nice + system + sum(others)
    return busy, busy + idle + io_wait


# --- what it is -----------------------------------------------------------------------------------


def description(threads: int | None = None) -> dict:
    """What a result was measured with: plain values, for JSON.

    threads  that the benchmark uses; None: all that this process may use
    """
    return {
        "processor": _processor(),
        "processors": os.cpu_count(),
        "threads": threads or usable_processors(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in ("numpy", "numba", "scipy")},
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def usable_processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor():
    try:
        with open("/proc/cpuinfo") as file:
            lines = (line.partition(":") for line in file)
            return next(value.strip() for name, _, value in lines if name.strip() == "model name")
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


# --- how fast it could be -------------------------------------------------------------------------


def product_rate(threads: int, runs: int = 9) -> float:
    """GFLOP/s of sgemm: of the shapes in PRODUCTS the fastest one's median run.

    It is SciPy's BLAS, that of the numba backend, with so many threads of BLAS; float32, all
    matrices column by column, c = a b written over. The counts of threads are restored.
    """
    blas = threadpoolctl.ThreadpoolController().select(user_api="blas")
    with blas.limit(limits=threads):
        return max(_product_rate(*shape, runs) for shape in PRODUCTS)


def _product_rate(rows, depth, columns, runs):
    generator = np.random.default_rng(0)
    import scipy.linalg.blas  # here, since a machine for GPU benchmarks may not have it

    a = np.asfortranarray(generator.random((rows, depth), np.float32))
    b = np.asfortranarray(generator.random((depth, columns), np.float32))
    c = np.zeros((rows, columns), np.float32, order="F")
    flop = 2 * rows * depth * columns
    repeats = -(-4_000_000_000 // flop)  # a run of some 20 ms, so that the clock's grain is nothing

    def run():
        for _ in range(repeats):
            scipy.linalg.blas.sgemm(1.0, a, b, 0.0, c, overwrite_c=1)

    return repeats * flop / _median_seconds(run, runs) / 1e9


def copy_rate(threads: int, runs: int = 9) -> float:
    """GB/s of copying an array of COPY_BYTES: bytes read plus bytes written, the median run.

    np.copyto in so many Python threads (it releases Python's lock), each its share of the array.
    The C library's copy writes past the cache where that is faster, so this is a hard measure for
    loops that do not.
    """
    source = np.ones(COPY_BYTES // 4, np.float32)
    target = np.zeros_like(source)
    shares = list(
        zip(np.array_split(target, threads), np.array_split(source, threads), strict=True)
    )

    def run():
        workers = [threading.Thread(target=np.copyto, args=share) for share in shares]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    return 2 * COPY_BYTES / _median_seconds(run, runs) / 1e9


def _median_seconds(run, runs):
    run()  # the first faults pages in and wakes threads
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


# --- figures --------------------------------------------------------------------------------------


def spread(seconds) -> tuple[float, float, float]:
    """(median, low, high) of some numbers; the middle 80 % lie from low to high. ValueError for
    none."""
    numbers = sorted(seconds)
    if not numbers:
        raise ValueError("spread: seconds is empty; one number or more fits")
    cut = len(numbers) // 10
    return statistics.median(numbers), numbers[cut], numbers[-1 - cut]


def write_json(path, report: dict) -> None:
    """Write the report to the file, readable by people too: innermost lists take a line each."""
    text = json.dumps(report, indent=1)
    # A JSON string has no line breaks of its own, so that none is lost.
    text = re.sub(r"[\[{][^\[\]{}]*[\]}]", lambda inner: re.sub(r"\n\s*", " ", inner[0]), text)
    Path(path).write_text(text + "\n")
