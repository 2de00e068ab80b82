"""The calls of cuBLAS: a stand-in, written from its manual, computes the products they ask for."""

import ctypes
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet.backends.cupy.device import cublas
from tinynet.backends.cupy.device.cublas import Cublas

HANDLE, STREAM, WORKSPACE = 11, 22, 33


class ColumnMajor:
    """cuBLAS on the processor: C[s] = alpha op(A[s]) op(B[s]) + beta C[s], where a matrix of
    leading dimension l has element (row, column) at row + column * l."""

    def __init__(self):
        self.calls = []
        self.cublasGemmStridedBatchedEx = self._Gemm(self.calls)

    def cublasSetStream_v2(self, handle, stream):
        self.calls.append(("stream", handle.value, stream.value))
        return 0

    def cublasSetWorkspace_v2(self, handle, memory, size):
        self.calls.append(("workspace", handle.value, memory.value, size.value))
        return 0

    def cublasSetPointerMode_v2(self, handle, mode):
        self.calls.append(("pointer mode", mode))
        return 0

    def cublasSetMathMode(self, handle, mode):
        self.calls.append(("math mode", mode))
        return 0

    class _Gemm:
        def __init__(self, calls):
            self.calls = calls

        def __call__(
            self, handle, op_a, op_b, m, n, k, alpha, a, a_type, a_lead, a_stride,
            b, b_type, b_lead, b_stride, beta, c, c_type, c_lead, c_stride, stacks, compute, algo,
        ):  # fmt: skip
            assert handle == HANDLE and algo == cublas.DEFAULT and a_type == b_type == c_type
            dtype = {cublas.R_32F: np.float32, cublas.R_64F: np.float64}[a_type]
            number = np.ctypeslib.as_ctypes_type(dtype)
            alpha, beta = (ctypes.cast(x, ctypes.POINTER(number))[0] for x in (alpha, beta))
            self.calls.append(("gemm", compute))

            def stack(address, rows, columns, lead, stride, op):
                if op == cublas.TRANSPOSED:
                    rows, columns = columns, rows
                assert lead >= max(rows, 1), "cuBLAS refuses a leading dimension below the rows"
                count = (stacks - 1) * stride + (columns - 1) * lead + rows
                flat = np.ctypeslib.as_array((number * count).from_address(address))
                steps = [step * flat.itemsize for step in (stride, 1, lead)]
                view = np.lib.stride_tricks.as_strided(flat, (stacks, rows, columns), steps)
                return view.transpose(0, 2, 1) if op == cublas.TRANSPOSED else view

            product = alpha * (stack(a, m, k, a_lead, a_stride, op_a)
                               @ stack(b, k, n, b_lead, b_stride, op_b))  # fmt: skip
            out = stack(c, m, n, c_lead, c_stride, cublas.NORMAL)
            out[...] = product + (beta * out if beta else 0)
            return 0


class Array:
    """The attributes of a CuPy array that the backend reads."""

    def __init__(self, host):
        self.host = host
        self.shape, self.strides = host.shape, host.strides
        self.dtype, self.itemsize = host.dtype, host.itemsize
        self.data = SimpleNamespace(ptr=host.ctypes.data)


@pytest.fixture
def library(monkeypatch):
    library = ColumnMajor()
    monkeypatch.setattr(cublas.ctypes, "CDLL", lambda name: library)
    return library


@pytest.fixture
def blas(library):
    cuda = SimpleNamespace(
        cublas=SimpleNamespace(getVersion=lambda handle: 130_000),
        device=SimpleNamespace(get_cublas_handle=lambda: HANDLE),
        alloc=lambda size: SimpleNamespace(ptr=WORKSPACE),
        get_current_stream=lambda: SimpleNamespace(ptr=STREAM),
    )
    return Cublas(SimpleNamespace(cuda=cuda))


def matrices(generator, stacks, rows, columns, dtype, transposed, gaps):
    """A stack of matrices as views: plain, transposed, or with gaps between the rows."""
    if transposed:
        plain = matrices(generator, stacks, columns, rows, dtype, False, gaps)
        return plain.transpose(0, 2, 1)
    whole = generator.standard_normal((stacks, rows, columns + 3 * gaps)).astype(dtype)
    return whole[:, :, :columns]


sizes = st.integers(1, 5)


def test_every_layout_is_the_product_that_numpy_gives(blas):
    @settings(deadline=None, max_examples=200)
    @given(sizes, sizes, sizes, sizes, st.booleans(), st.booleans(), st.booleans(), st.booleans(),
           st.sampled_from([np.float32, np.float64]))  # fmt: skip
    def check(stacks, rows, inner, columns, a_transposed, b_transposed, gaps, add, dtype):
        generator = np.random.default_rng(0)
        a = matrices(generator, stacks, rows, inner, dtype, a_transposed, gaps)
        b = matrices(generator, stacks, inner, columns, dtype, b_transposed, gaps)
        out = matrices(generator, stacks, rows, columns, dtype, False, gaps)
        expected = a @ b + (out if add else 0)
        blas.product(Array(a), Array(b), Array(out), add, tf32=False)
        assert np.allclose(out, expected, rtol=1e-5, atol=1e-5)

    check()


def test_the_old_content_of_out_does_not_matter_even_if_it_is_nan(blas):
    a, b, out = np.ones((1, 2, 3)), np.ones((1, 3, 2)), np.full((1, 2, 2), np.nan)
    blas.product(Array(a), Array(b), Array(out), False, tf32=False)
    assert (out == 3).all()


def test_the_stride_of_an_axis_of_size_1_does_not_matter(blas):
    """As in the gradient of a sum over one number: broadcast, with strides 0."""
    generator = np.random.default_rng(0)
    one = np.broadcast_to(np.float32(3), (1, 1, 1))
    b, out = generator.standard_normal((1, 1, 4), np.float32), np.empty((1, 1, 4), np.float32)
    blas.product(Array(one), Array(b), Array(out), False, tf32=False)
    assert np.array_equal(out, 3 * b)
    gaps = generator.standard_normal((1, 3, 2), np.float32)[:, :, :1]
    out = np.empty((1, 3, 4), np.float32)
    blas.product(Array(gaps), Array(b), Array(out), False, tf32=False)
    assert np.allclose(out, gaps @ b)


def test_a_transposed_out_is_refused(blas):
    out = np.empty((1, 3, 2)).transpose(0, 2, 1)
    with pytest.raises(ValueError, match="out"):
        blas.product(Array(np.ones((1, 2, 4))), Array(np.ones((1, 4, 3))), Array(out), False, False)


@pytest.mark.parametrize(
    ("dtype", "tf32", "compute"),
    [
        (np.float32, False, cublas.COMPUTE_32F),
        (np.float32, True, cublas.COMPUTE_32F_FAST_TF32),
        (np.float64, True, cublas.COMPUTE_64F),
    ],
)
def test_a_product_has_the_requested_precision(blas, library, dtype, tf32, compute):
    a, out = np.ones((1, 2, 2), dtype), np.empty((1, 2, 2), dtype)
    blas.product(Array(a), Array(a), Array(out), False, tf32)
    assert library.calls[-1] == ("gemm", compute)


def test_numbers_and_types_match_nvidias_header(blas, library):
    """cublas_api.h, library_types.h."""
    assert (cublas.R_32F, cublas.R_64F, cublas.NORMAL, cublas.TRANSPOSED) == (0, 1, 0, 1)
    assert (cublas.COMPUTE_32F, cublas.COMPUTE_64F, cublas.COMPUTE_32F_FAST_TF32) == (68, 70, 77)
    assert (cublas.DEFAULT, cublas.HOST_POINTERS, cublas.DEFAULT_MATH) == (-1, 0, 0)
    codes = {ctypes.c_void_p: "p", ctypes.c_int: "i", ctypes.c_longlong: "q"}
    types = "".join(codes[each] for each in library.cublasGemmStridedBatchedEx.argtypes)
    assert types == "piiiii" + "p" + "piiq" + "piiq" + "p" + "piiq" + "iii"


def test_settings_that_other_code_may_have_changed_are_set_before_each_product(blas, library):
    """CuPy's handle is shared. The workspace is set after the stream, which resets it."""
    a, out = np.ones((1, 2, 2)), np.empty((1, 2, 2))
    blas.product(Array(a), Array(a), Array(out), False, False)
    before = library.calls[-5:-1]
    assert before == [
        ("stream", HANDLE, STREAM),
        ("workspace", HANDLE, WORKSPACE, cublas.WORKSPACE),
        ("pointer mode", cublas.HOST_POINTERS),
        ("math mode", cublas.DEFAULT_MATH),
    ]


def test_a_status_that_is_not_zero_is_an_error(blas, library):
    library.cublasSetStream_v2 = lambda handle, stream: 1
    a = np.ones((1, 2, 2))
    with pytest.raises(RuntimeError, match="cuBLAS: stream: status 1"):
        blas.product(Array(a), Array(a), Array(a.copy()), False, False)
