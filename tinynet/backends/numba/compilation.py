"""How the kernels are compiled: two decorators, one for plain loops and one for parallel ones.

    cache           the machine code is kept beside the file, or in the user's cache folder
    nogil           other Python threads, such as the image loaders, run meanwhile
    error_model     1 / 0 is infinity, as in NumPy, not an exception; without a test for zero, loops
                    vectorise
    fastmath        sums may be split over vector lanes, a * b + c rounded once. Never "nnan" or
                    "ninf": with them NaN and infinity could be lost on the way to the loss

Numba's cache checks the date of the kernel's own file only. So a kernel calls only functions of its
own file, and product() of blas.py. The cache does not notice an edit to blas.py or to this file:
delete __pycache__ after one.
"""

import numba

_options = {
    "cache": True,
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"contract", "reassoc", "nsz"},
}
loops = numba.njit(**_options)
parallel_loops = numba.njit(parallel=True, **_options)
