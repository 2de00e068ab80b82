"""A stand-in for cupy.cuda.nccl: the bytes go from process to process by MPI.

An operation is put on its stream of fake_cupy and runs when that runs, with the memory as it is
then. Before it runs, all ranks compare what they are about to do: NCCL would wait without end, or
mix up arrays, where two ranks call different functions.

Ranks 0 to size - 1 of MPI's world are NCCL's. Names, arguments and numbers are those of CuPy 14.
"""

import contextlib
import ctypes
import os
import sys
import time
from types import SimpleNamespace

import numpy as np
from mpi4py import MPI

from tests.gpu_on_cpu import fake_cupy

available = True
NCCL_SUM = 0
NCCL_UINT8, NCCL_INT32, NCCL_INT64, NCCL_FLOAT32, NCCL_FLOAT64 = 1, 2, 4, 7, 8
_DTYPES = {
    NCCL_UINT8: np.uint8, NCCL_INT32: np.int32, NCCL_INT64: np.int64,
    NCCL_FLOAT32: np.float32, NCCL_FLOAT64: np.float64,
}  # fmt: skip


class NcclError(RuntimeError):
    """An error of NCCL."""


def get_unique_id():
    return os.urandom(128)


class NcclCommunicator:
    """NCCL's ranks, one a process. aborted: whether abort() was called."""

    def __init__(self, size, unique_id, rank):
        world = MPI.COMM_WORLD
        self._comm = world.Create_group(world.group.Incl(range(size)))
        assert self._comm.rank == rank
        assert len(unique_id) == 128 and set(self._comm.allgather(unique_id)) == {unique_id}
        self.aborted = False

    def allReduce(self, source, target, count, dtype, operation, stream):
        assert source == target and operation == NCCL_SUM
        array = _memory(target, count, dtype)
        self._queue(stream, ("allReduce", count, dtype), self._comm.Allreduce, MPI.IN_PLACE, array)

    def allGather(self, source, target, count, dtype, stream):
        arrays = _memory(source, count, dtype), _memory(target, count * self._comm.size, dtype)
        self._queue(stream, ("allGather", count, dtype), self._comm.Allgather, *arrays)

    def reduceScatter(self, source, target, count, dtype, operation, stream):
        assert operation == NCCL_SUM
        arrays = _memory(source, count * self._comm.size, dtype), _memory(target, count, dtype)
        said = "reduceScatter", count, dtype
        self._queue(stream, said, self._comm.Reduce_scatter_block, *arrays)

    def broadcast(self, source, target, count, dtype, root, stream):
        assert source == target
        array = _memory(target, count, dtype)
        self._queue(stream, ("broadcast", count, dtype, root), self._comm.Bcast, array, root)

    def reduce(self, source, target, count, dtype, operation, root, stream):
        assert source == target and operation == NCCL_SUM
        array = _memory(target, count, dtype)
        at_root = self._comm.rank == root
        arrays = (MPI.IN_PLACE, array) if at_root else (array, None)
        said = "reduce", count, dtype, root
        self._queue(stream, said, self._comm.Reduce, *arrays, MPI.SUM, root)

    def send(self, source, count, dtype, peer, stream):
        self._queue(stream, None, self._comm.Send, _memory(source, count, dtype), peer)

    def recv(self, target, count, dtype, peer, stream):
        self._queue(stream, None, self._comm.Recv, _memory(target, count, dtype), peer)

    def check_async_error(self):
        pass

    def abort(self):
        self.aborted = True

    def _queue(self, stream, said, function, *arguments):
        """said: what all ranks must say before they run it; None: only two ranks take part."""

        def run():
            if said is not None:
                barrier = self._comm.Ibarrier()
                while not barrier.Test():  # asleep: a blocking call would keep its processor busy
                    time.sleep(0.0002)
                everyone = set(self._comm.allgather(said))
                assert everyone == {said}, f"NCCL: the ranks run {everyone} at once"
            function(*arguments)

        fake_cupy.Stream.of[stream].add(run)


def _memory(address, count, dtype):
    """The array at an address."""
    dtype = np.dtype(_DTYPES[dtype])
    return np.frombuffer((ctypes.c_char * (count * dtype.itemsize)).from_address(address), dtype)


@contextlib.contextmanager
def installed():
    """Inside the block cupy.cuda.nccl is this module."""
    before = sys.modules.get("cupy.cuda")
    sys.modules["cupy.cuda"] = SimpleNamespace(nccl=sys.modules[__name__])
    try:
        yield
    finally:
        del sys.modules["cupy.cuda"]
        if before is not None:
            sys.modules["cupy.cuda"] = before
