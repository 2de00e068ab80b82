"""GPUs by NCCL, with a stand-in for both (gpu_on_cpu/); where two GPUs are, on those too."""

import weakref
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest

import tinynet as tn
from tests.conftest import needs_gcc
from tests.gpu_on_cpu import fake_cupy
from tests.gpu_on_cpu.host_gpu import host_backend
from tests.ranks import needs_mpi, on_ranks
from tests.tinynet.parallel.test_engines import all_methods, bits_of_a_sum, check, own
from tests.tinynet.parallel.test_gradient_sum import gradients
from tinynet import backends

mpi = needs_mpi()


@contextmanager
def engine(ranks, real=False, gpu=None):
    """Nccl of these ranks. The cupy backend is the default inside the block.

    real  whether on GPUs, not on the stand-in
    gpu   another stand-in than host_backend's
    """
    from tests.gpu_on_cpu import fake_nccl
    from tinynet.parallel.nccl import Nccl

    if real:
        with tn.use_backend("cupy"):
            yield Nccl(tn.get_backend().gpu, ranks._comm)
        return
    before = backends._loaded.copy()
    backends._loaded["cupy"] = host_backend()
    try:
        with fake_nccl.installed(), tn.use_backend("cupy"):
            yield Nccl(gpu or host_backend().gpu, ranks._comm)
    finally:
        backends._loaded.clear()
        backends._loaded.update(before)


class ByGpu:
    """An engine for NumPy arrays, whose numbers take the way over the GPUs."""

    def __init__(self, ranks):
        self._ranks = ranks

    def __getattr__(self, name):
        return getattr(self._ranks, name)

    def all_reduce(self, array, name=""):
        device = put(array)
        request = self._ranks.all_reduce(device, name)

        def wait():
            request.wait()
            array[...] = get(device)

        return SimpleNamespace(advance=request.advance, wait=wait)

    def all_gather(self, array, name=""):
        return get(self._ranks.all_gather(put(array), name))

    def reduce_scatter(self, array, name=""):
        return get(self._ranks.reduce_scatter(put(array), name))

    def broadcast(self, array, root=0, name=""):
        self._in_place(array, self._ranks.broadcast, root, name)

    def reduce(self, array, root=0, name=""):
        self._in_place(array, self._ranks.reduce, root, name)

    def send(self, array, to, name=""):
        self._ranks.send(put(array), to, name)

    def receive(self, array, source, name=""):
        self._in_place(array, self._ranks.receive, source, name)

    def _in_place(self, array, method, *arguments):
        device = put(array)
        method(device, *arguments)
        array[...] = get(device)


def put(array):
    return tn.get_backend().from_numpy(array)


def get(array):
    return tn.get_backend().to_numpy(array)


# --- every method, sums of gradients, a recorded step: on the stand-in and on GPUs ---


def methods_by_gpu(ranks, real, dtype):
    with engine(ranks, real) as nccl:
        return all_methods(ByGpu(nccl), dtype)


def gradients_by_gpu(ranks, real, bucket):
    with engine(ranks, real) as nccl:
        return gradients(nccl, bucket, "cupy")


def bits_by_gpu(ranks, real, seconds):
    with engine(ranks, real) as nccl:
        return bits_of_a_sum(ByGpu(nccl), seconds)


def recorded_step(ranks, real):
    """What a step with a sum returns: one plain launch, three of its recording, with other numbers
    each time; and one with another shape, which is not recorded."""
    with engine(ranks, real) as nccl:

        def step(x):
            y = x * 2.0
            request = nccl.all_reduce(y.data, "y")
            between = x + 1.0  # as backward goes on
            request.wait()
            return y + between

        graph, results = tn.gpu.CudaGraph(step), []
        long, short = (tn.Tensor(np.zeros(count, np.float32)) for count in (3, 2))
        for number, x in enumerate([long, long, long, long, short]):
            x.data.fill(10 * number + ranks.rank)
            results.append(graph(x).numpy().tolist())
        return results


def check_all(size, real):
    """On two or more ranks."""
    for dtype in (np.float32, np.float64):
        check(on_ranks(size, methods_by_gpu, real, dtype), dtype)
    whole = gradients(tn.parallel.Single(), 1 << 20)
    for bucket in (1, 500):  # each parameter alone, some together
        for each in on_ranks(size, gradients_by_gpu, real, bucket):
            assert each.keys() == whole.keys()
            for name, gradient in whole.items():
                assert np.allclose(each[name], gradient, rtol=0, atol=1e-13), (bucket, name)
    late = [(0, 0.2, 0), (0.2, 0, 0.1)]
    assert len({bits for each in late for bits in on_ranks(size, bits_by_gpu, real, each)}) == 1
    total = size * (size - 1) // 2
    for rank, results in enumerate(on_ranks(size, recorded_step, real)):
        assert results == [
            [2 * (size * 10 * n + total) + 10 * n + rank + 1] * count
            for n, count in enumerate([3, 3, 3, 3, 2])
        ]


@mpi
@needs_gcc
@pytest.mark.parametrize("size", [2, 3])
def test_the_stand_in_does_all_that_ranks_do(size):
    check_all(size, real=False)


@mpi
@pytest.mark.gpu
def test_two_gpus_do_all_that_ranks_do():
    without = tn.gpu.why_not()
    count = 0 if without else tn.get_backend("cupy").gpu.xp.cuda.runtime.getDeviceCount()
    if count < 2:
        pytest.skip(f"needs 2 GPUs, {without or 'there is 1'}")
    check_all(2, real=True)


def methods_by_mpi(ranks):
    with engine(ranks) as nccl:
        return all_methods(nccl, np.float32), nccl.traffic.bytes_by_name


def traffic_by_gpu(ranks):
    with engine(ranks) as nccl:
        all_methods(ByGpu(nccl), np.float32)
        return nccl.traffic.bytes_by_name


@mpi
def test_numpy_arrays_go_by_mpi_and_count_as_many_bytes():
    answers = on_ranks(2, methods_by_mpi)
    check([results for results, _ in answers], np.float32)
    assert [sent for _, sent in answers] == on_ranks(2, traffic_by_gpu)
    assert answers[0][1].total() > 0


# --- streams ---


@contextmanager
def lazy_engine(ranks):
    """Nccl of these ranks, with the GPU of fake_cupy, which does nothing before it must; yields it
    and the computing stream."""
    gpu = SimpleNamespace(xp=fake_cupy.make(), address=lambda array: array.data.ptr)
    with engine(ranks, gpu=gpu) as nccl:
        yield nccl, fake_cupy.current


def sum_between_kernels(ranks, first):
    """What a kernel saw that was queued after a sum, and how much work had run before it.

    first  the stream that the GPU runs first
    """
    with lazy_engine(ranks) as (nccl, computing):
        seen, gradient = [], fake_cupy.Array(np.zeros(3, np.float32))
        computing.add(lambda: gradient.host.fill(ranks.rank + 1))
        request = nccl.all_reduce(gradient)
        computing.add(lambda: None)  # backward goes on
        request.wait()
        computing.add(lambda: seen.append(gradient.host.tolist()))
        done = computing.done, nccl._sums.done
        if first == "sums":
            nccl._sums.run()
            done += (computing.done,)
        computing.run()
        return seen, done


@mpi
def test_a_sum_is_between_the_kernels_before_it_and_those_after_its_wait():
    assert on_ranks(2, sum_between_kernels, "kernels") == [([[3, 3, 3]], (0, 0))] * 2
    # The sum makes one kernel run before it, and lets the next be: backward goes on beside it.
    assert on_ranks(2, sum_between_kernels, "sums") == [([[3, 3, 3]], (0, 0, 1))] * 2


def three_barriers(ranks):
    """How many kernels had run after each barrier, with two kernels queued before each."""
    with lazy_engine(ranks) as (nccl, computing):
        nccl.barrier()
        done = []
        for _ in range(3):
            computing.add(lambda: None)
            computing.add(lambda: None)
            nccl.barrier()
            done.append(computing.done)
        return done


@mpi
def test_a_process_is_at_most_one_barrier_ahead_of_its_gpu():
    assert on_ranks(2, three_barriers) == [[0, 2, 4]] * 2


def lives(ranks):
    with engine(ranks) as nccl:
        array = put(own(0))
        there, request = weakref.ref(array), nccl.all_reduce(array)
        del array
        before = there() is not None
        request.wait()
        return before, there() is not None


@mpi
def test_an_array_is_kept_alive_until_its_sum_was_waited_for():
    assert on_ranks(2, lives) == [(True, False)] * 2


# --- start ---


def started(ranks):
    with engine(ranks):
        nccl = tn.parallel.start("cupy")
        total = put(own(ranks.rank))
        nccl.all_reduce(total).wait()
        return type(nccl).__name__, nccl.rank, get(total)


@mpi
def test_start_on_the_cupy_backend_is_nccl():
    total = sum(own(rank) for rank in range(4))
    for rank, (name, number, sums) in enumerate(on_ranks(4, started)):  # all of MPI's world
        assert (name, number) == ("Nccl", rank) and np.allclose(sums, total, atol=1e-6)
