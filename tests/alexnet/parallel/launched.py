"""A training under mpiexec that a test disturbs while it runs."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from alexnet.weights import checkpoint
from tests.alexnet.small_training import FLAGS, lines
from tests.ranks import environment, launch_line

FOR_LONG = [*FLAGS, "--epochs", "2000", "--schedule", "constant", "--save-interval", "3"]


class Launched:
    """with Launched(3, [images, *FOR_LONG], out) as run: the ranks work until they end.

    By `shell` a rank can be different: text before the command, such as
    'test $OMPI_COMM_WORLD_RANK = 1 && set -- "$@" --seed 1'.
    """

    def __init__(self, size, argv, out, shell=""):
        self.out = Path(out)
        train = [sys.executable, "-m", "alexnet.train", *argv]
        train += [] if "--resume" in argv else ["--out", str(out)]
        command = ["sh", "-c", f'{shell or ":"}\nexec "$@"', "sh", *train]
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self._process = subprocess.Popen(
            launch_line(size, command), env=environment(self._folder.name), text=True,
            start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self._said = {"stdout": [], "stderr": []}
        # Pipes that are full would stop the ranks.
        self._readers = [
            threading.Thread(target=said.extend, args=(getattr(self._process, name),), daemon=True)
            for name, said in self._said.items()
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for pid in [self._process.pid, *self._pids().values()]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self._process.wait()
        self._process.stdout.close()
        self._process.stderr.close()
        self._folder.cleanup()

    def wait_for_step(self, step, seconds=120):
        """Wait until log.jsonl has so many lines of steps."""
        end = time.monotonic() + seconds
        log = self.out / "log.jsonl"
        while not log.exists() or log.read_bytes().count(b"\n") < step:
            assert self._process.poll() is None, self.errors()
            assert time.monotonic() < end, "the ranks do not come to this step"
            time.sleep(0.02)

    def send(self, number, rank=None):
        """Send a signal to a rank; None: to mpiexec."""
        os.kill(self._process.pid if rank is None else self._pids()[rank], number)

    def _pids(self):
        """{rank: process}: of the children that mpiexec started."""
        found = {}
        for folder in Path("/proc").iterdir():
            try:
                if folder.name.isdigit() and self._is_child(folder):
                    variables = (folder / "environ").read_bytes().split(b"\0")
                    name = b"OMPI_COMM_WORLD_RANK="
                    ranks = [v[len(name) :] for v in variables if v.startswith(name)]
                    found |= {int(ranks[0]): int(folder.name)} if ranks else {}
            except (OSError, IndexError):  # it has ended
                continue
        return found

    def _is_child(self, folder):
        parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
        return int(parent) == self._process.pid

    def end(self, seconds=60):
        """(exit code, seconds until mpiexec had ended). Fails if that takes longer."""
        began = time.monotonic()
        code = self._process.wait(seconds)
        for reader in self._readers:  # they end when the last rank has
            reader.join(5)
            assert not reader.is_alive(), "a rank outlived mpiexec"
        return code, time.monotonic() - began

    def errors(self):
        """What came on stderr so far."""
        return "".join(self._said["stderr"])

    def check_whole(self):
        """The step of last.npz, which must be whole, and fit the log."""
        saved = checkpoint.load(self.out / "last.npz")
        step = saved.training["step"]
        assert step <= lines(self.out)[-1]["step"]
        return step
