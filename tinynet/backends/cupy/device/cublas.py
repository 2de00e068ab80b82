"""Matrix products by cuBLAS, called through ctypes on CuPy's handle and stream.

CuPy's own cuBLAS calls cannot be captured in a CUDA graph. Calls of the library can, if the caller
provides its workspace. One function, cublasGemmStridedBatchedEx, computes all products:

    C[s] = alpha A[s] B[s] + beta C[s]      alpha 1, beta 0 or 1

cuBLAS expects matrices column by column, so it reads our matrices, which lie row by row, as their
transposes. Therefore it is asked for out^T = b^T a^T.

Source: cuBLAS Library User's Guide, cublasGemmStridedBatchedEx, cublasSetWorkspace.
"""

import ctypes

import numpy as np

# For products of float32: "tf32" rounds the factors from 23 bits after the point to 10.
PRECISIONS = ("float32", "tf32")
R_32F, R_64F = 0, 1  # cudaDataType
COMPUTE_32F, COMPUTE_32F_FAST_TF32, COMPUTE_64F = 68, 77, 70  # cublasComputeType_t
NORMAL, TRANSPOSED = 0, 1
DEFAULT = -1  # cublasGemmAlgo_t
HOST_POINTERS, DEFAULT_MATH = 0, 0
WORKSPACE = 64 << 20  # bytes: twice cuBLAS's own default on an H100

_int, _long, _pointer = ctypes.c_int, ctypes.c_longlong, ctypes.c_void_p
# handle, op a, op b, m, n, k, alpha, A, its type, leading dimension, stride, B ..., beta, C ...,
# stacks, compute type, algorithm
_SIGNATURE = [
    _pointer, _int, _int, _int, _int, _int, _pointer,
    _pointer, _int, _int, _long, _pointer, _int, _int, _long,
    _pointer, _pointer, _int, _int, _long, _int, _int, _int,
]  # fmt: skip


class Cublas:
    """cuBLAS on the current device."""

    def __init__(self, cupy):
        self._cuda = cupy.cuda
        # CuPy has loaded the version that it was built for: load the same one.
        major = cupy.cuda.cublas.getVersion(cupy.cuda.device.get_cublas_handle()) // 10_000
        self._library = ctypes.CDLL(f"libcublas.so.{major}")
        self._gemm = self._library.cublasGemmStridedBatchedEx
        self._gemm.argtypes = _SIGNATURE
        self._workspace = cupy.cuda.alloc(WORKSPACE)

    def product(self, a, b, out, add, tf32):
        """out = a @ b, or with add out += a @ b, stack by stack. Shapes: product_shapes."""
        stacks, rows, inner, columns = product_shapes(a, b, out)
        if a.dtype == np.float32:
            number, kind = ctypes.c_float, R_32F
            compute = COMPUTE_32F_FAST_TF32 if tf32 else COMPUTE_32F
        else:
            number, kind, compute = ctypes.c_double, R_64F, COMPUTE_64F
        handle = self._cuda.device.get_cublas_handle()
        self._prepare(handle)
        one, beta = number(1), number(add)
        a_order, a_lead, a_stride = _layout(a)
        b_order, b_lead, b_stride = _layout(b)
        out_order, out_lead, out_stride = _layout(out)
        if out_order != NORMAL:
            raise ValueError(
                f"product: out {out.shape} has contiguous columns; its rows must be contiguous"
            )
        status = self._gemm(
            handle, b_order, a_order, columns, rows, inner, ctypes.byref(one),
            b.data.ptr, kind, b_lead, b_stride,
            a.data.ptr, kind, a_lead, a_stride, ctypes.byref(beta),
            out.data.ptr, kind, out_lead, out_stride, stacks, compute, DEFAULT,
        )  # fmt: skip
        _check(status, f"product of {a.shape} and {b.shape}")

    def _prepare(self, handle):
        """Set the stream, the workspace, the pointer mode (alpha and beta are on the host) and the
        math mode (float32 stays float32): other users of CuPy's handle may have changed them."""
        stream = self._cuda.get_current_stream().ptr
        library, handle = self._library, _pointer(handle)
        _check(library.cublasSetStream_v2(handle, _pointer(stream)), "stream")
        # After the stream: setting a stream resets the workspace to the library's own.
        _check(
            library.cublasSetWorkspace_v2(
                handle, _pointer(self._workspace.ptr), ctypes.c_size_t(WORKSPACE)
            ),
            "workspace",
        )
        _check(library.cublasSetPointerMode_v2(handle, HOST_POINTERS), "pointer mode")
        _check(library.cublasSetMathMode(handle, DEFAULT_MATH), "math mode")


def product_shapes(a, b, out):
    """(stacks, rows, inner, columns) of out = a @ b, stack by stack.

    a    (stacks, rows, inner)
    b    (stacks, inner, columns)
    out  (stacks, rows, columns)
    Raises ValueError where shapes, dtypes or strides do not fit: a matrix must have contiguous rows
    or contiguous columns.
    """
    stacks, rows, inner = a.shape
    columns = b.shape[2]
    if b.shape != (stacks, inner, columns) or out.shape != (stacks, rows, columns):
        raise ValueError(f"product: {a.shape} @ {b.shape} is not {out.shape}")
    if not a.dtype == b.dtype == out.dtype:
        raise ValueError(f"product: dtypes {a.dtype}, {b.dtype} and {out.dtype} differ")
    for m in (a, b, out):
        if m.itemsize not in m.strides[1:] and 1 not in m.shape[1:]:
            raise ValueError(f"product: a matrix of strides {m.strides} lies scattered in memory")
    return stacks, rows, inner, columns


def _layout(matrix):
    """(op, leading dimension, stride) of a stack of matrices, in elements, as cuBLAS takes them."""
    _, rows, columns = matrix.shape
    stack, row, column = (s // matrix.itemsize for s in matrix.strides)
    # The stride of an axis of size 1 is arbitrary.
    if column == 1 or columns == 1:
        return NORMAL, max(row if rows > 1 else columns, 1), stack
    return TRANSPOSED, max(column if columns > 1 else rows, 1), stack


def _check(status, what):
    if status:
        raise RuntimeError(f"cuBLAS: {what}: status {status}")
