"""The cupy backend's own work: chunks of images, partial sums, grids, lists of arrays, checks."""

import subprocess
import sys

import numpy as np
import pytest

import tinynet as tn
from tests.oracles.cases import LAYERS, on_host, relative_error, spaced
from tinynet.backends.cupy import local_response_norm, sgd
from tinynet.backends.cupy.device import launch, sums

OVER_MAPS = (
    "conv2d", "max_pool2d", "avg_pool2d", "adaptive", "local_response_norm", "same_map_norm",
    "batch_norm", "dropout",
)  # fmt: skip


def gpu():
    return tn.get_backend().gpu


def run(case, dtype=np.float64):
    tensors = [tn.Tensor(a.astype(dtype), requires_grad=True) for a in case.inputs()]
    y = case.op(*tensors)
    y.backward(spaced(y.shape, "dy").astype(dtype))
    return [y.numpy(), *(on_host(t.grad) for t in tensors)]


@pytest.mark.parametrize(
    "case", [c for c in LAYERS if c.name.startswith(OVER_MAPS)], ids=lambda case: case.name
)
@pytest.mark.parametrize("limit", ["HEIGHT", "MANY"])
def test_a_grid_of_fewer_rows_covers_the_whole_map(limit, case, on_gpu, monkeypatch):
    """The grid is as for maps of more than two million pixels, and for more than MANY threads."""
    whole = run(case)
    monkeypatch.setattr(launch, limit, 1)
    for a, b in zip(run(case), whole, strict=True):
        assert np.array_equal(a, b)


@pytest.mark.parametrize("algorithm", ["im2col", "winograd"])
@pytest.mark.parametrize("chunk", [1, 20_000, 10**9])
def test_a_convolution_is_the_same_in_chunks_of_any_size(algorithm, chunk, on_gpu, monkeypatch):
    monkeypatch.setattr(gpu(), "chunk_bytes", chunk)
    generator = np.random.default_rng(0)
    x, weight = (generator.standard_normal(s) for s in ((7, 4, 9, 8), (6, 2, 3, 3)))
    x, weight = (tn.Tensor(a, requires_grad=True) for a in (x, weight))
    with tn.conv_algorithm(algorithm):
        y = tn.conv2d(x, weight, padding=(1, 0), groups=2)
        y.backward(generator.standard_normal(y.shape))
    with tn.use_backend("numpy"), tn.conv_algorithm("im2col"):
        generator = np.random.default_rng(0)
        x2, weight2 = (generator.standard_normal(s) for s in ((7, 4, 9, 8), (6, 2, 3, 3)))
        x2, weight2 = (tn.Tensor(a, requires_grad=True) for a in (x2, weight2))
        y2 = tn.conv2d(x2, weight2, padding=(1, 0), groups=2)
        y2.backward(generator.standard_normal(y2.shape))
    assert relative_error(y.numpy(), y2.numpy()) < 1e-12
    assert relative_error(on_host(x.grad), x2.grad) < 1e-12
    assert relative_error(on_host(weight.grad), weight2.grad) < 1e-12


def test_the_rows_of_a_products_factors_are_a_multiple_of_4_long(on_gpu, monkeypatch):
    """As tensor cores want them: 3 5 5 = 75 rows become 76, and 11 images 8 and 3."""
    factors, product = [], gpu().product

    def watched(a, b, out, add=False):
        factors.append((a.shape, b.shape))
        product(a, b, out, add)

    monkeypatch.setattr(gpu(), "product", watched)
    generator = np.random.default_rng(0)
    x, weight = (generator.standard_normal(s) for s in ((11, 3, 7, 6), (4, 3, 5, 5)))
    monkeypatch.setattr(gpu(), "chunk_bytes", 9 * 75 * 6 * x.itemsize)
    with tn.conv_algorithm("im2col"):
        tn.conv2d(tn.Tensor(x), tn.Tensor(weight, requires_grad=True)).sum().backward()
    pixels = 3 * 2
    assert factors == [
        ((1, 4, 76), (1, 76, 8 * pixels)), ((1, 4, 76), (1, 76, 3 * pixels)),
        ((1, 4, 8 * pixels), (1, 8 * pixels, 76)), ((1, 4, 3 * pixels), (1, 3 * pixels, 76)),
    ]  # fmt: skip


@pytest.mark.parametrize("images", [1, 31, 32, 33, 70])
def test_sums_over_maps_take_every_image(images, on_gpu):
    x = np.random.default_rng(images).standard_normal((images, 3, 5, 7))
    total = tn.get_backend().empty((3,), x.dtype)
    sums.sum_over_maps(gpu(), tn.Tensor(x).data, total)
    assert np.allclose(on_host(total), x.sum(axis=(0, 2, 3)), rtol=1e-12)


@pytest.mark.parametrize("shape", [(130, 2, 2, 2), (40, 3, 9, 11), (3, 2, 1, 1), (520, 1, 1, 1)])
def test_batch_norm_takes_every_image(shape, on_gpu):
    """In one part and in several, with small maps and with more pixels than a block has threads."""
    generator = np.random.default_rng(0)
    x, dy = generator.standard_normal((2, *shape))
    weight, bias = generator.standard_normal((2, shape[1]))
    results = []
    for name in (on_gpu, "numpy"):
        with tn.use_backend(name):
            tensors = [tn.Tensor(a, requires_grad=True) for a in (x, weight, bias)]
            running = [tn.Tensor(np.zeros(shape[1])), tn.Tensor(np.ones(shape[1]))]
            y = tn.batch_norm(*tensors, *running, True)
            y.backward(dy)
            results.append([y.numpy(), running[1].numpy(), *(on_host(t.grad) for t in tensors)])
    for a, b in zip(*results, strict=True):
        assert relative_error(a, b) < 1e-10


def test_one_launch_moves_many_arrays_and_more_than_a_table_holds_take_two_launches(on_gpu):
    generator = np.random.default_rng(0)
    shapes = [(n % 5 + 1, n * 37 % 401 + 1) for n in range(launch.TABLE + 3)]
    arrays = [[generator.standard_normal(shape) for shape in shapes] for _ in range(3)]
    on_device = [[tn.Tensor(a).data for a in part] for part in arrays]
    sgd.sgd_paper(gpu(), *on_device, 0.5, 0.9, 0.01)
    for w, g, v, w_moved, v_moved in zip(*arrays, on_device[0], on_device[2], strict=True):
        v = 0.9 * v - 0.5 * (g + 0.01 * w)
        assert np.allclose(on_host(v_moved), v, rtol=1e-13)
        assert np.allclose(on_host(w_moved), w + v, rtol=1e-13)


def test_a_rate_in_an_array_is_read_when_the_kernel_runs(on_gpu):
    w, g, v = (tn.Tensor([2.0]).data, tn.Tensor([1.0]).data, tn.Tensor([0.0]).data)
    rate = tn.Tensor(np.float32(0.25))
    parameter = tn.Tensor([2.0], requires_grad=True)
    optimizer = tn.optim.SGD([parameter], 0.1)
    optimizer.groups[0]["lr"] = rate
    parameter.grad = g
    optimizer.step()
    sgd.sgd_pytorch(gpu(), [w], [g], [v], rate.data, 0.0, 0.0)
    assert parameter.numpy() == on_host(w) == 1.75


def test_a_window_without_a_kernel_is_an_error_that_says_what_fits(on_gpu):
    x = tn.Tensor(np.ones((1, 600, 2, 2)))
    with pytest.raises(ValueError, match="local_response_norm: size 131 on 600 .* 129 fits"):
        tn.local_response_norm(x, size=131)


@pytest.mark.parametrize("size", [5, 15, 129])
def test_local_response_norm_has_kernels_for_many_channels_and_wide_windows(size, on_gpu):
    x = np.random.default_rng(0).standard_normal((1, 70, 2, 3))
    results = []
    for name in (on_gpu, "numpy"):
        with tn.use_backend(name):
            tensor = tn.Tensor(x, requires_grad=True)
            y = tn.local_response_norm(tensor, size=size)
            y.backward(np.ones(x.shape))
            results.append((y.numpy(), on_host(tensor.grad)))
    assert local_response_norm.TILE < 70
    assert all(relative_error(a, b) < 1e-12 for a, b in zip(*results, strict=True))


def test_draws_before_are_added_to_dropouts_draw(on_gpu):
    x = np.ones((5, 7), np.float32)
    later = tn.dropout(tn.Tensor(x), 0.5, draw=9).numpy()
    try:
        gpu().draws_before.fill(6)
        assert np.array_equal(tn.dropout(tn.Tensor(x), 0.5, draw=3).numpy(), later)
    finally:
        gpu().draws_before.fill(0)


def test_a_launch_refuses_arguments_that_would_give_wrong_numbers(on_gpu):
    float32, float64 = (tn.Tensor(np.ones((4, 4), d)).data for d in (np.float32, np.float64))
    relu = gpu().launch, tn.get_backend().relu.func.__globals__["CU"], "relu", launch.elements(16)
    start, *kernel = relu
    with pytest.raises(TypeError, match="relu: float arrays must be all .* float32, float64"):
        start(*kernel, float32, float64, 16)
    with pytest.raises(ValueError, match=r"relu: an array of shape \(4, 2\) is not contiguous"):
        start(*kernel, float32[:, :2], float32, 16)
    with pytest.raises(TypeError, match="relu: .* is no argument"):
        start(*kernel, float32, float32, "16")
    with pytest.raises(TypeError, match="relu: np.int32.* is no argument; plain ints"):
        start(*kernel, float32, float32, np.int32(16))


def test_a_product_refuses_shapes_dtypes_and_strides_that_do_not_fit(on_gpu):
    a = tn.Tensor(np.ones((1, 3, 4))).data
    b = tn.Tensor(np.ones((1, 4, 5))).data
    out = tn.get_backend().empty((1, 3, 5), np.dtype(np.float64))
    with pytest.raises(ValueError, match=r"product: \(1, 3, 4\) @ \(1, 3, 4\) is not"):
        gpu().product(a, a, out)
    with pytest.raises(ValueError, match="product: dtypes"):
        gpu().product(a, b.astype(np.float32), out)
    wide = tn.Tensor(np.ones((1, 6, 8))).data
    with pytest.raises(ValueError, match="product: .* scattered"):
        gpu().product(wide[:, ::2, ::2], b, out)


def test_tensor_cores_leave_the_convolution_to_im2col(on_gpu, monkeypatch):
    shapes = (128, 96, 27, 27), (256, 48, 5, 5), (1, 1), (2, 2), 2
    kernels = tn.get_backend()
    monkeypatch.setattr(kernels.gpu, "precision", "float32")
    assert kernels.winograd_pays(*shapes)
    monkeypatch.setattr(kernels.gpu, "precision", "tf32")
    assert not kernels.winograd_pays(*shapes)


@pytest.mark.gpu
@pytest.mark.skipif("cupy" not in tn.available_backends(), reason="there is no GPU")
def test_more_elements_than_32_bits_can_count():
    """Check the first and the last image of a batch of more than 2^31 elements."""
    with tn.use_backend("cupy"):
        kernels = tn.get_backend()
        free, _ = kernels.xp.cuda.runtime.memGetInfo()
        shape = (2**31 // (8 * 64 * 64) + 3, 8, 64, 64)
        if free < 4 * 8 * shape[0] * 64 * 64 * 4:
            pytest.skip("the GPU has not the memory for four arrays of 2^31 numbers")
        x = kernels.xp.zeros(shape, np.float32)
        ends = np.random.default_rng(0).standard_normal((2, *shape[1:])).astype(np.float32)
        x[0], x[-1] = kernels.xp.asarray(ends[0]), kernels.xp.asarray(ends[1])
        for op in (
            tn.relu,
            lambda x: tn.max_pool2d(x, 3, 2),
            lambda x: tn.avg_pool2d(x, 3, 2),
            lambda x: tn.local_response_norm(x, alpha=1.0),
            tn.same_map_norm,
        ):
            y = op(tn.Tensor(x)).data
            small = op(tn.Tensor(ends)).data
            assert np.array_equal(on_host(y[0]), on_host(small[0]))
            assert np.array_equal(on_host(y[-1]), on_host(small[1]))
            del y
        del x
        kernels.xp.get_default_memory_pool().free_all_blocks()


def test_the_text_of_a_kernel_contains_its_includes(tmp_path):
    file = tmp_path / "kernels.cu"
    file.write_text('#include "device/elements.cuh"\nint mine;\n')
    text = launch.source(file)
    assert "#include" not in text and "#define KERNEL" in text and text.endswith("int mine;\n")


def test_the_constants_of_python_and_cuda_are_the_same():
    folder = launch.Path(launch.__file__).parent
    texts = "".join(file.read_text() for file in sorted(folder.glob("*.cuh")))
    for name in ("ITEMS_PER_THREAD", "BLOCK", "TABLE"):
        assert f"#define {name} {getattr(launch, name)} " in texts.replace("\n", " ")


def test_the_kernels_can_be_imported_without_cupy_and_without_numba():
    """Only load() imports CuPy."""
    files = [file.relative_to(launch.ROOT) for file in launch.ROOT.rglob("[a-z]*.py")]
    names = [".".join(file.with_suffix("").parts) for file in files]
    modules = ", ".join(f"tinynet.backends.cupy.{name}" for name in names)
    program = (
        f"import sys, {modules}; print([m for m in sys.modules if m.startswith(('cupy', 'numba'))])"
    )
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert process.stdout == "[]\n", process.stderr
