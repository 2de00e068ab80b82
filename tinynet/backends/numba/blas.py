"""SciPy's matrix product, callable from compiled kernels.

SciPy publishes the addresses of its BLAS functions. They are registered with LLVM under names of
our own, and a kernel refers to the name, so that its machine code can be cached: an address would
change with every process. BLAS is Fortran: every argument is a pointer, integers have 32 bits and
matrices lie column by column.

    gemm(transa, transb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
    c (m, n) = alpha a (m, k) b (k, n) + beta c

The arguments are declared as integers that hold addresses, so that one function can be written for
both sgemm (float32) and dgemm (float64).

Source: scipy.linalg.cython_blas; Dongarra and others, A set of level 3 basic linear algebra
subprograms (1990).
"""

import llvmlite.binding
import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import get_cython_function_address, intrinsic

from .compilation import loops


def _declare(name):
    symbol = f"tinynet_{name}"
    address = get_cython_function_address("scipy.linalg.cython_blas", name)
    llvmlite.binding.add_symbol(symbol, address)
    return types.ExternalFunction(symbol, types.void(*[types.intp] * 13))


_sgemm = _declare("sgemm")
_dgemm = _declare("dgemm")

SMALL = 1_000_000  # multiplications: up to this many OpenBLAS does not copy its matrices
_AS_IT_IS, _TRANSPOSED = np.uint8(ord("N")), np.uint8(ord("T"))  # BLAS's letters


@intrinsic
def _address_of(typing_context, number):
    """The address of a copy of a number, on the stack until the calling function returns."""

    def generate(context, builder, signature, arguments):
        copy = cgutils.alloca_once_value(builder, arguments[0])
        return builder.ptrtoint(copy, context.get_value_type(types.intp))

    return types.intp(number), generate


@loops
def product(a, b, beta, c):
    """c = a @ b + beta c; beta 0 overwrites whatever c holds.

    a (m, k), b (k, n), c (m, n)  one dtype, float32 or float64; the rows of c, and the rows or the
                                  columns of a and b, are contiguous: slices and .T are allowed
    """
    # Read column by column, c is its transpose, and c^T = b^T a^T: b comes first.
    alpha_at, beta_at = _address_of(c.dtype.type(1)), _address_of(c.dtype.type(beta))
    m, n, k = np.int32(c.shape[0]), np.int32(c.shape[1]), np.int32(a.shape[1])
    sizes_at = _address_of(n), _address_of(m), _address_of(k)
    a_letter, a_length = _layout(a)
    b_letter, b_length = _layout(b)
    _, c_length = _layout(c)
    letters_at = _address_of(b_letter), _address_of(a_letter)
    a_at = a.ctypes.data, _address_of(a_length)
    b_at = b.ctypes.data, _address_of(b_length)
    c_at = c.ctypes.data, _address_of(c_length)
    if c.itemsize == 4:
        _sgemm(*letters_at, *sizes_at, alpha_at, *b_at, *a_at, beta_at, *c_at)
    else:
        _dgemm(*letters_at, *sizes_at, alpha_at, *b_at, *a_at, beta_at, *c_at)


@loops
def _layout(matrix):
    """BLAS's letter for the matrix, N or T (its columns are contiguous), and the number of cells
    from one row, or column, to the next. The stride of a single row is arbitrary, so its length is
    used."""
    rows, columns = matrix.shape
    down, right = matrix.strides
    if right == matrix.itemsize:
        return _AS_IT_IS, np.int32(max(down // matrix.itemsize, columns))
    return _TRANSPOSED, np.int32(max(right // matrix.itemsize, rows))
