"""How the kernels are compiled: two decorators, one for plain loops and one for parallel ones.

    cache           the machine code is kept beside the file, or in the user's cache folder
    nogil           other Python threads (those that read images) run meanwhile
    error_model     1 / 0 is infinity, as in NumPy, not an exception; without the test loops vectorise
    fastmath        sums may be split over vector lanes, a * b + c rounded once. Never "nnan" or
                    "ninf": they would heal NaN and infinity on their way to the loss

Numba's cache compares the dates of one file only, the file of the kernel. So a kernel calls compiled
functions of its own file, whose edits are seen, and product() of blas.py. An edit to blas.py or to
this file is not seen: delete __pycache__ after one.
"""  # noqa: E501

import numba

_options = {
    "cache": True,
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"contract", "reassoc", "nsz"},
}
loops = numba.njit(**_options)
parallel_loops = numba.njit(parallel=True, **_options)
