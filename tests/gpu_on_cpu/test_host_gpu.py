"""The GPU on a processor detects mistakes in kernels and arguments, and mixed arrays.

It cannot detect mistakes that depend on threads running at the same moment: see host_cuda.h.
"""

import numpy as np
import pytest

from tests.conftest import needs_gcc
from tests.gpu_on_cpu.device_arrays import xp
from tests.gpu_on_cpu.host_gpu import HostGpu
from tinynet.backends.cupy.device import launch

pytestmark = needs_gcc

KERNELS = """
#include "device/elements.cuh"
#define MINE ((long long)blockIdx.x * blockDim.x + threadIdx.x)
#define ARRAYS const float *x, float *y, long long count

// --- correct ---
KERNEL twice_float(ARRAYS) { if (MINE < count) y[MINE] = 2 * x[MINE]; }
KERNEL twice_double(const double *x, double *y, long long count) {
    if (MINE < count) y[MINE] = 2 * x[MINE];
}
KERNEL reversed_float(const float *x, float *y) {
    __shared__ float block[32];
    block[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    float other = block[blockDim.x - 1 - threadIdx.x];
    __syncthreads();
    y[threadIdx.x] = other;
}

// --- wrong ---
KERNEL beyond_float(ARRAYS) { if (MINE < count) y[MINE] = x[MINE + 1]; }
KERNEL before_float(ARRAYS) { if (MINE < count) y[MINE] = x[MINE - 1]; }
KERNEL unbounded_float(ARRAYS) { y[MINE] = 2; }
KERNEL without_barrier_float(const float *x, float *y) {
    __shared__ float block[32];
    block[threadIdx.x] = x[threadIdx.x];
    y[threadIdx.x] = block[blockDim.x - 1 - threadIdx.x];
}
KERNEL all_blocks_write_float(ARRAYS) { y[0] = blockIdx.x; }
KERNEL half_a_barrier_float(ARRAYS) { if (threadIdx.x < blockDim.x / 2) __syncthreads(); }
KERNEL return_before_barrier_float(ARRAYS) {
    if (MINE >= count) return;
    __syncthreads();
    y[MINE] = x[MINE];
}
KERNEL one_barrier_more_float(ARRAYS) {
    __syncthreads();
    if (threadIdx.x) __syncthreads();
}
KERNEL beyond_fixed_float(ARRAYS) {
    float fixed[4] = {};
    if (MINE < count) fixed[MINE] = x[MINE];
    if (MINE < count) y[MINE] = fixed[3];
}
KERNEL overflow_float(ARRAYS) { if (MINE < count) y[MINE] = int(count) * 1000000000; }
KERNEL misaligned_float(ARRAYS) { if (MINE < 1) y[0] = *(const double *)(x + 1); }
KERNEL beyond_shared_float(ARRAYS) {
    __shared__ float block[32];
    block[threadIdx.x + 1] = x[0];
}
KERNEL int_count_float(const float *x, float *y, int count) {}
KERNEL double_factor_float(const float *x, float *y, double factor) {}
KERNEL int_array_float(const int *x, float *y) {}
struct Size { int rows, columns; };
KERNEL size_float(const float *x, float *y, Size size) { y[0] = 10 * size.rows + size.columns; }
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("kernels") / "planted.cu"
    path.write_text(KERNELS)
    return path


def arrays(count=10, dtype=np.float32):
    return xp.asarray(np.arange(1, count + 1, dtype=dtype)), xp.empty((count,), np.dtype(dtype))


def run(file, name, *arguments, block=32, blocks=1):
    HostGpu().launch(file, name, ((blocks,), (block,)), *arguments)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("count", [1, 31, 32, 33, 100])
def test_a_correct_kernel_runs_on_every_element(file, count, dtype):
    x, y = arrays(count, dtype)
    run(file, "twice", x, y, count, blocks=4)
    assert y.tolist() == [2 * (i + 1) for i in range(count)]


def test_a_barrier_lets_all_threads_write_before_one_reads(file):
    x, y = arrays(32)
    run(file, "reversed", x, y)
    assert y.tolist() == list(range(32, 0, -1))


def test_the_names_of_launched_kernels_are_recorded_with_their_dtypes(file):
    gpu = HostGpu()
    x, y = arrays()
    gpu.launch(file, "twice", ((1,), (32,)), x, y, 10)
    assert gpu.launched == {"twice_float"}


FIXED = "stopped by SIG(ILL|TRAP): an index beyond a fixed array, an integer overflow, a misaligned"
HALF = r"only some threads of a block reached __syncthreads\(\)"
ORDER = r"an array of shape \(32,\) depends on the order of the threads"

# name: (threads per block, blocks, the message)
FAULTS = {
    "beyond": (32, 1, r"accessed byte 128 of an array of shape \(32,\), 128 bytes"),
    "before": (32, 1, r"accessed byte -4 of an array of shape \(32,\), 128 bytes"),
    "unbounded": (32, 2, r"accessed byte 128 of an array of shape \(32,\), 128 bytes"),
    "all_blocks_write": (32, 2, ORDER),
    "half_a_barrier": (32, 1, HALF),
    "return_before_barrier": (64, 1, HALF),
    "one_barrier_more": (32, 1, HALF),
    "beyond_fixed": (32, 1, FIXED),
    "beyond_shared": (32, 1, FIXED),
    "overflow": (32, 1, FIXED),
    "misaligned": (32, 1, FIXED),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_kernel_with_a_mistake_is_an_error_that_names_it_and_the_cause(file, name):
    block, blocks, message = FAULTS[name]
    x, y = arrays(32)
    with pytest.raises(AssertionError, match=f"{name}_float: {message}"):
        run(file, name, x, y, 32, block=block, blocks=blocks)
    # The next launch works as usual.
    run(file, "reversed", x, y)
    assert y.tolist() == list(range(32, 0, -1))


def test_a_barrier_left_out_is_an_error(file):
    x, y = arrays(32)
    with pytest.raises(AssertionError, match=f"without_barrier_float: {ORDER}"):
        run(file, "without_barrier", x, y)


def test_reading_a_null_pointer_is_an_error(file):
    _, y = arrays()
    with pytest.raises(AssertionError, match="twice_float: stopped by .* or a null pointer"):
        run(file, "twice", None, y, 10)


def test_a_const_array_cannot_be_written(tmp_path):
    path = tmp_path / "planted.cu"
    path.write_text(
        '#include "device/elements.cuh"\n'
        "KERNEL constant_float(const float *x, float *y) { x[0] = 1; }\n"
    )
    with pytest.raises(RuntimeError, match=r"(?s)void constant_float.*read-only location"):
        run(path, "constant", *arrays())


# --- arguments ------------------------------------------------------------------------------------

INTS = np.arange(10, dtype=np.int32)

# name: (arguments after x and y, the message)
ARGUMENTS = {
    "twice": ([], "twice_float has 3 parameters, 2 were given"),
    "reversed": ([10], "reversed_float has 2 parameters, 3 were given"),
    "int_count": ([10], "int_count_float: argument 2 is int64, the kernel's parameter is i"),
    "double_factor": ([0.5], "double_factor_float: argument 2 is float32, .* parameter is d"),
    "int_array": ([], "int_array_float: argument 0 is float32, the kernel's parameter is ri"),
    "size": (
        [launch.int_struct(rows=1)],
        "size_float: argument 2 is .*, the kernel's parameter is s8",
    ),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments_that_do_not_fit_the_parameters_are_an_error(file, name):
    arguments, message = ARGUMENTS[name]
    with pytest.raises(TypeError, match=message):
        run(file, name, *arrays(), *arguments)


def test_a_struct_arrives_number_by_number(file):
    x, y = arrays()
    run(file, "size", x, y, launch.int_struct(rows=3, columns=4))
    assert y.tolist()[0] == 34


def test_an_array_of_integers_is_not_accepted_as_floats(file):
    _, y = arrays()
    with pytest.raises(TypeError, match="twice_float: argument 0 is int32, .*parameter is rf"):
        run(file, "twice", xp.asarray(INTS), y, 10)


@pytest.mark.parametrize("number", [np.float64(0.5), np.int64(10), True])
def test_a_number_with_its_own_dtype_is_an_error(file, number):
    with pytest.raises(TypeError, match="twice: .* is no argument; plain ints and floats get"):
        run(file, "twice", *arrays(), number)


def test_a_numpy_array_is_not_accepted(file):
    x, y = arrays()
    with pytest.raises(TypeError, match="twice: ndarray is no argument of a kernel"):
        run(file, "twice", x.host, y, 10)


def test_arrays_of_two_float_types_are_an_error(file):
    x, _ = arrays(dtype=np.float64)
    _, y = arrays()
    message = "twice: float arrays must be all float32 or all float64, got float32, float64"
    with pytest.raises(TypeError, match=message):
        run(file, "twice", x, y, 10)


def test_an_array_that_is_not_contiguous_is_an_error(file):
    x, y = arrays(20)
    with pytest.raises(ValueError, match=r"twice: an array of shape \(10,\) is not contiguous"):
        run(file, "twice", x[::2], y, 10)


# --- arrays ---------------------------------------------------------------------------------------

ONES = np.ones(10, np.float32)
MIXED = {
    "asarray": lambda x: np.asarray(x),
    "a NumPy function": lambda x: np.concatenate([x, x]),
    "array_equal": lambda x: np.array_equal(x, x),
    "a NumPy reduction": lambda x: np.add.reduce(x),
    "plus an array": lambda x: x + ONES,
    "an array plus": lambda x: ONES + x,
    "plus a list": lambda x: x + [1] * 10,
    "an array plus in place": lambda x: ONES.copy().__iadd__(x),
    "an array as value": lambda x: x.__setitem__(slice(None), ONES),
    "zeros like an array": lambda x: xp.zeros_like(ONES),
    "a root of an array": lambda x: xp.exp(ONES),
}


@pytest.mark.parametrize("name", MIXED)
def test_a_device_array_does_not_mix_with_numpy(name):
    with pytest.raises(TypeError):
        MIXED[name](arrays()[0])


def test_a_view_has_its_owner_as_base_and_a_new_array_has_no_base():
    x = xp.asarray(np.arange(12.0).reshape(3, 4))
    for view in (x[1:], x[1, 2], x[1:].T, x.reshape(4, 3), x.swapaxes(0, 1), x.view(np.int64)):
        assert view.base is x and not view.flags.owndata
    for new in (x + 1, x.copy(), x[[0, 2]], x[np.array([True, False, True])], x.sum()):
        assert new.base is None and new.flags.owndata
    x[1, 2].fill(-1)
    assert x.tolist()[1][2] == -1


def test_a_new_array_is_full_of_nan():
    assert np.isnan(xp.asnumpy(xp.empty((2, 3), np.float32))).all()


def test_a_row_index_out_of_range_wraps_around_as_on_a_gpu():
    x = xp.asarray(np.arange(12.0).reshape(3, 4))
    assert x[[3, -4]].tolist() == [[0, 1, 2, 3], [8, 9, 10, 11]]
    assert x[..., [4]].tolist() == [[0], [4], [8]]
    with pytest.raises(IndexError):
        x[3]
