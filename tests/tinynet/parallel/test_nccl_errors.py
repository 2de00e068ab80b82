"""Ranks that NCCL cannot serve, and what becomes of a rank that is lost; on the stand-in."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

import tinynet as tn
from tests.ranks import needs_mpi, on_ranks
from tests.tinynet.parallel.test_engines import own
from tests.tinynet.parallel.test_nccl import engine, put

mpi = needs_mpi()


def refusal(ranks, gpus, without):
    """The error of ranks with these GPUs, where CuPy finds no NCCL on one rank."""
    from tests.gpu_on_cpu import fake_nccl

    device = SimpleNamespace(pci_bus_id=gpus[ranks.rank])
    gpu = SimpleNamespace(xp=SimpleNamespace(cuda=SimpleNamespace(Device=lambda: device)))
    fake_nccl.available = ranks.rank != without
    try:
        with pytest.raises(tn.parallel.ParallelError) as raised, engine(ranks, gpu=gpu):
            pass
        return str(raised.value)
    finally:
        fake_nccl.available = True


@mpi
@pytest.mark.parametrize(
    "gpus, without, words",
    [
        ("aab", None, "has 3 ranks and 2 GPUs for them, .* mpiexec --map-by ppr:2:node starts 2"),
        ("aaa", None, "has 3 ranks and 1 GPU for them, "),
        ("abc", 1, "rank 1 on .*: CuPy finds no NCCL; pip install nvidia-nccl"),
    ],
)
def test_ranks_that_cannot_use_nccl_are_an_error_on_all_of_them(gpus, without, words):
    answers = on_ranks(3, refusal, gpus, without)
    assert len(set(answers)) == 1
    assert re.search(words, answers[0])


@mpi
def test_gpus_of_two_machines_may_have_the_same_name():
    from tinynet.parallel.nccl import check_gpus

    check_gpus(["one", "one", "two"], [(True, "a"), (True, "b"), (True, "a")])
    with pytest.raises(tn.parallel.ParallelError, match="two has 2 ranks and 1 GPU"):
        check_gpus(["one", "two", "two"], [(True, "a"), (True, "a"), (True, "a")])


# --- errors ---


def errors(ranks):
    """{what is wrong: the error}"""
    with engine(ranks) as nccl:
        said = {}
        for name, call in {
            "dtype": lambda: nccl.all_reduce(put(np.zeros(3, bool))),
            "order": lambda: nccl.all_gather(put(own(0)).T, "fc6"),
            "order of parts": lambda: nccl.reduce_scatter(put(own(0)).T),
        }.items():
            with pytest.raises((TypeError, ValueError)) as raised:
                call()
            said[name] = f"{raised.type.__name__}: {raised.value}"
        return said


@mpi
def test_arrays_that_nccl_cannot_take_are_an_error():
    (said,) = on_ranks(1, errors)
    dtypes = "float32, float64, int32, int64"
    assert said["dtype"] == f"TypeError: NCCL adds {dtypes}; an array of bool is given"
    assert said["order"] == "ValueError: fc6 of shape (4, 3) is not C-contiguous"
    assert said["order of parts"] == "ValueError: an array of shape (4, 3) is not C-contiguous"


def failure(ranks, function):
    """The error where a function of the communicator fails, and whether it was aborted."""
    from tests.gpu_on_cpu import fake_nccl

    with engine(ranks) as nccl:

        def fail(*arguments):
            raise fake_nccl.NcclError("NCCL_ERROR_REMOTE_ERROR: remote process exited")

        nccl.barrier()
        setattr(nccl._communicator, function, fail)
        with pytest.raises(tn.parallel.ParallelError) as raised:
            nccl.all_reduce(put(own(0)))
            nccl.share("the step has ended")
        return str(raised.value), nccl._communicator.aborted


@mpi
@pytest.mark.parametrize("function", ["allReduce", "check_async_error"])
def test_a_broken_connection_is_an_error_that_ends_the_gpus_operations(function):
    for rank, (said, aborted) in enumerate(on_ranks(2, failure, function)):
        assert said.startswith(f"NCCL_ERROR_REMOTE_ERROR: remote process exited: rank {rank} on ")
        assert aborted


def wait_for_the_gpu(ranks):
    """What is watched at a barrier while the GPU does not end the work of the barrier before."""
    with engine(ranks) as nccl:

        def watch(operation, name, seconds, source):
            raise tn.parallel.ParallelError(f"{name} {source}")

        nccl._last_barrier = SimpleNamespace(done=False)
        nccl._stalls = SimpleNamespace(watch=watch)
        with pytest.raises(tn.parallel.ParallelError) as raised:
            nccl.barrier()
        return str(raised.value), nccl.waited > 0


@mpi
def test_a_gpu_that_does_not_end_is_watched():
    assert on_ranks(2, wait_for_the_gpu) == [("the end of a step None", True)] * 2
