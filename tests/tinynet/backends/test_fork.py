"""Child processes by fork: their memory is their own, and where they cannot compute they say so.

Each test runs a script in a process of its own, since pytest's process has threads. A child that
hangs ends its test by the timeout.
"""

import os
import pathlib
import subprocess
import sys
import textwrap

import pytest

import tinynet
import tinynet as tn

ROOT = pathlib.Path(tinynet.__file__).parents[1]
PROCESSOR = [name for name in ("numpy", "numba") if name in tn.available_backends()]
needs_numba = pytest.mark.skipif("numba" not in PROCESSOR, reason="Numba is not installed")
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

NETWORK = """
import multiprocessing, os
import numpy as np
import tinynet as tn

conv = tn.nn.Conv2d(3, 8, 3, padding=1)
fc = tn.nn.Linear(8 * 8 * 8, 10)
tn.nn.init.normal(conv.weight, 0.1, index=0)
tn.nn.init.normal(fc.weight, 0.1, index=1)

def loss_of(number):
    images = np.random.default_rng(number).standard_normal((16, 3, 16, 16), np.float32)
    activation = tn.max_pool2d(tn.relu(conv(tn.Tensor(images))), 2)
    loss = tn.softmax_cross_entropy(fc(activation.flatten()), np.arange(16) % 10)
    loss.backward()
    return loss.item()

def in_a_pool():
    with multiprocessing.get_context("fork").Pool(4) as pool:
        return pool.map(loss_of, range(40))

def in_a_child(function):
    # The child's exit code: 0 if function() is true.
    child = os.fork()
    if child == 0:
        os._exit(0 if function() else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""


@pytest.fixture(scope="module", autouse=True)
def compiled():
    """Fills the cache of compiled kernels, so that the children do not compile all at once."""
    if "numba" in PROCESSOR:
        run("loss_of(0)", "numba")


def run(script, backend, **variables):
    """What a process that runs NETWORK and the script prints."""
    process = subprocess.run(
        [sys.executable, "-c", NETWORK + textwrap.dedent(script)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TINYNET_BACKEND": backend, **variables},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    return process.stdout.strip()


@pytest.mark.parametrize("backend", PROCESSOR)
def test_what_a_child_writes_does_not_change_its_parents_arrays(backend):
    script = """
    from tinynet.backends.host_memory import empty

    array = empty((200, 200), np.float32)
    array[:] = 1

    def write():
        array[:] = 7
        return array.sum() == 280_000

    print(in_a_child(write), array.sum())
    """
    assert run(script, backend) == "0 40000.0"


def test_a_child_gives_up_unused_memory_and_reuses_what_its_arrays_leave():
    script = """
    from tinynet.backends import host_memory
    from tinynet.backends.host_memory import _blocks, empty

    unused, used = empty((200, 200), np.float32), empty((300, 300), np.float32)
    del unused
    empty((64, 1024), np.float32)
    assert _blocks.unused_bytes > 0

    def child():
        global used
        if _blocks.unused_bytes or any(_blocks.unused.values()):
            return False
        where = used.__array_interface__["data"][0]
        used[:] = 3
        del used
        again = empty((300, 300), np.float32)
        return again.__array_interface__["data"][0] == where and again[0, 0] == 3

    print(in_a_child(child), _blocks.unused_bytes > 0)
    """
    assert run(script, "numpy") == "0 True"


def test_a_child_is_not_stopped_by_a_lock_that_a_thread_of_its_parent_held():
    script = """
    import threading
    from tinynet.backends.host_memory import _blocks, empty

    held, done = threading.Event(), threading.Event()

    def hold():
        with _blocks.lock:
            held.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    print(in_a_child(lambda: empty((200, 200), np.float32).shape == (200, 200)))
    done.set()
    """
    assert run(script, "numpy") == "0"


@pytest.mark.parametrize("backend", PROCESSOR)
def test_a_pool_that_is_forked_before_the_first_kernel_computes_the_right_numbers(backend):
    script = "forked = in_a_pool(); print(forked == [loss_of(number) for number in range(40)])"
    assert run(script, backend) == "True"


def test_a_pool_that_is_forked_after_a_kernel_computes_the_right_numbers_on_numpy():
    script = "expected = [loss_of(number) for number in range(40)]; print(in_a_pool() == expected)"
    assert run(script, "numpy") == "True"


@needs_numba
def test_a_pool_that_is_forked_after_a_kernel_computes_the_right_numbers_on_workqueue():
    script = "expected = [loss_of(number) for number in range(40)]; print(in_a_pool() == expected)"
    assert run(script, "numba", NUMBA_THREADING_LAYER="workqueue") == "True"


@needs_numba
@pytest.mark.parametrize("first", ["loss_of(0)", "numba.set_num_threads(1)"])
def test_a_pool_that_is_forked_after_a_kernel_gets_an_error_in_words_on_gnus_openmp(first):
    """Also after a parallel loop of the user's own, or what else starts Numba's threads."""
    script = """
    import numba
    tn.get_backend()
    FIRST
    from numba.np.ufunc import omppool
    print(numba.threading_layer(), omppool.openmp_vendor)
    try:
        in_a_pool()
    except RuntimeError as error:
        print(error)
    print(loss_of(1) > 0)
    """
    layer, *lines = run(script.replace("FIRST", first), "numba").splitlines()
    if layer != "omp GNU":
        pytest.skip(f"Numba's threading layer is {layer} here: a child can use it")
    error, parent_goes_on = lines
    assert "forked" in error and "spawn" in error and "threads" in error
    assert parent_goes_on == "True"


@needs_numba
def test_blas_has_all_its_threads_in_a_child_of_a_process_whose_kernel_was_running():
    script = """
    import threading, threadpoolctl
    tn.get_backend()
    from tinynet.backends.numba import threads

    def counts():
        libraries = threadpoolctl.threadpool_info()
        return [each["num_threads"] for each in libraries if each["user_api"] == "blas"]

    threads.one_blas_thread.set_threads(2)
    inside, done = threading.Event(), threading.Event()
    thread = threading.Thread(target=threads.run_on_threads, args=[
        lambda: (inside.set(), done.wait()), [()]
    ])
    thread.start()
    inside.wait()
    before = counts()

    def child():
        after = counts()
        threads.run_on_threads(lambda: None, [()])
        return set(after) == {2} and counts() == after

    print(set(before), in_a_child(child))
    done.set()
    """
    assert run(script, "numba") == "{1} 0"
