"""Processes that reach each other by MPI: arrays in a processor's memory.

Every operation is started without waiting and then asked whether it has ended, so that a wait can
be left: by Ctrl-C, and with an error that names the ranks that do not answer. Asking is also what
moves the bytes: MPI sends and adds while its functions run.
"""

import os
import time

import numpy as np

# Open MPI sums in place along a tree: the root sends twice what a ring sends, and two ranks use a
# link in one direction at a time. MPI reads this when it starts; a value of the user's stays.
os.environ.setdefault("OMPI_MCA_coll_libnbc_iallreduce_algorithm", "ring")

from mpi4py import MPI  # noqa: E402

from tinynet.parallel.stalls import Stalls  # noqa: E402
from tinynet.parallel.traffic import Traffic  # noqa: E402

# A wait asks at once, again and again, for so many seconds, and then this often.
_EAGER, _BETWEEN = 0.002, 0.0002


class Mpi:
    """The ranks of an MPI communicator (tinynet/parallel/__init__.py).

    comm     None: MPI's world, all ranks that the launcher started
    waited   seconds that this rank has waited for others
    library  the version of MPI
    """

    def __init__(self, comm=None):
        comm = MPI.COMM_WORLD if comm is None else comm
        self._comm = comm.Dup()  # its messages meet no other's
        self.rank, self.size = self._comm.rank, self._comm.size
        self.library = MPI.Get_library_version().split(",")[0].strip()
        self.hosts = self._comm.allgather(MPI.Get_processor_name())
        self.traffic = Traffic(self.size)
        self.waited = 0.0
        self._operations = 0
        self._stalls = Stalls(comm.Dup(), self.hosts)

    def all_reduce(self, array, name=""):
        """Start the sum over all ranks into the array, and return a Request."""
        self._count("all_reduce", array, name)
        return _Request(self, self._comm.Iallreduce(MPI.IN_PLACE, array), name)

    def all_gather(self, array, name=""):
        self._count("all_gather", array, name)
        gathered = np.empty((self.size, *array.shape), array.dtype)
        self._finish(self._comm.Iallgather(array, gathered), name)
        return gathered

    def reduce_scatter(self, array, name=""):
        self._count("reduce_scatter", array[0], name)
        part = np.empty(array.shape[1:], array.dtype)
        self._finish(self._comm.Ireduce_scatter_block(array, part), name)
        return part

    def broadcast(self, array, root=0, name=""):
        self._count("broadcast", array, name)
        self._finish(self._comm.Ibcast(array, root), name)

    def reduce(self, array, root=0, name=""):
        self._count("reduce", array, name)
        if self.rank == root:
            request = self._comm.Ireduce(MPI.IN_PLACE, array, root=root)
        else:
            request = self._comm.Ireduce(array, None, root=root)
        self._finish(request, name)

    def send(self, array, to, name=""):
        self._count("send", array, name)
        self._finish(self._comm.Isend(array, to), name, source=to)

    def receive(self, array, source, name=""):
        _check(array, name)
        self._finish(self._comm.Irecv(array, source), name, source=source)

    def share(self, value):
        self.barrier()  # its wait can be left, the pickles are then sent at once
        return self._comm.allgather(value)

    def spread(self, value):
        self.barrier()
        return self._comm.bcast(value)

    def barrier(self):
        self._operations += 1
        self._finish(self._comm.Ibarrier(), "all ranks")

    def _count(self, operation, array, name):
        _check(array, name)
        self._operations += 1
        self.traffic.add(operation, array.nbytes, name)

    def _finish(self, request, name, source=None):
        """Wait until an operation has ended.

        source  the one rank that is waited for; None: all
        """
        if request.Test():
            return
        began = now = time.monotonic()
        try:
            while not request.Test():
                now = time.monotonic()
                time.sleep(0 if now - began < _EAGER else _BETWEEN)
                self._stalls.watch(self._operations, name, now - began, source)
        finally:
            self.waited += time.monotonic() - began


class _Request:
    """An operation under way."""

    def __init__(self, ranks, request, name):
        self._ranks, self._request, self._name = ranks, request, name

    def wait(self):
        self._ranks._finish(self._request, self._name)

    def advance(self):
        """Let the operation go on for a moment, without waiting for other ranks."""
        self._request.Test()


def _check(array, name):
    if not array.flags.c_contiguous:
        raise ValueError(f"{name or 'an array'} of shape {array.shape} is not C-contiguous")
