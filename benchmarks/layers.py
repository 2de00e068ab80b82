"""Every layer of a network, forward and backward: its time, and how near it comes to the machine.

    python -m benchmarks.layers --threads 2 --json layers.json --plot roofline.png
    python -m benchmarks.layers --only conv2,norm1
    python -m benchmarks.layers --spec single-tower --norm none --image-size 115
    python -m benchmarks.layers --backend cupy --help        on a GPU: benchmarks/gpu_layers.py

A convolution or a fully connected layer is bound by arithmetic: GFLOP/s, as a share of the rate of
sgemm. The others are bound by memory: GB/s, of the bytes that must move, as a share of the rate of
a copy. Both rates are measured first, with the same threads. benchmarks/layer_work.py says what is
counted; benchmarks/roofline.py draws it. Winograd's convolutions need fewer products than are
counted and may exceed 100 %.

Each layer is run by itself on normal numbers, through the public layers of tinynet, as are the loss
and the update of all weights. The backward is that of a fresh forward each time, which its time
leaves out. An installed PyTorch computes the same layer from the same arrays; first its output and
its gradients are compared with ours. The two take turns, each with an untimed run first; the ratio
is our time over PyTorch's, by rounds, the median. Threads of OpenMP, which the two share, sleep
while they wait. Every run uses the same arrays. In the paper's network at batch 128 those of blocks
1 and 2 (95 and 149 MB a map) are far larger than a cache, so nothing is gained by that; the later
and smaller ones may stay in it from run to run, and their share of the copy rate can exceed 100 %.
"""

import argparse
import importlib.util
import statistics
import sys
import time
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from alexnet.cli import ending as commands
from alexnet.cli import flags as options
from alexnet.cli.machine import use_machine
from alexnet.network.plan import plan
from alexnet.network.specs import find_spec
from alexnet.network.variants import changed
from benchmarks import gpu_device, layer_programs, machine
from benchmarks.layer_work import loss_and_update, work

CHANGES = ("activation", "norm", "pool", "dropout", "groups", "width", "init")
TURN = 0.1  # seconds that a turn's runs take together, at most MOST_RUNS, at least one run
MOST_RUNS = 30
PAUSE = 0.05  # seconds between turns: threads that wait for work in a loop give up in it
PRODUCTS = ("Conv2d", "Linear")  # kinds that are bound by arithmetic


# --- measuring ------------------------------------------------------------------------------------


def measure(layer, batch_size, programs, rounds, needs_dx=True) -> dict:
    """{program: {direction: [[seconds of each run] of each round]}}.

    programs  {name: tinynet_program or pytorch_program}, one or two
    Raises OtherNumbers where two programs compute different numbers.
    """
    given = layer_programs.draw(layer, batch_size)
    runs = {name: program(layer, given, needs_dx) for name, program in programs.items()}
    # Two runs each, the first of which compiles; by the second, SGD's velocity moves weights.
    first = {name: [run(), run()][-1] for name, run in runs.items()}
    if len(first) == 2:
        layer_programs.check_equal(layer, given, *(results for _, results in first.values()))
    counts = {
        name: max(1, min(MOST_RUNS, int(TURN / sum(seconds.values()))))
        for name, (seconds, _) in first.items()
    }
    measured = {name: {what: [] for what in seconds} for name, (seconds, _) in first.items()}
    del first
    for _ in range(rounds):
        for name, run in runs.items():
            time.sleep(PAUSE)
            run()
            turn = [run()[0] for _ in range(counts[name])]
            for what, every_round in measured[name].items():
                every_round.append([seconds[what] for seconds in turn])
    return measured


def rows_of(layer, todo, measured, rates) -> list[dict]:
    """The report's rows of one layer: one for each direction.

    todo      of benchmarks.layer_work.work
    measured  of measure
    rates     {"sgemm": GFLOP/s, "copy": GB/s}
    """
    rows = []
    for what, need in todo.items():
        seconds = {name: _figures(rounds[what]) for name, rounds in measured.items()}
        ours = seconds["tinynet"]["median"]
        gflops, gbytes = need.flop / ours / 1e9, need.bytes / ours / 1e9
        roof = "sgemm" if layer.kind in PRODUCTS else "copy"
        row = _row(layer, what, need) | {"seconds": seconds, "gflops": gflops, "gbytes": gbytes}
        row |= {"roof": roof, "share": (gflops if roof == "sgemm" else gbytes) / rates[roof]}
        if "pytorch" in measured:
            pairs = zip(measured["tinynet"][what], measured["pytorch"][what], strict=True)
            ratios = [statistics.median(a) / statistics.median(b) for a, b in pairs]
            row["ratio"] = statistics.median(ratios)
        rows.append(row)
    return rows


def _row(layer, what, need):
    row = {"layer": layer.name, "kind": layer.kind, "direction": what}
    return row | {"flop": need.flop, "bytes": need.bytes}


def _figures(rounds):
    median, low, high = machine.spread([seconds for turn in rounds for seconds in turn])
    return {"median": median, "low": low, "high": high}


def totals(rows, rates) -> dict:
    """Sums of the rows' median seconds, by direction and of all: what a training step would take if
    its layers ran as they do alone. share: the products' FLOP over the time of everything, of the
    sgemm rate. Rows with an error count nowhere."""
    rows = [row for row in rows if "error" not in row]
    sums = {}
    for what in dict.fromkeys([*(row["direction"] for row in rows), "all"]):
        those = [row for row in rows if what in (row["direction"], "all")]
        sums[what] = {
            name: sum(row["seconds"][name]["median"] for row in those)
            for name in (those[0]["seconds"] if those else ())
        }
        if "pytorch" in sums[what]:
            sums[what]["ratio"] = sums[what]["tinynet"] / sums[what]["pytorch"]
    if rows:
        flop = sum(row["flop"] for row in rows if row["roof"] == "sgemm")
        sums["all"]["share"] = flop / sums["all"]["tinynet"] / 1e9 / rates["sgemm"]
    return sums


def benchmark(layers, batch_size, programs, rounds, rates, only=None) -> list[dict]:
    """The rows of every layer, loss and update included; of those named in only, if given. A layer
    whose programs disagree has rows with an error and no figures."""
    rows = []
    for layer in measurable(layers):
        if only and layer.name not in only:
            continue
        print(f"{layer.name} ...", file=sys.stderr)
        needs_dx = layer != layers[0]
        todo = work(layer, batch_size, needs_dx)
        try:
            measured = measure(layer, batch_size, programs, rounds, needs_dx)
        except layer_programs.OtherNumbers as error:
            print(error, file=sys.stderr)
            rows += [_row(layer, what, todo[what]) | {"error": str(error)} for what in todo]
        else:
            rows += rows_of(layer, todo, measured, rates)
    return rows


def measurable(layers):
    """The layers, the loss and the update, without flatten: it is a view and moves nothing."""
    return [layer for layer in layers + loss_and_update(layers) if layer.kind != "Flatten"]


# --- printing -------------------------------------------------------------------------------------


def print_report(report) -> None:
    """The table, its totals, and what they are measured against."""
    rates, sums, peer = report["rates"], report["totals"], report["pytorch"]
    table = Table(box=box.SIMPLE, padding=(0, 1))
    table.add_column("layer", no_wrap=True)
    table.add_column("", no_wrap=True)
    headings = ["ms", "middle 80 %", "GFLOP/s", "GB/s", "share"]
    for heading in headings + (["PyTorch ms", "ratio"] if peer else []):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in report["layers"]:
        table.add_row(row["layer"], row["direction"], *_cells(row))
    table.add_section()
    for what, figures in sums.items():
        cells = [_ms(figures[name]) for name in ("tinynet", "pytorch") if name in figures]
        share = f"{figures['share']:.0%}" if "share" in figures else ""
        ratio = [f"{figures['ratio']:.2f}"] if "ratio" in figures else []
        table.add_row("total", what, *cells[:1], "", "", "", share, *cells[1:], *ratio)
    console = Console()
    console.width = max(console.width, 110)  # less would cut figures short; a pipe claims 80
    about = report["machine"]
    print(f"{about['processor']}, threads {about['threads']}, backend {report['backend']}")
    print(f"{report['network']}, batch {report['batch_size']}, {report['rounds']} rounds")
    console.print(table)
    print(f"roofs: sgemm {rates['sgemm']:.1f} GFLOP/s, copy {rates['copy']:.1f} GB/s", end="")
    print("" if report["idle"] else "; not idle: other programs ran too")
    print(f"peer: PyTorch {peer}" if peer else "PyTorch is not installed: no peer, no ratio")
    for error in dict.fromkeys(row["error"] for row in report["layers"] if "error" in row):
        print(f"error: {error}")


def _cells(row):
    if "error" in row:
        return ["error"]
    ours, peer = row["seconds"]["tinynet"], row["seconds"].get("pytorch")
    by_arithmetic = row["roof"] == "sgemm"
    cells = [_ms(ours["median"]), f"{_ms(ours['low'])} - {_ms(ours['high'])}"]
    cells += [f"{row['gflops']:.1f}" if by_arithmetic else ""]
    cells += ["" if by_arithmetic else f"{row['gbytes']:.1f}", f"{row['share']:.0%}"]
    return cells + ([_ms(peer["median"]), f"{row['ratio']:.2f}"] if peer else [])


def _ms(seconds):
    """Milliseconds in four digits, at most three of them behind the point."""
    before_the_point = len(str(int(1e3 * seconds)))
    return f"{1e3 * seconds:,.{max(0, 4 - before_the_point)}f}"


# --- the command ----------------------------------------------------------------------------------


def main(argv=None) -> int:
    """The command; returns its exit code (alexnet/commands.py), or 1 where a layer's programs
    disagree."""
    argv = sys.argv[1:] if argv is None else argv
    if gpu_device.asked_for(argv):
        from benchmarks import gpu_layers  # which imports this module

        return gpu_layers.main(argv)
    parser = _parser()
    given = parser.parse_args(argv)
    for path in (given.json, given.plot):
        if path and not Path(path).parent.is_dir():
            parser.error(f"there is no folder {Path(path).parent} to write {path} to")
    if given.plot and not importlib.util.find_spec("matplotlib"):
        parser.error("--plot needs matplotlib: pip install matplotlib")
    title, layers, only = chosen(given, parser)
    return commands.run(lambda: _command(given, title, layers, only), "benchmarks.layers")


def chosen(given, parser):
    """(title of the network, its layers, names of those to measure) from the flags; what does not
    fit together ends the command by parser.error."""
    changes = {name: getattr(given, name) for name in CHANGES if getattr(given, name) is not None}
    try:
        published = find_spec(given.spec or "paper")
        image_size = given.image_size or published.image_size
        layers = plan(changed(published, **changes), published.num_classes, image_size)
    except ValueError as error:
        parser.error(str(error))  # exits with 2
    names = [layer.name for layer in measurable(layers)]
    only = given.only.split(",") if given.only else names
    unknown = sorted(set(only) - set(names))
    if unknown:
        parser.error(
            f"--only: no layer is called {', '.join(unknown)}; there are {' '.join(names)}"
        )
    title = f"{published.name}, {image_size} x {image_size}"
    title += "".join(f", {name} {value}" for name, value in changes.items())
    return title, layers, only


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.layers", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    options.add_network_flags(parser)
    options.add_backend_flags(parser)
    parser.add_argument("--batch-size", type=options.count, default=128, metavar="N", help="(128)")
    parser.add_argument("--rounds", type=options.count, default=5, metavar="N", help="turns (5)")
    parser.add_argument("--only", metavar="NAMES", help="of layers, as in conv2,norm1,loss,update")
    parser.add_argument("--json", metavar="FILE", help="write the figures to FILE too")
    parser.add_argument("--plot", metavar="FILE", help="draw a roofline: .png, .svg, .pdf")
    return parser


def _command(given, title, layers, only):
    threads = given.threads or machine.usable_processors()
    backend = use_machine(given.backend, threads)
    programs, peer = {"tinynet": layer_programs.tinynet_program}, None
    if importlib.util.find_spec("torch"):
        import torch

        torch.set_num_threads(threads)
        programs["pytorch"], peer = layer_programs.pytorch_program, torch.__version__
    else:
        print("PyTorch is not installed: tinynet alone", file=sys.stderr)
    report = {
        "benchmark": "layers", "machine": machine.description(threads),
        "idle": machine.wait_until_idle(), "backend": backend, "pytorch": peer, "network": title,
        "batch_size": given.batch_size, "rounds": given.rounds,
        "tolerance": layer_programs.TOLERANCE,
        "rates": {"sgemm": machine.product_rate(threads), "copy": machine.copy_rate(threads)},
    }  # fmt: skip
    rates = report["rates"]
    rows = benchmark(layers, given.batch_size, programs, given.rounds, rates, only)
    report["idle"] = report["idle"] and machine.wait_until_idle(0)
    report |= {"layers": rows, "totals": totals(rows, rates)}
    print_report(report)
    if given.json:
        machine.write_json(given.json, report)
    if given.plot:
        from benchmarks.roofline import draw

        draw(report, given.plot)
    return 1 if any("error" in row for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
