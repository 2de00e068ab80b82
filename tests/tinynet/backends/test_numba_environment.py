"""Bad values of the variables that Numba reads: an error in words, and exit code 4."""

import os
import subprocess
import sys

import pytest


def run(*command, **variables):
    return subprocess.run(
        [sys.executable, *command], env={**os.environ, **variables},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip


BAD = {
    "NUMBA_NUM_THREADS": ["abc", "0", "-3", "2.5", "", "100000"],
    "NUMBA_THREADING_LAYER": ["foo", ""],
    "NUMBA_CPU_FEATURES": ["foo", "+avx2,fma"],
    "NUMBA_THREADING_LAYER_PRIORITY": ["foo", "omp tbb"],
}


@pytest.mark.parametrize(("name", "value"), [(n, value) for n in BAD for value in BAD[n]])
def test_a_bad_value_is_a_backend_error_each_time_that_says_what_fits(name, value):
    script = """
import tinynet as tn
for _ in range(2):
    try:
        tn.get_backend("numba")
    except tn.BackendError as error:
        print(error)
print(tn.available_backends())
"""
    process = run("-c", script, **{name: value})
    first, second, available = process.stdout.splitlines()
    assert first == second
    assert first.startswith("backend 'numba' cannot be used: ") and "numpy" in first
    assert name.removeprefix("NUMBA_") in first
    assert "numba" not in available and "numpy" in available
    assert process.stderr == ""


def test_a_command_ends_with_4_and_one_line():
    process = run("-m", "alexnet.train", "--max-steps", "1", NUMBA_NUM_THREADS="abc")
    assert process.returncode == 4
    assert process.stderr.splitlines() == [
        "alexnet.train: backend 'numba' cannot be used: NUMBA_NUM_THREADS='abc' is not a number of "
        "threads from 1 to 4096; unset it, or use numpy"
    ]


@pytest.mark.parametrize("value", ["1", " 2", "7"])
def test_a_good_number_of_threads_is_taken(value):
    script = "import tinynet.backends.numba.threads as t; print(t.threads())"
    assert run("-c", script, NUMBA_NUM_THREADS=value).stdout == f"{int(value)}\n"


def test_a_layer_that_is_not_installed_is_an_error_at_once():
    try:
        import tbb  # noqa: F401
    except ImportError:
        pass
    else:
        pytest.skip("TBB is installed here")
    script = "import tinynet as tn; tn.get_backend('numba')"
    process = run("-c", script, NUMBA_THREADING_LAYER="tbb")
    last = process.stderr.splitlines()[-1]
    assert "BackendError: backend 'numba' cannot be used: No threading layer" in last
