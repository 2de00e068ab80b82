"""Which ranks let the others wait.

An operation of all ranks ends when the last one has come, and does not tell which one that is. So a
rank that has waited for a minute says so to ranks 0 and 1, by the number of the operation; those
that have not said it are the ones who let the others wait. Rank 0 prints their names, or rank 1 if
rank 0 is one of them.
"""

import sys

from mpi4py import MPI

from tinynet.parallel.launch import ParallelError

MINUTE = 60.0  # seconds between two reports
LIMIT = 600.0  # seconds after which a wait ends with an error
HEARD = 1.0  # seconds after which what a rank has told has come
_REPORTERS = (0, 1)


class Stalls:
    """Watches the waits of this rank.

    comm   a communicator of its own, so that its messages meet no other's
    hosts  the name of each rank's machine
    """

    def __init__(self, comm, hosts):
        self._comm, self._hosts = comm, hosts
        self._told = 0.0  # seconds of this wait at which the others were told
        self._reported = 0.0
        self._waits = {}  # {rank: the last operation that it said to wait in}
        self._sent = []

    def watch(self, operation: int, name: str, seconds: float, source: int | None) -> None:
        """Call it again and again in a wait. Raises ParallelError after LIMIT seconds.

        operation  its number
        seconds    so far
        source     the one rank that is waited for; None: all
        """
        if seconds < MINUTE:
            self._told = self._reported = 0.0
            return
        if seconds >= self._told + MINUTE:
            self._told += MINUTE
            self._tell(operation)
        if seconds >= self._told + HEARD and self._reported < self._told:
            self._reported = self._told
            late = [source] if source is not None else self._late(operation)
            self._report(late, name, seconds)

    def _tell(self, operation):
        self._sent = [request for request in self._sent if not request.Test()]
        for to in _REPORTERS:
            if to != self._comm.rank:
                self._sent.append(self._comm.isend(operation, to))

    def _late(self, operation):
        """The ranks that have not said that they wait in this operation."""
        while self._comm.iprobe():
            status = MPI.Status()
            said = self._comm.recv(status=status)
            self._waits[status.source] = said
        others = set(range(self._comm.size)) - {self._comm.rank}
        return sorted(rank for rank in others if self._waits.get(rank, -1) < operation)

    def _report(self, late, name, seconds):
        names = ", ".join(f"rank {rank} on {self._hosts[rank]}" for rank in late)
        patience = LIMIT if self._comm.rank in _REPORTERS else LIMIT + 5 * HEARD  # they know more
        if seconds >= patience:
            raise ParallelError(f"{names or 'a rank'} has not come to {name} for {seconds:.0f} s")
        first = self._comm.rank == 0 or (self._comm.rank == 1 and 0 in late)
        if first and late:
            line = f"waiting for {names}: not yet at {name} for {seconds:.0f} s"
            print(line, file=sys.__stderr__, flush=True)
