"""How many threads are used by kernels, and by the BLAS libraries inside and outside of them.

- There are two ways to use several threads. Numba's parallel loops start in 10 us, but compile
  their body once more, with all functions that it calls: they are for short bodies.
  run_on_threads() takes 25 us to start and compiles nothing more: it is for kernels of many
  functions. The convolutions compile in 15 s for run_on_threads(), in 42 s as parallel loops.
- A matrix product inside run_on_threads() uses one thread; otherwise every thread would start BLAS
  threads. Elsewhere products use all threads. Parallel loops contain no matrix products.
- Numba keeps a number of threads for each Python thread; set_threads sets it for all of them.
- Numba's workqueue layer ends the process when two Python threads enter parallel loops at once.
  With this layer, and with every layer outside SAFE_LAYERS, Python threads take turns.
- GNU's OpenMP ends a forked child that enters a parallel loop after its parent did. There parallel
  loops are an error in the child. So Numba's threads start as late as possible, at the first
  parallel loop: a child that was forked before it starts its own.
"""

import concurrent.futures
import contextlib
import functools
import os
import threading

import numba
import scipy.linalg.cython_blas  # noqa: F401  loads SciPy's BLAS, so that the controller sees it
import threadpoolctl

SAFE_LAYERS = ("omp", "tbb")  # Numba's layers that several Python threads may enter at once
_DEFAULT_LAYERS = ("default", ["tbb", "omp", "workqueue"])  # Numba's choice and its order


class _OneBlasThread:
    """`with one_blas_thread:` limits BLAS to one thread; the last thread to leave restores it."""

    def __init__(self):
        # NumPy and SciPy each bring a library.
        controller = threadpoolctl.ThreadpoolController().select(user_api="blas")
        self._libraries = controller.lib_controllers
        self._lock = threading.Lock()
        self._inside = 0
        self._before = []

    def __enter__(self):
        with self._lock:
            if self._inside == 0:
                self._before = [library.get_num_threads() for library in self._libraries]
                self._set([1] * len(self._libraries))
            self._inside += 1

    def __exit__(self, *error):
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._set(self._before)

    def set_threads(self, count):
        """Outside of the guard, BLAS uses `count` threads from now on."""
        with self._lock:
            self._before = [count] * len(self._libraries)
            if self._inside == 0:
                self._set(self._before)

    def _set(self, counts):
        for library, count in zip(self._libraries, counts, strict=True):
            # From 3.8 on threadpoolctl obeys only the first Python thread that sets a count, and
            # silently ignores the others until that thread is forgotten.
            forget = getattr(library, "clear_controlling_thread", lambda force: None)
            forget(force=True)
            library.set_num_threads(count)
            forget(force=True)

    def forget_other_threads(self):
        """In a child after a fork: the threads that were inside are the parent's."""
        inside, self._inside, self._lock = self._inside, 0, threading.Lock()
        if inside:
            self._set(self._before)


class _ThisThread(threading.local):
    count = None  # the number of threads last set in Numba by this Python thread


# Idle OpenMP threads busy-wait and starve the image loaders (measured: small kernels 50 times
# slower beside a busy process). OpenMP reads the variable when it is loaded, that is, when Numba
# starts its threads.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

one_blas_thread = _OneBlasThread()
_this_thread = _ThisThread()
_count = numba.config.NUMBA_NUM_THREADS
_starting = threading.Lock()
_one_at_a_time = None  # the guard of parallel loops, once Numba has started its threads


def threads():
    """The number of threads that parallel loops use."""
    return _count


def set_threads(count):
    """Use this many threads from now on, in the loops and products of all Python threads.

    count  1 to the number of processors that Numba saw (NUMBA_NUM_THREADS in the environment)
    Raises ValueError for another count.
    """
    global _count
    most = numba.config.NUMBA_NUM_THREADS
    if not 1 <= count <= most:
        raise ValueError(
            f"set_threads: count must be from 1 to {most}, got {count}; for more, set "
            f"NUMBA_NUM_THREADS={count} in the environment"
        )
    _count = int(count)
    one_blas_thread.set_threads(_count)


def parallel(kernel):
    """Decorates a kernel that enters parallel loops: they use threads() threads, and take turns
    where Numba's layer needs it."""

    @functools.wraps(kernel)
    def guarded(*arguments):
        if _this_thread.count != _count:
            _set_count()
        with _one_at_a_time:
            kernel(*arguments)

    return guarded


def _set_count():
    """Tell Numba the number of threads for this Python thread. The first call starts the threads;
    until then the layer has no name."""
    global _one_at_a_time
    numba.set_num_threads(_count)
    with _starting:
        if _one_at_a_time is None:
            _one_at_a_time = _guard()
    _this_thread.count = _count


def _guard():
    safe = numba.threading_layer() in SAFE_LAYERS
    return contextlib.nullcontext() if safe else threading.RLock()


def shares(count):
    """`count` items split among the threads: for each thread (first, one after the last). No share
    is empty: with fewer items than threads there are fewer shares."""
    number = min(_count, count)
    return [(count * s // number, count * (s + 1) // number) for s in range(number)]


def run_on_threads(kernel, calls):
    """Call kernel(*arguments) for all arguments in `calls`, threads() calls at a time. The calling
    thread takes the first. BLAS uses one thread in each call.

    kernel  compiled with nogil, as all are: it releases the interpreter's lock while it runs
    Raises the error of a kernel, after the running kernels have ended.
    """
    with one_blas_thread:
        for start in range(0, len(calls), _count):
            first, *others = calls[start : start + _count]
            others = [_pool().submit(kernel, *arguments) for arguments in others]
            try:
                kernel(*first)
            finally:
                concurrent.futures.wait(others)
            for other in others:
                other.result()


@functools.cache
def _pool():
    return concurrent.futures.ThreadPoolExecutor(numba.config.NUMBA_NUM_THREADS, "tinynet")


class _Forbidden:
    """The guard of parallel loops in a child of a process that used GNU's OpenMP."""

    def __enter__(self):
        raise RuntimeError(
            "backend 'numba': this process was forked after its parent had started GNU's OpenMP, "
            "whose threads do not survive a fork; start processes by "
            "multiprocessing.get_context('spawn'), or use threads, or fork before the first "
            "computation, or set NUMBA_THREADING_LAYER=workqueue before the start"
        )

    def __exit__(self, *error):
        pass


def _after_fork_in_child():
    """A child has none of its parent's other threads, and a lock that one of them held stays
    locked for ever."""
    global _one_at_a_time, _starting
    _pool.cache_clear()
    one_blas_thread.forget_other_threads()
    _starting = threading.Lock()
    if _gnu_openmp_has_started():
        _one_at_a_time = _Forbidden()
    elif _one_at_a_time is not None:
        _one_at_a_time = _guard()


def _gnu_openmp_has_started():
    """Also where it was not this backend that started it, but a parallel loop of the user's own."""
    try:
        layer = numba.threading_layer()
    except ValueError:  # no layer has started
        return False
    if layer != "omp":
        return False
    from numba.np.ufunc import omppool

    return omppool.openmp_vendor == "GNU"


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
if (numba.config.THREADING_LAYER, numba.config.THREADING_LAYER_PRIORITY) != _DEFAULT_LAYERS:
    _set_count()  # a layer that was chosen by a variable may be missing: an error at the import
