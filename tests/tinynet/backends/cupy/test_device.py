"""Launches and copies as they reach CuPy, with a stand-in for it: gpu_on_cpu/fake_cupy.py."""

from types import SimpleNamespace

import numpy as np
import pytest

from tests.gpu_on_cpu import fake_cupy
from tinynet.backends.cupy.device import gpu as gpu_module
from tinynet.backends.cupy.device import launch
from tinynet.backends.cupy.device.gpu import Gpu
from tinynet.backends.cupy.device.transfers import Download, Uploads


@pytest.fixture
def cupy():
    return fake_cupy.make()


@pytest.fixture
def gpu(cupy, monkeypatch):
    monkeypatch.setattr(gpu_module, "Cublas", lambda cupy: None)
    return Gpu(cupy)


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "kernels.cu"
    file.write_text("void kernels();\n")
    return file


def array(dtype, size=3):
    return fake_cupy.Array(np.ones(size, dtype))


def test_the_gpu_is_the_device_that_cupy_uses(gpu):
    assert gpu.name == "NVIDIA Example" and gpu.chunk_bytes == 1000
    assert gpu.precision == "float32"


@pytest.mark.parametrize("precision", gpu_module.PRECISIONS)
def test_products_have_the_requested_precision(precision, gpu):
    calls = []
    gpu._cublas = SimpleNamespace(product=lambda *a, tf32: calls.append((a, tf32)))
    gpu.precision = precision
    gpu.product("a", "b", "out", add=True)
    assert calls == [(("a", "b", "out", True), precision == "tf32")]


def test_a_list_must_hold_contiguous_arrays_of_one_dtype(gpu, file):
    with pytest.raises(TypeError, match="float32, float64"):
        gpu.launch(file, "k", ((1,), (1,)), [array(np.float32), array(np.float64)])
    with pytest.raises(ValueError, match="not contiguous"):
        gpu.launch(file, "k", ((1,), (1,)), [fake_cupy.Array(np.ones((2, 2))[:, :1])])


def test_a_kernel_is_compiled_once_and_named_after_its_dtype(gpu, file):
    for dtype in (np.float32, np.float64, np.float32):
        gpu.launch(file, "relu", ((7,), (256,)), array(dtype))
    assert fake_cupy.RawModule.compiled == [("void kernels();\n", ("--std=c++17",))]
    assert [launch[:3] for launch in fake_cupy.Kernel.launches] == [
        ("relu_float", (7,), (256,)),
        ("relu_double", (7,), (256,)),
        ("relu_float", (7,), (256,)),
    ]


def test_arguments_have_c_types(gpu, file):
    a, switches = array(np.float32), array(np.int32)
    geometry = launch.int_struct(height=3, width=4)
    gpu.launch(file, "k", ((1,), (1,)), a, switches, 5, 0.25, None, geometry)
    *_, arguments = fake_cupy.Kernel.launches[0]
    assert arguments[:2] == (a, switches)
    assert arguments[2] == 5 and arguments[2].dtype == np.int64
    assert arguments[3] == 0.25 and arguments[3].dtype == np.float32
    assert arguments[4] == 0 and arguments[4].itemsize == 8
    assert arguments[5].tobytes() == np.array([3, 4], np.int32).tobytes()


def test_a_list_becomes_a_table_of_addresses(gpu, file):
    arrays = [array(np.float64, size) for size in (1, 4, 2)]
    gpu.launch(file, "k", ((1,), (1,)), arrays, 0.5)
    *_, (table, number) = fake_cupy.Kernel.launches[0]
    addresses = np.frombuffer(table.tobytes(), np.uintp)
    assert len(addresses) == launch.TABLE
    assert addresses[:3].tolist() == [a.data.ptr for a in arrays] and not addresses[3:].any()
    assert number.dtype == np.float64


def test_scratch_memory_grows_and_is_reused(gpu):
    small = gpu.workspace("key", (2, 3), np.float32)
    large = gpu.workspace("key", (5, 7), np.float64)
    again = gpu.workspace("key", (2, 3), np.float32)
    other = gpu.workspace("other", (2, 3), np.float32)
    assert small.shape == again.shape == (2, 3) and again.dtype == np.float32
    assert large.shape == (5, 7) and again.data.ptr == large.data.ptr != small.data.ptr
    assert other.data.ptr != again.data.ptr


def test_batches_arrive_whole_although_memory_is_reused(cupy):
    """Kernels run as late as possible, and uploads start as early as possible."""
    uploads, copies = Uploads(cupy), []
    compute = fake_cupy.current

    def kernel(images, labels):
        compute.add(lambda: copies.append((images.host.copy(), labels.host.copy())))

    batches = [(np.full((4, 5), n, np.uint8), np.full(4, -n, np.int64)) for n in range(7)]
    batches.append((np.full((2, 5), 9, np.uint8), np.full(2, -9, np.int64)))  # the last is smaller
    upload = None
    for images, labels in batches:
        arrays = images.copy(), labels.copy()
        next_upload = uploads.start(list(arrays))
        arrays[0][...], arrays[1][...] = 111, 111  # the caller may write to its arrays again
        if upload:
            kernel(*upload.arrive())
            upload.done()
        upload = next_upload
    kernel(*upload.arrive())
    upload.done()
    compute.run()
    assert len(copies) == len(batches)
    for (images, labels), (copy, label_copy) in zip(batches, copies, strict=True):
        assert np.array_equal(copy, images) and np.array_equal(label_copy, labels)


def test_an_upload_of_another_dtype_is_an_error(cupy):
    uploads = Uploads(cupy)
    for _ in range(2):
        uploads.start([np.zeros(3, np.int64)])
    with pytest.raises(TypeError):
        uploads.start([np.zeros(3, np.float64)])


def test_a_download_has_the_numbers_from_the_time_when_it_was_queued(cupy):
    compute, loss = fake_cupy.current, array(np.float32)
    compute.add(lambda: loss.host.fill(2))
    download = Download(cupy, loss)
    compute.add(lambda: loss.host.fill(3))
    assert download.get().tolist() == [2, 2, 2]
    assert compute.done < len(compute.queue), "the download waited for work after the copy"
