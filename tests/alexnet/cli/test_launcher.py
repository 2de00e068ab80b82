"""SIGCONT and SIGTERM of a launcher: the end by Open MPI's mpiexec, a request to stop by srun."""

import os
import signal

import pytest

from alexnet.cli import launcher
from alexnet.cli.interrupts import Interrupts

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGCONT"), reason="needs SIGCONT")


@pytest.fixture
def signalled(monkeypatch, capfd):
    """(whether the launcher ends this process, whether it is to stop and save, what was said) after
    both signals, in the environment of a launcher."""

    def under(**environment):
        for name in ("OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS", "PMIX_RANK"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        with launcher._last_words_of(1), Interrupts() as interrupts:
            os.kill(os.getpid(), signal.SIGCONT)
            os.kill(os.getpid(), signal.SIGTERM)
            ending, asked = launcher.is_ending(), interrupts.asked
        return ending, asked, capfd.readouterr().err

    launcher._ending.clear()
    yield under
    launcher._ending.clear()  # else it stays set in this process


def test_mpiexec_leaves_no_time(signalled):
    ending, asked, said = signalled(OMPI_COMM_WORLD_SIZE="2", PMIX_RANK="1")
    assert ending and not asked
    assert "ended by the launcher" in said and "finishing" not in said


def test_a_job_of_slurm_that_is_cancelled_is_saved(signalled):
    ending, asked, said = signalled(SLURM_STEP_NUM_TASKS="2", PMIX_RANK="1")
    assert asked and not ending
    assert "SIGTERM: finishing this batch, then saving" in said and "ended by" not in said
