"""How the kernels are compiled: two decorators, one for plain loops and one for parallel ones.

    nogil           other Python threads, such as the image loaders, run meanwhile
    error_model     1 / 0 is infinity, as in NumPy, not an exception; without a test for zero, loops
                    vectorise
    fastmath        sums may be split over vector lanes, a * b + c rounded once. Never "nnan" or
                    "ninf": with them NaN and infinity could be lost on the way to the loss

The machine code is kept by cache.py. A kernel calls only functions of its own file, and product()
of blas.py: the cache sees an edit to these files, not to others.
"""

import numba

from .cache import keep

_options = {
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"contract", "reassoc", "nsz"},
}


def loops(function):
    """Decorates a kernel, or a function that kernels call."""
    return keep(numba.njit(**_options)(function))


def parallel_loops(function):
    """Decorates a kernel whose loops over prange() run in parallel."""
    return keep(numba.njit(parallel=True, **_options)(function))
