"""What a rank of a data-parallel training does in either framework: its part of the work, timed.

    mpiexec -n 4 python -m benchmarks.programs.data_parallel FOLDER BACKEND STEPS    tinynet
    mpiexec -n 4 python -m benchmarks.programs.ddp FOLDER STEPS                      PyTorch's DDP

FOLDER holds the work (workload.py), and each rank writes its figures there, to rank-0.json, ...:

    losses        of the first steps, the rank's share of the batch's mean; their sum over the ranks
                  is one process's loss. These steps also warm up
    steps         [{stage: seconds, ...}, ...] of the timed steps; the stages are the whole step
    sent_bytes    {name: bytes} of a timed step, as tinynet counts them; {} of PyTorch
    frames        {"bytes", "packets"} that left this host's link in a timed step, with all headers;
                  null where the host has no link of its own (hosts.py)
    latency       seconds of a message: the time of a sum of a few numbers divided by the messages
                  that follow one another in it, 2 (n - 1); null where it is not measured
    host, versions

Steps are without dropout, so that any number of ranks has the same losses. Each rank computes on
its own share of the processors. Where the variable BENCHMARK_ALONE is set, each process trains the
whole batch alone, beside the others.
"""

import contextlib
import json
import os
import platform
import subprocess
from pathlib import Path

CHECKED_STEPS = 2
PROCESSORS = "BENCHMARK_PROCESSORS"  # the variable that says how many there are for all ranks
ALONE = "BENCHMARK_ALONE"  # the variable that makes each process a training of one rank
# Of Open MPI's mpiexec; of MPICH's; of srun.
_RANKS = ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK")
_SIZES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS")


def place() -> tuple[int, int]:
    """(rank, number of ranks) as the launcher says; (0, 1) without one."""
    return _first(_RANKS, 0), _first(_SIZES, 1)


def place_in_training() -> tuple[int, int]:
    """(rank, number of ranks) of the training that this process takes part in."""
    return (0, 1) if ALONE in os.environ else place()


def _first(names, otherwise):
    return next((int(os.environ[name]) for name in names if name in os.environ), otherwise)


def own_processors(rank: int, size: int, processors: list[int]) -> list[int]:
    """The processors of one rank. With fewer processors than ranks, neighbours round a ring are on
    different ones, as they are on different hosts."""
    count = len(processors)
    if count < size:
        return [processors[rank % count]]
    return processors[rank * count // size : (rank + 1) * count // size]


def use_own_processors() -> None:
    """Limit this process to its own processors, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        usable = sorted(os.sched_getaffinity(0))
        usable = usable[: int(os.environ.get(PROCESSORS, len(usable)))]
        os.sched_setaffinity(0, own_processors(*place(), usable))


def run(program, folder, steps: int) -> None:
    """Take the steps and write the figures.

    program  an object with
        step() -> (loss, {stage: seconds})  the rank's share of the loss
        barrier()                           wait for all ranks
        sent_bytes() -> {name: bytes}       so far
        latency() -> seconds                of a message; None where it is not measured
        versions
    """
    losses = [program.step()[0] for _ in range(CHECKED_STEPS)]
    latency = program.latency()
    program.barrier()
    sent, frames = program.sent_bytes(), link_frames()
    timed = [program.step()[1] for _ in range(steps)]
    program.barrier()
    figures = {
        "losses": losses,
        "steps": timed,
        "sent_bytes": _of_a_step(program.sent_bytes(), sent, steps),
        "frames": frames and _of_a_step(link_frames(), frames, steps),
        "latency": latency,
        "host": platform.node(),
        "versions": program.versions,
    }
    (Path(folder) / f"rank-{place()[0]}.json").write_text(json.dumps(figures))


def _of_a_step(after, before, steps):
    return {name: (after[name] - before.get(name, 0)) / steps for name in after}


def link_frames() -> dict[str, int] | None:
    """{"bytes", "packets"} that this host has sent over its limited link; None without one.

    The queue that limits the link counts frames as a cable carries them. The interface's own
    counter, tx_bytes, counts segments of up to 64 kB with one header each, which are cut later.
    """
    line = ["tc", "-statistics", "-json", "qdisc", "show"]
    with contextlib.suppress(OSError, ValueError):
        for queue in json.loads(subprocess.run(line, capture_output=True).stdout):
            if queue["kind"] == "tbf":
                return {"bytes": queue["bytes"], "packets": queue["packets"]}
    return None
