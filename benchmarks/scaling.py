"""How the time and the memory of a training step grow, with batch, image, threads and depth.

    python -m benchmarks.scaling
    python -m benchmarks.scaling --only batch,image --json scaling.json --plot scaling.png
    python -m benchmarks.scaling --only depth --spec single-tower --batch-size 32
    python -m benchmarks.scaling --ranks 1,2,4 --batch-size 64

    batch    images in a batch: a quarter of --batch-size to four times it
    image    rows and columns, from the smallest that fits to --image-size
    threads  1, 2, 4, ... --threads
    depth    convolutional blocks: the network is cut after conv1, conv2, ..., each with one fully
             connected layer of ten classes on top

One of them changes, the flags fix the others. Each point is a process of its own, so that its peak
of resident memory is its own too (Python and its libraries included); every round goes through all
points, every other one backwards. A step is forward, softmax cross-entropy, backward and SGD with
momentum and weight decay, on one batch of noise, with He's initial weights. Points that differ in
threads only must have the same first loss. Each table ends with the law that its figures follow,
t = a + b n^p (benchmarks/figures/growth.py).

With --ranks it measures instead data-parallel steps on several ranks, beside PyTorch's DDP
(benchmarks/scaling_ranks.py).
"""

import json
import sys
import tempfile
from dataclasses import replace

import numpy as np
from rich import box
from rich.table import Table

import tinynet as tn
from alexnet.cli import flags
from alexnet.cli.console import wide_console
from alexnet.cli.machine import use_machine
from alexnet.network.plan import smallest_image_size
from alexnet.network.specs import find_spec
from alexnet.network.variants import changed
from benchmarks import machine, scaling_ranks
from benchmarks.clocks import alternating
from benchmarks.figures import growth, ranks
from benchmarks.flags import (
    add_output_flags,
    add_wait_flag,
    benchmark_parser,
    chosen_network,
    names_among,
    several,
)
from benchmarks.programs.process import Program, ProgramError, run_command, say
from benchmarks.programs.workload import write_workload

SWEEPS = ("batch", "image", "threads", "depth")
CUT_CLASSES = 10  # of a cut network: the layer on top of it stays small
INIT = "he"  # published initial weights are for full size: small images get no gradients
TOLERANCE = 1e-4  # of the first loss, between numbers of threads


def network(spec, changes, blocks=None):
    """(row of the network, classes): as alexnet.build makes it, or cut after this many of its
    convolutional blocks."""
    row = changed(find_spec(spec), **{"init": INIT, **changes})
    if blocks is None:
        return row, row.num_classes
    last = convolutional_blocks(row)[blocks - 1]
    kept = (*row.blocks[: last + 1], "fc")
    convolutions = row.convolutions[:blocks]
    return replace(row, blocks=kept, convolutions=convolutions, hidden=()), CUT_CLASSES


def convolutional_blocks(row):
    """The places of a row's blocks with a convolution."""
    return [place for place, block in enumerate(row.blocks) if "conv" in block.split()]


def measure_point(point) -> dict:
    """{"seconds": [of each step], "loss": of the first, "peak_bytes"} of a point, in a process of
    its own (programs/tinynet.py). Raises ProgramError where that one fails.

    point  {"spec", "changes", "blocks", "image_size", "batch_size", "threads", "backend", "steps"}
    """
    row, classes = network(point["spec"], point["changes"], point["blocks"])
    size, threads = point["image_size"], point["threads"]
    with tempfile.TemporaryDirectory() as folder:
        write_workload(folder, row, point["batch_size"], threads, classes, size)
        with Program("tinynet", sys.executable, folder, threads, point["backend"]) as program:
            program.ready()
            loss = program.ask("numbers", steps=1)["losses"][0]
            peak = program.ask("memory", what="training")["peak"]
            steps = program.ask("turn", what="training", steps=point["steps"])["steps"]
    return {"seconds": [step["seconds"] for step in steps], "loss": loss, "peak_bytes": peak}


# --- sweeps ---------------------------------------------------------------------------------------


def points_of(sweep, base) -> dict[int, dict]:
    """{n: point} of a sweep around the base point."""
    row = changed(find_spec(base["spec"]), **base["changes"])
    if sweep == "batch":
        sizes = [max(1, round(base["batch_size"] * factor)) for factor in (0.25, 0.5, 1, 2, 4)]
        return {n: base | {"batch_size": n} for n in dict.fromkeys(sizes)}
    if sweep == "image":
        smallest = min(smallest_image_size(row), base["image_size"])
        sizes = np.linspace(smallest, base["image_size"], 5).round().astype(int).tolist()
        return {n: base | {"image_size": n} for n in dict.fromkeys(sizes)}
    if sweep == "threads":
        powers = [1 << k for k in range(base["threads"].bit_length())]
        return {n: base | {"threads": n} for n in dict.fromkeys([*powers, base["threads"]])}
    return {n: base | {"blocks": n} for n in range(1, len(convolutional_blocks(row)) + 1)}


def measure(sweeps, base, rounds) -> dict:
    """{sweep: {"points": [...], "time": law, "memory": law}}; laws are of figures/growth.py, in
    seconds and bytes.

    Every round goes through the points of all sweeps, so that a slow minute of the machine is not
    one point's alone; a point that two sweeps share is measured once a round.
    Raises ProgramError where a point fails, or where threads change the loss.
    """
    points = {sweep: points_of(sweep, base) for sweep in sweeps}
    runs = {json.dumps(point): [] for those in points.values() for point in those.values()}
    measure_point(base)  # it compiles, which would count as memory of the first point
    for number, key in alternating(runs, rounds):
        point = json.loads(key)
        varied = ("batch_size", "image_size", "threads", "blocks")
        words = ", ".join(f"{name} {point[name] or 'all'}" for name in varied)
        say(f"round {number + 1} of {rounds}: {words}")
        runs[key].append(measure_point(point))
    measured = {}
    for sweep, those in points.items():
        rows = [row_of(n, point, runs[json.dumps(point)]) for n, point in those.items()]
        if sweep == "threads":
            check_same_loss(rows)
        n, seconds = [row["n"] for row in rows], [row["seconds"]["median"] for row in rows]
        peaks = [row["peak_bytes"] for row in rows]
        measured[sweep] = {
            "points": rows,
            "time": growth.fit(n, seconds),
            "memory": growth.fit(n, peaks) if all(peaks) else None,
        }
    return measured


def row_of(n, point, runs) -> dict:
    """The report's row of a point: what measure_point returned in each round."""
    median, low, high = machine.spread([step for run in runs for step in run["seconds"]])
    peaks = [run["peak_bytes"] for run in runs]
    return {
        "n": n, "seconds": {"median": median, "low": low, "high": high},
        "images_per_second": point["batch_size"] / median, "loss": runs[0]["loss"],
        "peak_bytes": max(peaks) if all(peaks) else None,  # None: the system does not tell
    }  # fmt: skip


def check_same_loss(rows) -> None:
    """Raises ProgramError where a point has another loss than the first one."""
    for row in rows:
        if abs(row["loss"] / rows[0]["loss"] - 1) > TOLERANCE:
            raise ProgramError(
                f"with {row['n']} threads the first loss is {row['loss']!r}, with "
                f"{rows[0]['n']} it is {rows[0]['loss']!r}; the figures compare nothing"
            )


# --- printing -------------------------------------------------------------------------------------


def print_report(report) -> None:
    """A table for each sweep, and its laws."""
    note = "" if report["idle"] else "; not idle: other programs ran too"
    print(f"{machine.words(report['machine'])}; backend {report['backend']}{note}")
    for name, sweep in report["sweeps"].items():
        table = Table(box=box.SIMPLE, padding=(0, 1), title=f"{report['network']}: {name}")
        for heading in (name, "ms a step", "middle 80 %", "images/s", "peak MB"):
            table.add_column(heading, justify="right", no_wrap=True)
        for row in sweep["points"]:
            median, low, high = (1e3 * row["seconds"][what] for what in ("median", "low", "high"))
            peak = f"{row['peak_bytes'] / 1e6:,.0f}" if row["peak_bytes"] else "unknown"
            cells = [f"{median:,.1f}", f"{low:,.1f} - {high:,.1f}"]
            cells += [f"{row['images_per_second']:,.1f}", peak]
            table.add_row(str(row["n"]), *cells)
        wide_console().print(table)
        print(f"  time    {growth.text(sweep['time'], 1e3, 'ms')}")
        print(f"  memory  {growth.text(sweep['memory'], 1e-6, 'MB')}\n")


# --- the command ----------------------------------------------------------------------------------


def main(argv=None) -> int:
    """The command; returns its exit code (alexnet/cli/ending.py), or 1 where a point fails."""
    parser = _parser()
    args = parser.parse_args(argv)
    if (args.hosts or args.batches) and not args.ranks:
        parser.error("--hosts and --batches are of --ranks")
    chosen = chosen_network(args, parser)
    return run_command(lambda: _command(args, chosen), "scaling")


def _parser():
    parser = benchmark_parser("scaling", __doc__)
    flags.add_network_flags(parser)
    flags.add_backend_flags(parser)
    parser.add_argument("--batch-size", type=flags.count, default=16, metavar="N", help="(16)")
    parser.add_argument("--steps", type=flags.count, default=5, metavar="N", help="timed (5)")
    parser.add_argument("--rounds", type=flags.count, default=2, metavar="N", help="(2)")
    parser.add_argument(
        "--only", type=names_among(SWEEPS), default=SWEEPS, metavar="NAMES",
        help=f"some of {','.join(SWEEPS)}",
    )  # fmt: skip
    add_wait_flag(parser)
    add_output_flags(parser, "the sweeps")
    group = parser.add_argument_group("ranks")
    group.add_argument(
        "--ranks", type=several(flags.count), nargs="?", const=[1, 2, 4], metavar="N,N",
        help="measure data-parallel steps on these numbers of ranks (1,2,4)",
    )  # fmt: skip
    group.add_argument(
        "--hosts", type=several(flags.positive), metavar="GBIT,GBIT",
        help="each rank on a host of its own, a network namespace, with a link of so many Gbit/s; "
        "needs Linux and root",
    )  # fmt: skip
    group.add_argument("--batches", type=several(flags.count), metavar="N,N", help="(--batch-size)")
    group.add_argument(
        "--programs", type=names_among(scaling_ranks.PROGRAMS), default=scaling_ranks.PROGRAMS,
        metavar="NAMES", help=f"some of {','.join(scaling_ranks.PROGRAMS)}",
    )  # fmt: skip
    return parser


def _command(args, chosen):
    threads = args.threads or machine.usable_processors()
    backend = use_machine(args.backend, threads)
    if args.ranks:
        report, draw = scaling_ranks.command(args, chosen, backend), ranks.draw
    else:
        report, draw = _sweeps(args, chosen, backend, threads), growth.draw
    if args.json:
        machine.write_json(args.json, report)
    if args.plot:
        draw(report, args.plot)
    return 0


def _sweeps(args, chosen, backend, threads):
    """The report of the sweeps, printed."""
    base = {
        "spec": chosen.spec, "changes": chosen.changes, "blocks": None,
        "image_size": chosen.image_size, "batch_size": args.batch_size, "threads": threads,
        "backend": backend, "steps": args.steps,
    }  # fmt: skip
    on_gpu = tn.get_backend().asynchronous
    about = machine.gpu_description() if on_gpu else machine.description(threads)
    report = {
        "benchmark": "scaling", "machine": about,
        "idle": machine.wait_until_idle(args.wait), "backend": backend,
        "network": f"{chosen.title}, batch {args.batch_size}, threads {threads}",
        "base": base, "rounds": args.rounds, "tolerance": TOLERANCE,
    }  # fmt: skip
    report["sweeps"] = measure(args.only, base, args.rounds)
    report["idle"] = report["idle"] and machine.wait_until_idle(0)
    print_report(report)
    return report


if __name__ == "__main__":
    sys.exit(main())
