"""Checks the variables that Numba reads from the environment, before Numba is imported: with a bad
value Numba's import fails half-way, or goes on with another value, or the process ends by a signal.
Raises BackendError.
"""

import os

from tinynet.backends import BackendError

MOST_THREADS = 4096  # more than a machine has processors; at some 100,000 Numba ends by a signal
LAYERS = "default tbb omp workqueue safe threadsafe forksafe".split()


def _check(name, fits, sentence):
    value = os.environ.get(name)
    if value is not None and not fits(value):
        reason = f"{name}={value!r} is not {sentence}"
        raise BackendError(
            f"backend 'numba' cannot be used: {reason}; unset it, or use numpy", reason
        )


_check(
    "NUMBA_NUM_THREADS",
    lambda count: count.strip().isdecimal() and 1 <= int(count) <= MOST_THREADS,
    f"a number of threads from 1 to {MOST_THREADS}",
)
_check(
    "NUMBA_THREADING_LAYER",
    lambda layer: layer.lower() in LAYERS,
    f"one of {', '.join(LAYERS)}",
)
_check(
    "NUMBA_CPU_FEATURES",
    lambda features: all(feature[:1] in ("", "+", "-") for feature in features.split(",")),
    "a list such as +avx2,-fma, each with + or -",
)
