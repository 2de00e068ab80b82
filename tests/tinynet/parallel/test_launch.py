"""What start() makes of the launcher's environment."""

import pytest

import tinynet as tn
from tinynet.parallel import ParallelError, launched, launched_rank, words_of_launch


@pytest.mark.parametrize(
    "environment, processes",
    [
        ({}, 1),
        ({"OMPI_COMM_WORLD_SIZE": "4", "PMIX_RANK": "0"}, 4),
        ({"PMI_SIZE": "3"}, 3),
        ({"SLURM_STEP_NUM_TASKS": "8", "PMIX_RANK": "5"}, 8),
        ({"SLURM_STEP_NUM_TASKS": "1"}, 1),  # srun -n 1
        ({"SLURM_NTASKS": "8"}, 1),  # a script of a job, outside srun
        ({"OMPI_COMM_WORLD_SIZE": ""}, 1),
    ],
)
def test_processes_that_the_launcher_started(environment, processes):
    assert launched(environment) == processes


@pytest.mark.parametrize(
    "environment, rank",
    [
        ({}, 0),
        ({"OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "3"}, 3),
        ({"PMI_SIZE": "3", "PMI_RANK": "1"}, 1),
        ({"SLURM_STEP_NUM_TASKS": "8", "PMIX_RANK": "5", "SLURM_PROCID": "5"}, 5),
        ({"SLURM_PROCID": "5"}, 0),
    ],
)
def test_the_number_of_this_process(environment, rank):
    assert launched_rank(environment) == rank


SRUN = {"SLURM_STEP_NUM_TASKS": "8", "PMIX_RANK": "5", "SLURM_PROCID": "5"}


@pytest.mark.parametrize(
    "environment, words",
    [
        ({}, "mpiexec -n 3"),
        ({"OMPI_COMM_WORLD_SIZE": "4", "PMIX_RANK": "0"}, "mpiexec -n 3"),
        (SRUN, "srun -n 3 --mpi=pmix"),
        # mpiexec in a job of Slurm, whose variables its ranks may have.
        (SRUN | {"OMPI_COMM_WORLD_SIZE": "4"}, "mpiexec -n 3"),
    ],
)
def test_the_words_that_start_as_many_again(environment, words):
    assert words_of_launch(3, environment) == words


def test_srun_without_mpi_is_an_error():
    with pytest.raises(ParallelError, match="srun --mpi=pmix"):
        launched({"SLURM_STEP_NUM_TASKS": "8"})


def test_one_process_needs_no_mpi(monkeypatch):
    for name in ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"):
        monkeypatch.delenv(name, raising=False)
    assert type(tn.parallel.start()) is tn.parallel.Single


def test_mpi4py_missing_is_an_error_that_names_it(monkeypatch):
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    monkeypatch.setitem(__import__("sys").modules, "tinynet.parallel.mpi", None)
    with pytest.raises(ParallelError, match="2 processes.*pip install mpi4py"):
        tn.parallel.start()


@pytest.mark.mpi
def test_another_mpi_than_the_launchers_is_an_error(monkeypatch):
    pytest.importorskip("mpi4py")
    from tinynet.parallel import mpi

    class One:
        size, library = 1, "Open MPI v5"

    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    monkeypatch.setattr(mpi, "Mpi", One)
    with pytest.raises(ParallelError, match="2 processes, and MPI sees 1.*Open MPI v5"):
        tn.parallel.start()
