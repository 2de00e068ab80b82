"""What ends a training on several ranks: every rank ends within seconds and says why, the last
checkpoint is whole, and the run goes on from it."""

import signal

import pytest

from alexnet.weights import checkpoint
from tests.alexnet.parallel.launched import FOR_LONG, Launched
from tests.alexnet.parallel.programs import train
from tests.alexnet.small_training import lines, make_images
from tests.ranks import needs_mpi, on_ranks

pytestmark = needs_mpi()
SECONDS = 20  # much more than it takes, for a busy machine
RANKS = 2


def launched(images, tmp_path, *flags, **options):
    return Launched(RANKS, [images, *FOR_LONG, *flags], tmp_path / "run", **options)


def ended_by(images, tmp_path, number, rank=None):
    """(the run, mpiexec's exit code) of a training that got this signal after some steps.

    rank  to which it was sent; None: to mpiexec
    """
    with launched(images, tmp_path) as run:
        run.wait_for_step(5)
        run.send(number, rank)
        code, _ = run.end(SECONDS)
    return run, code


def goes_on(out, step):
    """The run goes on from this step for one more, on another number of ranks."""
    argv = ["--resume", str(out), "--max-steps", str(step + 1)]
    assert on_ranks(3, train, argv) == [0, 0, 0]
    assert lines(out)[-1]["step"] == step + 1


def test_a_rank_that_is_killed_ends_all(images, tmp_path):
    run, code = ended_by(images, tmp_path, signal.SIGKILL, rank=1)
    assert code == 137
    assert "rank 0" in run.errors() and "another rank has ended" in run.errors()
    assert f"to go on: mpiexec -n {RANKS} python -m alexnet.train --resume" in run.errors()
    goes_on(run.out, run.check_whole())


def test_sigterm_to_one_rank_stops_and_saves_all(images, tmp_path):
    run, code = ended_by(images, tmp_path, signal.SIGTERM, rank=1)
    assert code == 143
    step = run.check_whole()
    assert step == lines(run.out)[-1]["step"]  # nothing is lost
    assert f"interrupted by SIGTERM after step {step}, which is saved" in run.errors()
    goes_on(run.out, step)


def test_ctrl_c_to_mpiexec_ends_all(images, tmp_path):
    run, code = ended_by(images, tmp_path, signal.SIGINT)
    assert code != 0
    for rank in range(RANKS):
        assert f"rank {rank} on" in run.errors()
    assert "the launcher was stopped; to go on: mpiexec" in run.errors()
    run.check_whole()


def test_sigusr1_to_mpiexec_stops_and_saves_all(images, tmp_path):
    run, code = ended_by(images, tmp_path, signal.SIGUSR1)
    assert code == 128 + signal.SIGUSR1
    assert run.check_whole() == lines(run.out)[-1]["step"]


def test_a_disk_that_is_full_on_rank_0_ends_all(images, tmp_path):
    full = 'test "$OMPI_COMM_WORLD_RANK" = 0 && ulimit -f 400'  # blocks of 512 bytes
    with launched(images, tmp_path, shell=full) as run:
        code, _ = run.end(2 * SECONDS)
    assert code == 6
    assert "alexnet.train: cannot write" in run.errors() and "File too large" in run.errors()


def test_options_that_differ_are_named_once(images, tmp_path):
    differ = 'test "$OMPI_COMM_WORLD_RANK" = 1 && set -- "$@" --seed 1'
    with launched(images, tmp_path, shell=differ) as run:
        code, _ = run.end(2 * SECONDS)
    assert code == 2
    said = [line for line in run.errors().splitlines() if "--seed 1" in line]
    assert len(said) == 1 and "rank 1 on" in said[0] and "rank 0 has --seed 0" in said[0]
    assert not run.out.exists()


def test_an_unknown_flag_is_said_once(images, tmp_path):
    with Launched(RANKS, [images, "--learning-rate", "1"], tmp_path / "run") as run:
        code, _ = run.end(2 * SECONDS)
    assert code == 2
    assert run.errors().count("unrecognized arguments: --learning-rate 1") == 1


def test_an_image_that_one_rank_cannot_read_ends_all(images, tmp_path):

    own = make_images(tmp_path / "images")
    with Launched(RANKS, [str(own), *FOR_LONG], tmp_path / "run") as run:
        run.wait_for_step(5)
        broken = own / "train" / "red" / "03.png"
        broken.write_bytes(broken.read_bytes()[:300])
        code, _ = run.end(SECONDS)
    assert code == 3
    assert "03.png cannot be read as an image" in run.errors()
    assert checkpoint.load(run.out / "last.npz").training["step"] == run.check_whole()


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_commands_of_one_process_refuse_mpiexec(command, file, monkeypatch, capsys):
    import importlib

    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    assert importlib.import_module(f"alexnet.{command}").main([file]) == 2
    assert "the launcher started 2 processes" in capsys.readouterr().err
