"""What the launcher, mpiexec or srun, says about this process: how many there are.

A launcher tells its processes by variables of their environment. They are read before mpi4py is
imported, since MPI takes a part of a second to start, and one process needs none.
"""

import os
from collections.abc import Mapping

# Open MPI's mpiexec; MPICH's, Intel's and Slurm's PMI 2.
_SIZES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE")
_RANKS = ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID")
_PMIX = "PMIX_RANK"  # srun --mpi=pmix sets it, and so does Open MPI's mpiexec
_SLURM_SIZE = "SLURM_STEP_NUM_TASKS"


class ParallelError(RuntimeError):
    """Ranks that cannot work together, or one that does not answer; the message says which, and
    what to do."""


def launched(environment: Mapping[str, str] = os.environ) -> int:
    """How many processes the launcher started this program in; 1 without a launcher.

    Raises ParallelError for several processes of srun that MPI cannot connect: each would train a
    network of its own.
    """
    for name in _SIZES:
        if environment.get(name, "").isdigit():
            return int(environment[name])
    tasks = environment.get(_SLURM_SIZE, "")
    tasks = int(tasks) if tasks.isdigit() else 1
    if tasks > 1 and _PMIX not in environment:
        raise ParallelError(
            f"srun started {tasks} processes that MPI cannot connect; srun --mpi=pmix fits, or "
            "mpiexec in the job's script"
        )
    return tasks


def by_open_mpi(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether Open MPI's mpiexec started this process."""
    return "OMPI_COMM_WORLD_SIZE" in environment


def words_of_launch(processes: int, environment: Mapping[str, str] = os.environ) -> str:
    """What starts so many processes, before a command: "mpiexec -n 4", or where srun started this
    process "srun -n 4 --mpi=pmix"."""
    by_srun = _SLURM_SIZE in environment and _PMIX in environment
    if by_srun and not by_open_mpi(environment):
        return f"srun -n {processes} --mpi=pmix"
    return f"mpiexec -n {processes}"


def launched_rank(environment: Mapping[str, str] = os.environ) -> int:
    """This process's number among those that the launcher started; 0 without a launcher."""
    if launched(environment) == 1:
        return 0
    numbers = (environment.get(name, "") for name in _RANKS)
    return next((int(number) for number in numbers if number.isdigit()), 0)
