"""The numba backend's threads, cache of compiled kernels and BLAS; cases.py checks its numbers."""

import importlib
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import time

import numba
import numpy as np
import pytest
import threadpoolctl

import tinynet
import tinynet.backends.numba as kernels
from tinynet.backends.numba import blas, threads

PACKAGE = pathlib.Path(tinynet.__file__).parent
# The modules; the package exports functions of the same names.
linear = importlib.import_module("tinynet.backends.numba.linear")
relu = importlib.import_module("tinynet.backends.numba.relu")

# The processes below run this script: a convolution and a pool, whose kernels call other kernels of
# their files. A Numba warning is an error. It prints the pool's outputs and the cache's misses.
SCRIPT = """
import importlib, warnings
import numba, numpy as np
warnings.simplefilter("error", numba.core.errors.NumbaWarning)
import tinynet.backends.numba as kernels

x = np.arange(2 * 2 * 4 * 4, dtype=np.float32).reshape(2, 2, 4, 4)
y, switches = np.empty((2, 2, 2, 2), np.float32), np.empty((2, 2, 2, 2), np.int32)
kernels.max_pool2d(x, (2, 2), (2, 2), (0, 0), y, switches)
kernels.conv2d(x, np.ones((1, 2, 4, 4), np.float32), None, (1, 1), (0, 0), 1, np.empty((2, 1, 1, 1), np.float32))
called = {"conv2d": "_forward", "max_pool2d": "_max_pool2d"}
files = {name: importlib.import_module("tinynet.backends.numba." + name) for name in called}
stats = [getattr(files[name], called[name]).stats for name in called]
print(y[0, 0].ravel().tolist(), sum(sum(s.cache_misses.values()) for s in stats))
"""  # noqa: E501


def run(script, folder, **environment):
    """The output of a Python process that imports tinynet from this folder."""
    environment = {**os.environ, "PYTHONPATH": str(folder), **environment}
    command = [sys.executable, "-c", script]
    process = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    return process.stdout.strip()


def blas_threads():
    libraries = threadpoolctl.threadpool_info()
    return [library["num_threads"] for library in libraries if library["user_api"] == "blas"]


@pytest.fixture
def two_blas_threads():
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        yield


@pytest.fixture
def a_linear_layer():
    """x, weight, bias and y for kernels.linear."""
    generator = np.random.default_rng(0)
    shapes = (3, 5), (7, 5), (7,)
    return [*(generator.standard_normal(shape) for shape in shapes), np.empty((3, 7))]


def test_blas_thread_counts_are_the_same_after_a_kernel(two_blas_threads, a_linear_layer):
    before = blas_threads()
    kernels.linear(*a_linear_layer)
    assert blas_threads() == before


def test_blas_thread_counts_are_the_same_after_an_error_in_a_kernel(
    two_blas_threads, a_linear_layer, monkeypatch
):
    counts = []

    def broken(*arguments):
        counts.extend(blas_threads())
        raise MemoryError

    before = blas_threads()
    monkeypatch.setattr(linear, "_dot_products", broken)
    with pytest.raises(MemoryError):
        kernels.linear(*a_linear_layer)
    assert set(counts) == {1}, "inside, BLAS had more than one thread"
    assert blas_threads() == before


def test_blas_threads_come_back_when_the_last_of_two_threads_leaves(two_blas_threads):
    before = blas_threads()
    first_is_in, first_may_leave = threading.Event(), threading.Event()

    def first():
        with threads.one_blas_thread:
            first_is_in.set()
            first_may_leave.wait()

    thread = threading.Thread(target=first)
    thread.start()
    first_is_in.wait()
    with threads.one_blas_thread:
        first_may_leave.set()
        thread.join()
        assert set(blas_threads()) == {1}
    assert blas_threads() == before


def test_set_threads_holds_in_every_python_thread_and_for_blas(two_blas_threads, monkeypatch):
    counts = {}
    monkeypatch.setattr(
        relu, "_relu", lambda *arguments: counts.update(numba=numba.get_num_threads())
    )
    x = np.zeros(3)
    before = threads.threads()
    try:
        kernels.set_threads(1)
        thread = threading.Thread(target=kernels.relu, args=[x, x])
        thread.start()
        thread.join()
        assert counts == {"numba": 1}
        assert set(blas_threads()) == {1}
    finally:
        kernels.set_threads(before)
    kernels.relu(x, x)
    assert counts == {"numba": before}
    assert set(blas_threads()) == {before}


@pytest.fixture(params=[1, 2])
def thread_count(request):
    if request.param > numba.config.NUMBA_NUM_THREADS:
        pytest.skip(f"Numba may use {numba.config.NUMBA_NUM_THREADS} thread, this takes two")
    before = threads.threads()
    kernels.set_threads(request.param)
    yield request.param
    kernels.set_threads(before)


def test_run_on_threads_makes_as_many_calls_at_a_time_as_there_are_threads(thread_count):
    together = threading.Barrier(thread_count)
    calls, blas = [], []

    def kernel(number):
        together.wait(10)  # breaks unless threads() threads meet here
        calls.append((number, threading.current_thread() is threading.main_thread()))
        blas.extend(blas_threads())

    threads.run_on_threads(kernel, [(number,) for number in range(2 * thread_count)])
    on_main = {number: number % thread_count == 0 for number in range(2 * thread_count)}
    assert len(calls) == 2 * thread_count
    assert dict(calls) == on_main
    assert set(blas) == {1}


@pytest.mark.parametrize("wrong", [0, 1])
def test_run_on_threads_raises_a_kernels_error_after_the_others_have_ended(wrong, thread_count):
    numbers = []

    def kernel(number):
        if number == wrong:
            raise MemoryError(f"of {number}")
        time.sleep(0.05)
        numbers.append(number)

    before = blas_threads()
    with pytest.raises(MemoryError, match=f"of {wrong}"):
        threads.run_on_threads(kernel, [(0,), (1,)])
    if thread_count == 2:
        assert numbers == [1 - wrong]
    assert blas_threads() == before


def test_shares_are_equal_and_none_is_empty(thread_count):
    assert threads.shares(1) == [(0, 1)]
    assert threads.shares(7) == ([(0, 7)] if thread_count == 1 else [(0, 3), (3, 7)])


@pytest.mark.parametrize("count", [0, numba.config.NUMBA_NUM_THREADS + 1])
def test_set_threads_refuses_a_count_that_numba_cannot_use(count):
    with pytest.raises(ValueError, match=f"set_threads: count must be from 1 to .* got {count}"):
        kernels.set_threads(count)


def test_two_threads_train_at_once_on_the_workqueue_layer():
    script = """
import threading
import numba, numpy as np
import tinynet.backends.numba as kernels

assert numba.threading_layer() == "workqueue"
x = np.ones((4, 2, 4, 4), np.float32)
weight = np.ones((1, 2, 4, 4), np.float32)

def train(outputs):
    for _ in range(300):
        y = np.empty((4, 1, 1, 1), np.float32)
        kernels.conv2d(x, weight, None, (1, 1), (0, 0), 1, y)
        kernels.relu(y, y.copy())
        outputs.append(y.sum())

outputs = [[], []]
together = [threading.Thread(target=train, args=[mine]) for mine in outputs]
for thread in together: thread.start()
for thread in together: thread.join()
print([set(map(float, mine)) for mine in outputs], [len(mine) for mine in outputs])
"""
    output = run(script, PACKAGE.parent, NUMBA_THREADING_LAYER="workqueue")
    assert output == "[{128.0}, {128.0}] [300, 300]"


@pytest.fixture(scope="module")
def copied_package(tmp_path_factory):
    """A folder with a copy of tinynet whose kernels one process has compiled."""
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(PACKAGE, folder / "tinynet", ignore=shutil.ignore_patterns("__pycache__"))
    # Without NUMBA_CACHE_DIR the machine code lies beside the files, as by default.
    assert run(SCRIPT, folder, NUMBA_CACHE_DIR="") == "[5.0, 7.0, 13.0, 15.0] 2"
    return folder


def test_a_second_process_finds_every_kernel_in_the_cache_without_a_warning(copied_package):
    assert run(SCRIPT, copied_package, NUMBA_CACHE_DIR="") == "[5.0, 7.0, 13.0, 15.0] 0"


def test_an_edited_kernel_file_is_seen_by_the_next_process(copied_package):
    file = copied_package / "tinynet/backends/numba/max_pool2d.py"
    text = file.read_text()
    assert text.count("(candidate > largest)") == 1
    file.write_text(text.replace("(candidate > largest)", "(candidate <  largest)"))
    assert run(SCRIPT, copied_package, NUMBA_CACHE_DIR="") == "[0.0, 2.0, 8.0, 10.0] 1"


def test_a_sum_over_many_images_has_the_same_bits_on_every_run():
    generator = np.random.default_rng(0)
    dy = generator.standard_normal((37, 6, 9, 7), np.float32)
    x = generator.standard_normal((37, 4, 9, 7), np.float32)
    sums = np.empty((5, 6, 2, 3, 3), np.float32)
    for dweight in sums:
        kernels.conv2d_backward_weight(dy, x, (1, 1), (1, 1), 2, dweight)
    assert (sums == sums[0]).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("m, n, k", [(3, 4, 5), (1, 4, 5), (3, 1, 5), (3, 4, 1), (1, 1, 1)])
def test_product_takes_slices_and_transposes(dtype, m, n, k):
    generator = np.random.default_rng(0)

    def part(rows, columns):
        """A matrix inside a larger one."""
        return generator.integers(-9, 9, (rows + 2, columns + 3)).astype(dtype)[1:-1, 1:-2]

    for a in (part(m, k), part(k, m).T):
        for b in (part(k, n), part(n, k).T):
            for beta in (0, 1):
                c = part(m, n)
                expected = a @ b + beta * c
                blas.product(a, b, beta, c)
                np.testing.assert_array_equal(c, expected)
