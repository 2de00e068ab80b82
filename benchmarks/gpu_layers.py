"""Every layer of a network on a GPU, forward and backward: its time, and how near it comes to the
device's best.

    python -m benchmarks.layers --backend cupy
    python -m benchmarks.layers --backend cupy --only conv2,norm1 --json layers.json

A convolution or a fully connected layer is bound by arithmetic: its GFLOP/s, as a share of the rate
of a large matrix product in the same precision. The others are bound by memory: GB/s, of the bytes
that must move, as a share of the rate of a copy on the device, bytes read plus bytes written. Both
rates are measured first, through tinynet's library and through PyTorch's; the faster one counts.
benchmarks/layer_work.py says what is counted of a layer.

Each layer is run by itself on normal numbers, through the public layers of tinynet, as are the loss
and the update of all weights; PyTorch computes the same on the same device. First output and
gradients are compared. Then the two take turns: a pass goes through several copies of the layer's
arrays, together at least four times the L2 cache, where 64 copies are as many; the backward follows
when the forward has gone through all. The device is given large matrix products first, so that the
processor has queued a whole pass before it begins: times are the device's own, between events,
without gaps for launches. What launches cost is seen in benchmarks.step. A time with an asterisk
has gaps, because something in the layer waits for the device.

--precision tf32 measures convolutions and fully connected layers alone: the others do not differ.
"""

import argparse
import statistics
import sys
from pathlib import Path

from rich.console import Console

from alexnet.cli import ending as commands
from alexnet.cli import flags as options
from benchmarks import (
    gpu_device,
    gpu_facts,
    gpu_layer_programs,
    gpu_tables,
    layer_programs,
    layers,
    machine,
)
from benchmarks.gpu_device import seconds
from benchmarks.layer_work import work
from tinynet.gpu import PRECISIONS

MOST_TRIES = 4  # passes of a round, each behind twice as many products as the one before


# --- measuring ------------------------------------------------------------------------------------


class Passes:
    """A layer's program on its device, ready to be timed.

    directions  {"forward": function, "backward": function}, or {"update": function}
    """

    def __init__(self, layer, program, device, product_rate):
        self.program, self.device = program, device
        if layer.kind == "SGD":
            self.directions = {"update": program.forward}
        else:
            self.directions = {"forward": self._forward, "backward": self._backward}
        program.forget()
        seconds(device, *self.directions.values())  # compiles, and takes memory from the device
        program.forget()
        host_seconds = seconds(device, *self.directions.values()).host_seconds
        self._behind = gpu_device.products_lasting(device, 2 * host_seconds, product_rate)

    def once(self) -> tuple[dict, bool]:
        """({direction: seconds of one copy}, whether the device never waited for the processor)."""
        for _ in range(MOST_TRIES):
            self.program.forget()
            timed = seconds(self.device, *self.directions.values(), behind=self._behind)
            if timed.device_bound:
                break
            self._behind *= 2
        each = [total / len(self.program.copies) for total in timed.seconds]
        return dict(zip(self.directions, each, strict=True)), timed.device_bound

    def _forward(self):
        self._ys = self.program.forward()

    def _backward(self):
        self.program.backward(self._ys)
        self._ys = None


def measure(layer, given, programs, rounds, needs_dx, precision, cache_bytes, product_rate):
    """({program: {direction: [[seconds] of each round]}}, whether the device never waited).

    given     of layer_programs.draw
    programs  {name: (function of gpu_layer_programs, device)}, tinynet alone or two
    Raises OtherNumbers where two programs compute different numbers.
    """
    count = gpu_layer_programs.copies_for(given, cache_bytes)
    made = {
        name: (program(layer, given, count, needs_dx), device)
        for name, (program, device) in programs.items()
    }
    if len(made) == 2:
        results = [program.results() for program, _ in made.values()]
        gpu_layer_programs.check_equal(layer, given, *results, precision)
        del results
    passes = {name: Passes(layer, *pair, product_rate) for name, pair in made.items()}
    measured = {name: {what: [] for what in ready.directions} for name, ready in passes.items()}
    device_bound = True
    for number in range(rounds):
        for name in list(passes)[:: -1 if number % 2 else 1]:
            times, never_waited = passes[name].once()
            device_bound = device_bound and never_waited
            for what, time in times.items():
                measured[name][what].append([time])
    return measured, device_bound


def rows_of(layer, batch_size, programs, rounds, needs_dx, precision, rates, cache_bytes):
    """The report's rows of one layer in one precision, one for each direction; with an error and
    without figures where its programs disagree or fail.

    rates  {"sgemm": GFLOP/s of this precision, "copy": GB/s}
    """
    todo = work(layer, batch_size, needs_dx)
    given = layer_programs.draw(layer, batch_size)
    try:
        measured, device_bound = measure(
            layer, given, programs, rounds, needs_dx, precision, cache_bytes, rates["sgemm"] * 1e9
        )
    except (layer_programs.OtherNumbers, RuntimeError) as error:  # RuntimeError: CUDA's, PyTorch's
        print(f"{layer.name}: {error}", file=sys.stderr)
        return [
            {"layer": layer.name, "kind": layer.kind, "direction": what, "precision": precision}
            | {"error": str(error)}
            for what in todo
        ]
    more = {"precision": precision, "device_bound": device_bound}
    return [row | more for row in layers.rows_of(layer, todo, measured, rates)]


# --- the command ----------------------------------------------------------------------------------


def parser() -> argparse.ArgumentParser:
    """That of the command."""
    flags = argparse.ArgumentParser(
        prog="python -m benchmarks.layers --backend cupy", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    options.add_network_flags(flags)
    flags.add_argument("--backend", choices=("cupy", "auto"), help="another one: another page")
    flags.add_argument("--batch-size", type=options.count, default=128, metavar="N", help="(128)")
    flags.add_argument(
        "--precision", choices=PRECISIONS, nargs="+", default=list(PRECISIONS), help="(both)"
    )
    flags.add_argument("--rounds", type=options.count, default=7, metavar="N", help="turns (7)")
    flags.add_argument("--only", metavar="NAMES", help="of layers, as in conv2,norm1,loss,update")
    flags.add_argument("--json", metavar="FILE", help="write the figures to FILE too, as they come")
    return flags


def main(argv=None) -> int:
    """The command; returns its exit code (alexnet/commands.py), or 1 where a layer has an error."""
    flags = parser()
    given = flags.parse_args(argv)
    if given.json and not Path(given.json).parent.is_dir():
        flags.error(f"there is no folder {Path(given.json).parent} to write {given.json} to")
    title, rows, only = layers.chosen(given, flags)

    def command():
        cupy, torch = gpu_device.open_devices()
        programs = {"tinynet": (gpu_layer_programs.tinynet_program, cupy)}
        if torch:
            programs["pytorch"] = (gpu_layer_programs.pytorch_program, torch)
        about = gpu_facts.description(sys.modules["torch"] if torch else None)
        return benchmark(given, title, rows, only, programs, about)

    return commands.run(command, "benchmarks.layers")


def benchmark(given, title, rows, only, programs, about) -> int:
    """Measure, print, and write to --json after each layer; returns the exit code.

    rows      the plan's
    only      names of layers
    programs  as measure takes them
    about     of the machine; its l2_bytes counts
    """
    devices = [device for _, device in programs.values()]
    rates = {"sgemm": {}, "copy": gpu_device.copy_rate(devices) / 1e9}
    report = {
        "benchmark": "layers", "backend": "cupy", "machine": about, "network": title,
        "batch_size": given.batch_size, "rounds": given.rounds,
        "tolerances": gpu_layer_programs.TOLERANCES, "rates": rates, "layers": [],
    }  # fmt: skip
    for precision in given.precision:
        for device in devices:
            device.set_precision(precision)
        rates["sgemm"][precision] = gpu_device.product_rate(devices) / 1e9
        mine = {"sgemm": rates["sgemm"][precision], "copy": rates["copy"]}
        for layer in layers.measurable(rows):
            by_arithmetic = layer.kind in layers.PRODUCTS
            if layer.name not in only or (precision != "float32" and not by_arithmetic):
                continue
            print(f"{layer.name}, {precision} ...", file=sys.stderr, flush=True)
            report["layers"] += rows_of(
                layer, given.batch_size, programs, given.rounds, layer != rows[0], precision, mine,
                about["l2_bytes"],
            )  # fmt: skip
            for device in devices:
                device.release()
            if given.json:  # what is measured stays, whatever ends the rest
                machine.write_json(given.json, report)
    report["least_share"] = least_share(report["layers"])
    if given.json:
        machine.write_json(given.json, report)
    console = Console()
    console.width = max(console.width, 120)  # less would cut figures short; a pipe claims 80
    console.print(gpu_tables.layer_table(report))
    for error in dict.fromkeys(row["error"] for row in report["layers"] if "error" in row):
        print(f"error: {error}")
    return 1 if any("error" in row for row in report["layers"]) else 0


def least_share(rows) -> dict | None:
    """Among the layers that only move bytes, the one furthest from the copy rate, and the median
    of all: {"layer", "direction", "share", "median"}."""
    moving = [row for row in rows if row.get("roof") == "copy"]
    if not moving:
        return None
    least = min(moving, key=lambda row: row["share"])
    median = statistics.median(row["share"] for row in moving)
    return {name: least[name] for name in ("layer", "direction", "share")} | {"median": median}
