"""Which of its machine's GPUs a process takes, where a launcher started several processes there.

mpiexec and srun tell each process its number on its machine, the local rank, by a variable of its
environment. Process i takes GPU i. It must do so before anything is put on a GPU, so the backend
does it when it is loaded. A process that sees one GPU only, since the launcher chose for it by
CUDA_VISIBLE_DEVICES, takes that one.

CuPy's current device belongs to a thread: other threads that use this backend must call
cupy.cuda.Device(gpu's number).use() themselves.
"""

import os
from collections.abc import Mapping

# Local ranks of Open MPI, of MPICH and Intel MPI, of srun; else the number among all processes.
_NUMBERS = (
    "OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID", "PMI_RANK", "PMIX_RANK"
)  # fmt: skip


def own_device(count: int, environment: Mapping[str, str] = os.environ) -> int | None:
    """The number of the GPU that this process takes, from 0 to count - 1; None without a launcher,
    which leaves CuPy's current one. Where processes outnumber GPUs, some share one.

    count  the GPUs that this process sees
    """
    for name in _NUMBERS:
        if environment.get(name, "").isdigit():
            return int(environment[name]) % count
    return None
