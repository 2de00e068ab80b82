"""The machine under a benchmark: whether it is idle, and its facts; the spread of figures."""

import contextlib
import datetime
import json
import os
import platform
import re
import statistics
import sys
import time
from importlib import metadata
from pathlib import Path

import threadpoolctl

BUSY = 0.1  # a machine is idle while other processes use less than this share of its processors

# The variables that decide which kernels and how many threads libraries take; read here, before a
# library sets some of them itself.
FORCING = {
    name: value
    for name, value in sorted(os.environ.items())
    if name.startswith(("OPENBLAS_", "OMP_", "NUMBA_", "MKL_")) and not name.endswith("CACHE_DIR")
}


# --- idle or not ----------------------------------------------------------------------------------


def wait_until_idle(seconds: float = 120) -> bool:
    """Wait until the machine is idle, at most this many seconds; returns whether it is.

    Idle: other processes use less than a tenth of all processors for a second. Where the system
    does not tell (/proc is Linux's), the answer is False.
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
    """The share, 0 to 1, of all processors' time that other processes use in the next seconds; None
    where the system does not tell."""
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
    """(busy, all) ticks of all processors since the machine started. The time that a virtual
    machine's host gave to other machines counts as busy."""
    with open("/proc/stat") as file:
        user, nice, system, idle, io_wait, *others = map(int, file.readline().split()[1:9])
    busy = user + nice + system + sum(others)
    return busy, busy + idle + io_wait


# --- what it is -----------------------------------------------------------------------------------


def description(threads: int | None = None) -> dict:
    """The facts of a machine that a result depends on: plain values, for JSON.

    threads  that the benchmark uses; None: all that this process may use
    """
    return {
        "processor": _processor(),
        "processors": os.cpu_count(),
        "threads": threads or usable_processors(),
        "blas": blas_kernels(),
        "forced": FORCING,
        **_software("numba", "scipy"),
    }


def versions(*packages: str) -> dict[str, str]:
    """{package: version} of those that are installed."""
    installed = {}
    for name in packages:
        with contextlib.suppress(metadata.PackageNotFoundError):
            installed[name] = metadata.version(name)
    return installed


def blas_kernels() -> list[str]:
    """The kernels that NumPy's and SciPy's BLAS run on, such as ["OpenBLAS 0.3.31 SkylakeX"]."""
    with contextlib.suppress(ImportError):
        import scipy.linalg.blas  # noqa: F401  loads SciPy's BLAS
    names = {"openblas": "OpenBLAS", "mkl": "MKL", "blis": "BLIS"}
    return sorted(
        {
            f"{names.get(row['internal_api'], row['internal_api'])} {row['version']} "
            f"{row.get('architecture', '')}".strip()
            for row in threadpoolctl.threadpool_info()
            if row["user_api"] == "blas"
        }
    )


def words(about: dict) -> str:
    """The machine of a result in a line: processor or GPU, threads, BLAS kernel, what forces it."""
    if "gpu" in about:
        return about["gpu"]
    text = f"{about['processor']}, {about['processors']} processors, {about['threads']} threads"
    text += "".join(f", {kernel}" for kernel in about["blas"])
    forced = ", ".join(f"{name}={value}" for name, value in about["forced"].items())
    return text + (f"; FORCED by {forced}" if forced else "")


def gpu_description() -> dict:
    """The facts of the GPU of the cupy backend: plain values, for JSON."""
    import cupy

    runtime = cupy.cuda.runtime
    about = runtime.getDeviceProperties(cupy.cuda.Device().id)
    return {
        "gpu": about["name"].decode(),
        "compute_capability": f"{about['major']}.{about['minor']}",
        "memory_bytes": about["totalGlobalMem"],
        "driver_cuda": runtime.driverGetVersion(),
        "runtime_cuda": runtime.runtimeGetVersion(),
        "cublas": cupy.cuda.cublas.getVersion(cupy.cuda.device.get_cublas_handle()),
        "cupy": cupy.__version__,
        **_software("torch"),
    }


def _software(*packages):
    return {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        **versions("numpy", *packages),
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


# --- figures --------------------------------------------------------------------------------------


def spread(seconds) -> tuple[float, float, float]:
    """(median, low, high) of some numbers; the middle 80 % lie from low to high. Raises ValueError
    for an empty list."""
    numbers = sorted(seconds)
    if not numbers:
        raise ValueError("spread: seconds is empty; one number or more fits")
    cut = len(numbers) // 10
    return statistics.median(numbers), numbers[cut], numbers[-1 - cut]


def write_json(path, report: dict) -> None:
    """Write a report to a file, whole or not at all, with a line for each innermost list, so that
    people can read it. A link or a device, such as /dev/stdout, is written in place."""
    text = json.dumps(report, indent=1)
    # A JSON string never holds a line break, so none is lost.
    text = re.sub(r"[\[{][^\[\]{}]*[\]}]", lambda inner: re.sub(r"\n\s*", " ", inner[0]), text)
    path = Path(path)
    if path.is_symlink() or (path.exists() and not path.is_file()):
        path.write_text(text + "\n")
        return
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(text + "\n")
    os.replace(temporary, path)
