"""Start a program on several ranks with mpiexec, and read what the ranks measured."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.programs.hosts import Hosts
from benchmarks.programs.process import ROOT, ProgramError
from benchmarks.programs.rank import ALONE, PROCESSORS

SECONDS = 600  # after which a run has failed


def mpiexec() -> str | None:
    """The path of mpiexec: the one beside this Python, else the first on the PATH."""
    beside = Path(sys.executable).with_name("mpiexec")
    return str(beside) if beside.exists() else shutil.which("mpiexec")


def launch(
    size: int, module: str, words: list[str], folder, threads: int, processors: int,
    gbit: float | None = None, alone: bool = False,
) -> list[dict]:  # fmt: skip
    """What rank.py says of each rank, in their order.

    size        ranks
    module      data_parallel or ddp; words: its arguments
    folder      of the work (workload.py)
    threads     of each rank
    processors  that all ranks use together
    gbit        None: ranks reach each other within this machine. A number: each is on a host of its
                own (hosts.py), with a link of so many Gbit/s
    alone       each process is a training of its own, of one rank
    Raises ProgramError where a rank fails, HostsError where hosts cannot be made.
    """
    folder = Path(folder)
    for old in [*folder.glob("rank-*.json"), folder / "meeting"]:
        old.unlink(missing_ok=True)
    plan = json.loads((folder / "plan.json").read_text())
    (folder / "plan.json").write_text(json.dumps(plan | {"threads": threads}))
    program = [sys.executable, "-m", f"benchmarks.programs.{module}", str(folder), *words]
    ranks = ["-n", str(size), "--map-by", ":OVERSUBSCRIBE", "--bind-to", "none", *program]
    interface = "lo" if gbit is None else "eth0"
    with contextlib.nullcontext() if gbit is None else Hosts(size, gbit) as hosts:
        options = hosts.options if hosts else []
        line = [mpiexec(), *options, *ranks]
        variables = environment(threads, processors, interface) | ({ALONE: "1"} if alone else {})
        _run(hosts.line(line) if hosts else line, variables)
    return [json.loads((folder / f"rank-{rank}.json").read_text()) for rank in range(size)]


def environment(threads, processors, interface) -> dict[str, str]:
    """Of a run: every library's number of threads, and the interface of gloo."""
    names = ("OMP", "OPENBLAS", "MKL", "NUMBA")
    counts = {f"{name}_NUM_THREADS": str(threads) for name in names}
    more = {PROCESSORS: str(processors), "GLOO_SOCKET_IFNAME": interface}
    if hasattr(os, "geteuid") and os.geteuid() == 0:  # namespaces need root, and mpiexec asks twice
        more |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    return {**os.environ, **counts, **more, "PYTHONPATH": str(ROOT)}


def _run(line, variables):
    try:
        # Launches that begin at once can disturb one another in a common folder.
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as own:
            done = subprocess.run(
                line, env=variables | {"TMPDIR": own}, cwd=ROOT, capture_output=True, text=True,
                timeout=SECONDS,
            )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise ProgramError(f"{line[-4:]} has not ended after {SECONDS} s") from error
    if done.returncode:
        last = (done.stdout + done.stderr).strip().splitlines()[-12:]
        raise ProgramError("\n  ".join([f"mpiexec ended with exit code {done.returncode}:", *last]))
