"""Processes that reach each other by MPI: arrays in a processor's memory.

Every operation is started without waiting and then asked whether it has ended, so that a wait can
be left: by Ctrl-C, and with an error that names the ranks that do not answer. Asking is also what
moves the bytes: MPI sends and adds while its functions run. So while the kernels of backward
compute, a thread asks for the sums that are under way:

    main thread    backward of fc6 | backward of conv5 | backward of conv4 | ... | wait
    mover          .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  .  a . asks once
"""

import os
import threading
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

# The mover asks so often, for sums of so many bytes: smaller ones end sooner.
_MOVES, _LARGE = 0.001, 1 << 18


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
        self._mover = _Mover()

    def all_reduce(self, array, name=""):
        """Start the sum over all ranks into the array, and return a Request."""
        self._count("all_reduce", array, name)
        request = _Request(self, self._comm.Iallreduce(MPI.IN_PLACE, array), name)
        if array.nbytes >= _LARGE:
            self._mover.move(request)
        return request

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
        if operation != "send":  # the number must be the same on every rank
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
        self._asking = threading.Lock()  # MPI: one thread at a time may ask for an operation

    def Test(self):
        """Whether the operation has ended; lets it go on for a moment."""
        with self._asking:
            return self._request.Test()

    def wait(self):
        self._ranks._finish(self, self._name)

    def advance(self):
        """Let the operation go on for a moment, without waiting for other ranks."""
        self.Test()


class _Mover:
    """A thread that asks for sums under way until they have ended. It starts with the first."""

    def __init__(self):
        self._requests, self._some, self._thread = [], threading.Event(), None

    def move(self, request):
        self._requests.append(request)
        self._some.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="mover", daemon=True)
            self._thread.start()

    def _run(self):
        while True:
            self._some.wait()
            self._some.clear()
            while self._requests:
                for request in list(self._requests):
                    if request.Test():
                        self._requests.remove(request)
                time.sleep(_MOVES)


def _check(array, name):
    if not array.flags.c_contiguous:
        raise ValueError(f"{name or 'an array'} of shape {array.shape} is not C-contiguous")
