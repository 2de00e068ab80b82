"""How the time and the memory of a training step grow, with batch, image, threads and depth.

    python -m benchmarks.scaling
    python -m benchmarks.scaling --only batch,image --json scaling.json --plot scaling.png
    python -m benchmarks.scaling --only depth --spec single-tower --batch-size 32

    batch    images in a batch: a quarter of --batch-size to four times it
    image    rows and columns, from the smallest that fits to --image-size
    threads  1, 2, 4, ... --threads
    depth    convolutional blocks: the network is cut after conv1, conv2, ..., each with one fully
             connected layer of ten classes on top

One of them changes, the others are as given. Each point is a process of its own, so that its peak
of resident memory is its own too (Python and its libraries included); every round goes through all
points. A step is forward, softmax cross-entropy, backward and SGD with momentum and weight decay,
on one batch of normal numbers, with He's initial weights. Points that differ in threads only must
have the same first loss. Each table ends with the law that its figures follow, t = a + b n^p
(benchmarks/growth.py).
"""

import argparse
import importlib.util
import json
import math
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

import tinynet as tn
from alexnet.cli import ending as commands
from alexnet.cli import flags as options
from alexnet.cli.machine import use_machine
from alexnet.network.initial_weights import initialise
from alexnet.network.plan import plan, smallest_image_size
from alexnet.network.specs import find_spec
from alexnet.network.variants import changed
from benchmarks import growth, machine
from tinynet import nn

CHANGES = ("activation", "norm", "pool", "dropout", "groups", "width", "init")
SWEEPS = ("batch", "image", "threads", "depth")
CUT_CLASSES = 10  # of a cut network: the layer on top of it stays small
UNTIMED = 2  # steps: the first compiles, the second still asks the system for memory
TOLERANCE = 1e-4  # of the first loss, between numbers of threads
REPOSITORY = Path(__file__).parent.parent  # where -m benchmarks.scaling works


class Failed(Exception):
    """A point that cannot be measured, or figures that compare nothing; the message says why."""


# --- one point, in its own process ----------------------------------------------------------------


def network(spec, changes, blocks=None):
    """(row of the network, classes): as alexnet.build makes it, or cut after so many of its
    convolutional blocks."""
    row = changed(find_spec(spec), **{"init": "he", **changes})
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
    """{"seconds": [of each step], "loss": of the first, "peak_bytes"} of a point.

    point  {"spec", "changes", "blocks", "image_size", "batch_size", "threads", "backend", "steps"}
    """
    use_machine(point["backend"], point["threads"])
    tn.seed(0)
    row, classes = network(point["spec"], point["changes"], point["blocks"])
    layers = plan(row, classes, point["image_size"])
    model = nn.Sequential([(a.name, getattr(nn, a.kind)(**a.arguments)) for a in layers])
    initialise(model, row.weights)
    sgd = tn.optim.SGD(model.parameters(), lr=0.001, momentum=0.9, weight_decay=5e-4)

    generator = np.random.default_rng(0)
    shape = (point["batch_size"], *layers[0].inputs)
    images = tn.Tensor(generator.standard_normal(shape, np.float32))
    labels = generator.integers(0, classes, point["batch_size"])
    seconds, losses = [], []
    for _ in range(UNTIMED + point["steps"]):
        start = time.perf_counter()
        loss = tn.softmax_cross_entropy(model(images), labels)
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        seconds.append(time.perf_counter() - start)
        losses.append(loss.item())
    if not math.isfinite(losses[0]):
        raise ArithmeticError(f"scaling: the first loss of {point} is {losses[0]}")
    return {"seconds": seconds[UNTIMED:], "loss": losses[0], "peak_bytes": machine.peak_memory()}


def in_own_process(point) -> dict:
    """measure_point in a fresh process. Raises Failed with its last words where it fails."""
    command = [sys.executable, "-m", "benchmarks.scaling", "--point", json.dumps(point)]
    child = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
    if child.returncode:
        words = child.stderr.strip().splitlines()[-3:] or ["no message; was its memory too much?"]
        raise Failed(f"scaling: a point ended with {child.returncode}: {' '.join(words)}")
    return json.loads(child.stdout.splitlines()[-1])


# --- sweeps ---------------------------------------------------------------------------------------


def points_of(sweep, base) -> dict[int, dict]:
    """{n: point} of a sweep round the base point."""
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
    """{sweep: {"points": [...], "time": law, "memory": law}}; laws are of benchmarks.growth, in
    seconds and bytes.

    Every round goes through the points of all sweeps, so that a slow minute of the machine is not
    one point's alone; a point that two sweeps share is measured once a round.
    Raises Failed where a point fails, or where threads change the loss.
    """
    points = {sweep: points_of(sweep, base) for sweep in sweeps}
    runs = {json.dumps(point): [] for those in points.values() for point in those.values()}
    in_own_process(base)  # what it compiles would count as memory of the first point
    for turn in range(rounds):
        for number, (key, figures) in enumerate(runs.items(), start=1):
            point = json.loads(key)
            varied = ("batch_size", "image_size", "threads", "blocks")
            words = ", ".join(f"{name} {point[name] or 'all'}" for name in varied)
            print(f"round {turn + 1}, point {number} of {len(runs)}: {words}", file=sys.stderr)
            figures.append(in_own_process(point))
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
    """Raises Failed where a point's loss is not that of the first."""
    for row in rows:
        if abs(row["loss"] / rows[0]["loss"] - 1) > TOLERANCE:
            raise Failed(
                f"scaling: with {row['n']} threads the first loss is {row['loss']!r}, with "
                f"{rows[0]['n']} it is {rows[0]['loss']!r}; the figures compare nothing"
            )


# --- printing -------------------------------------------------------------------------------------


def print_report(report) -> None:
    """A table for each sweep, and its laws."""
    about = report["machine"]
    note = "" if report["idle"] else "; not idle: other programs ran too"
    print(f"{about['processor']}, backend {report['backend']}{note}")
    for name, sweep in report["sweeps"].items():
        table = Table(box=box.SIMPLE, padding=(0, 1), title=f"{report['network']}: {name}")
        for heading in (name, "ms a step", "middle 80 %", "images/s", "peak MB"):
            table.add_column(heading, justify="right", no_wrap=True)
        for row in sweep["points"]:
            median, low, high = (1e3 * row["seconds"][what] for what in ("median", "low", "high"))
            peak = f"{row['peak_bytes'] / 1e6:,.0f}" if row["peak_bytes"] else "unknown"
            cells = (
                f"{median:,.1f}",
                f"{low:,.1f} - {high:,.1f}",
                f"{row['images_per_second']:,.1f}",
            )
            table.add_row(str(row["n"]), *cells, peak)
        Console().print(table)
        print(f"  time    {growth.text(sweep['time'], 1e3, 'ms')}")
        print(f"  memory  {growth.text(sweep['memory'], 1e-6, 'MB')}\n")


# --- the command ----------------------------------------------------------------------------------


def main(argv=None) -> int:
    """The command; returns its exit code (alexnet/commands.py), or 1 where a point fails."""
    parser = _parser()
    given = parser.parse_args(argv)
    if given.point:
        print(json.dumps(measure_point(json.loads(given.point))))
        return 0
    for path in (given.json, given.plot):
        if path and not Path(path).parent.is_dir():
            parser.error(f"there is no folder {Path(path).parent} to write {path} to")
    if given.plot and not importlib.util.find_spec("matplotlib"):
        parser.error("--plot needs matplotlib: pip install matplotlib")
    sweeps = given.only.split(",") if given.only else SWEEPS
    unknown = sorted(set(sweeps) - set(SWEEPS))
    if unknown:
        parser.error(f"--only: there is no {', '.join(unknown)}; there are {', '.join(SWEEPS)}")
    changes = {name: getattr(given, name) for name in CHANGES if getattr(given, name) is not None}
    try:
        row, classes = network(given.spec or "paper", changes)
        image_size = given.image_size or row.image_size
        plan(row, classes, image_size)
    except ValueError as error:
        parser.error(str(error))  # exits with 2
    base = {
        "spec": row.name, "changes": changes, "blocks": None, "image_size": image_size,
        "batch_size": given.batch_size, "threads": given.threads or machine.usable_processors(),
        "backend": given.backend, "steps": given.steps,
    }  # fmt: skip
    return commands.run(lambda: _command(given, base, sweeps), "benchmarks.scaling")


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scaling", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    options.add_network_flags(parser)
    options.add_backend_flags(parser)
    parser.add_argument("--batch-size", type=options.count, default=16, metavar="N", help="(16)")
    parser.add_argument("--steps", type=options.count, default=5, metavar="N", help="timed (5)")
    parser.add_argument("--rounds", type=options.count, default=2, metavar="N", help="(2)")
    parser.add_argument("--only", metavar="NAMES", help=f"some of {','.join(SWEEPS)}")
    parser.add_argument("--json", metavar="FILE", help="write the figures to FILE too")
    parser.add_argument("--plot", metavar="FILE", help="draw the sweeps: .png, .svg, .pdf")
    parser.add_argument("--point", metavar="JSON", help="measure this one, print it as JSON")
    return parser


def _command(given, base, sweeps):
    backend = base["backend"] = use_machine(given.backend, base["threads"])
    title = f"{base['spec']}, {base['image_size']} x {base['image_size']}"
    title += "".join(f", {name} {value}" for name, value in base["changes"].items())
    report = {
        "benchmark": "scaling", "machine": machine.description(base["threads"]),
        "idle": machine.wait_until_idle(), "backend": backend,
        "network": f"{title}, batch {base['batch_size']}, threads {base['threads']}",
        "base": base, "rounds": given.rounds, "tolerance": TOLERANCE,
    }  # fmt: skip
    try:
        report["sweeps"] = measure(sweeps, base, given.rounds)
    except Failed as error:
        print(error, file=sys.stderr)
        return 1
    report["idle"] = report["idle"] and machine.wait_until_idle(0)
    print_report(report)
    if given.json:
        machine.write_json(given.json, report)
    if given.plot:
        growth.draw(report, given.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
