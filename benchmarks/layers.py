"""Every layer of a network, forward and backward: its time, and how near it comes to the machine.

    python -m benchmarks.layers --threads 2 --json layers.json --plot roofline.png
    python -m benchmarks.layers --only conv2,norm1
    python -m benchmarks.layers --spec single-tower --norm none --image-size 115
    python -m benchmarks.layers --backend cupy --json layers.json

A convolution or a fully connected layer is bound by arithmetic: GFLOP/s, as a share of the rate of
sgemm. The others are bound by memory: GB/s, of the bytes that must move, as a share of the rate of
a copy. Both roofs are measured first, with the same threads, on a GPU through both libraries in the
same precision. benchmarks/work.py has the counts. Winograd's convolutions need fewer products than
are counted and may exceed 100 %.

Each layer runs by itself on normal numbers, through the public layers of tinynet; so do the loss
and the update of all weights. Each backward follows a fresh forward, whose time is left out. An
installed PyTorch computes the same layer from the same numbers; first its output and its gradients
are compared with ours. Then the two take turns, each with an untimed run first; the ratio is our
time over PyTorch's, by rounds, the median. Threads of OpenMP, which the two share, sleep while they
wait.

On a processor every run uses the same arrays: small ones may stay in a cache from run to run, and
their share of the copy rate can exceed 100 %. On a GPU a run goes through copies of the arrays,
together four times the L2 cache, behind large products, so that the processor has queued it whole
before it begins: times are the GPU's own, between events. A time with an asterisk has gaps, since
something in the layer waits for the GPU. --precision tf32 measures products alone; the other layers
do not depend on it.
"""

import argparse
import importlib
import importlib.util
import itertools
import operator
import sys
import time

import tinynet as tn
from alexnet.cli import ending, flags
from alexnet.cli.console import wide_console
from alexnet.cli.machine import use_machine
from benchmarks import clocks, machine
from benchmarks.clocks import CupyClock, HostClock, TorchClock, alternating
from benchmarks.figures.layers import PRODUCTS, empty_row, layer_table, roof, rows_of, totals
from benchmarks.flags import (
    add_output_flags,
    add_precisions_flag,
    add_wait_flag,
    benchmark_parser,
    chosen_network,
    names_among,
    precisions_for,
)
from benchmarks.programs.agreement import LAYER_TOLERANCES, OtherNumbers, check_equal
from benchmarks.programs.layer import LayerProgram, PyTorch, Tinynet, copies_for, draw
from benchmarks.programs.process import say
from benchmarks.work import loss_and_update, work

TURN = 0.1  # seconds that a turn's runs take together, at most MOST_RUNS, at least one run
MOST_RUNS = 30
PAUSE = 0.05  # seconds between turns, in which threads that busy-wait for work go to sleep
MOST_BEHIND = 32  # products before a run on a GPU: twice as many until it never waits


# --- measuring ------------------------------------------------------------------------------------


class Passes:
    """A layer's program with its clock, ready to be timed.

    directions    {"forward": function, "backward": function}, or {"update": function}
    runs          that a turn takes
    device_bound  whether a GPU never waited for the processor so far
    """

    def __init__(self, layer, program, clock):
        self.program, self.clock, self.device_bound = program, clock, True
        if layer.kind == "SGD":
            self.directions = {"update": program.forward}
        else:
            self.directions = {"forward": self._forward, "backward": self._backward}
        for _ in range(2):  # the first compiles, and takes memory
            program.forget()
            timed = clocks.seconds(clock, *self.directions.values())
        self._behind = int(clock.asynchronous)
        turn = 0 if clock.asynchronous else TURN / timed.host_seconds
        self.runs = max(1, min(MOST_RUNS, int(turn)))

    def once(self) -> dict[str, float]:
        """{direction: seconds} of one copy of the arrays."""
        while True:
            self.program.forget()
            timed = clocks.seconds(self.clock, *self.directions.values(), behind=self._behind)
            if timed.device_bound or self._behind in (0, MOST_BEHIND):
                break
            self._behind *= 2
        self.device_bound = self.device_bound and timed.device_bound
        each = [total / len(self.program.copies) for total in timed.seconds]
        return dict(zip(self.directions, each, strict=True))

    def _forward(self):
        self._ys = self.program.forward()

    def _backward(self):
        self.program.backward(self._ys)
        self._ys = None


def measure(layer, batch_size, programs, rounds, needs_dx, precision="float32"):
    """After each round ({program: {direction: [[seconds of each run] of each round so far]}},
    whether a GPU never waited).

    programs  {name: (framework from programs/layer.py, clock)}, tinynet alone or two
    Raises OtherNumbers where two programs compute different numbers.
    """
    arrays = draw(layer, batch_size)
    count = copies_for(arrays, programs["tinynet"][1].cache_bytes)
    passes = {
        name: Passes(layer, LayerProgram(framework, layer, arrays, count, needs_dx), clock)
        for name, (framework, clock) in programs.items()
    }
    if len(passes) == 2:
        results = [each.program.results() for each in passes.values()]
        check_equal(layer, arrays, *results, precision)
        del results
    measured = {name: {what: [] for what in each.directions} for name, each in passes.items()}
    for _, pairs in itertools.groupby(alternating(passes, rounds), operator.itemgetter(0)):
        for _, name in pairs:
            if not passes[name].clock.asynchronous:
                time.sleep(PAUSE)
            passes[name].once()
            turn = [passes[name].once() for _ in range(passes[name].runs)]
            for what, every_round in measured[name].items():
                every_round.append([seconds[what] for seconds in turn])
        yield measured, all(each.device_bound for each in passes.values())


def benchmark(layer, batch_size, programs, rounds, rates, needs_dx, precision="float32"):
    """After each round the rows of a layer. Where its programs disagree or fail, its last rows have
    an error and no figures."""
    say(f"{layer.name}, {precision} ...")
    todo = work(layer, batch_size, needs_dx)
    try:
        for number, (measured, device_bound) in enumerate(
            measure(layer, batch_size, programs, rounds, needs_dx, precision), start=1
        ):
            more = {"device_bound": device_bound, "rounds_measured": number}
            yield [row | more for row in rows_of(layer, todo, measured, rates, precision)]
    except (OtherNumbers, RuntimeError) as error:  # RuntimeError: a GPU's
        say(f"{layer.name}: {error}")
        rows = [empty_row(layer, what, todo[what], precision) for what in todo]
        yield [row | {"error": str(error)} for row in rows]
    for _, clock in programs.values():
        clock.release()


def measurable(layers):
    """The layers, the loss and the update, without flatten, a view that moves nothing."""
    return [layer for layer in layers + loss_and_update(layers) if layer.kind != "Flatten"]


def chosen(layers, only, precision):
    """Those of measurable() that are named in only; other than float32 the products alone."""
    layers = [layer for layer in measurable(layers) if layer.name in only]
    return [layer for layer in layers if precision == "float32" or layer.kind in PRODUCTS]


# --- the command ----------------------------------------------------------------------------------


def _parser():
    parser = benchmark_parser("layers", __doc__)
    flags.add_network_flags(parser)
    flags.add_backend_flags(parser)
    parser.add_argument("--batch-size", type=flags.count, default=128, metavar="N", help="(128)")
    parser.add_argument("--rounds", type=flags.count, metavar="N", help="turns (5; on a GPU 7)")
    add_precisions_flag(parser)
    parser.add_argument("--only", metavar="NAMES", help="of layers, as in conv2,norm1,loss,update")
    add_wait_flag(parser)
    add_output_flags(parser, "a roofline", needs=("matplotlib", "adjustText"))
    return parser


def main(argv=None) -> int:
    """The command; returns its exit code (alexnet/cli/ending.py), 1 where a layer has an error."""
    parser = _parser()
    args = parser.parse_args(argv)
    network = chosen_network(args, parser)
    if args.plot and "float32" not in (args.precision or ["float32"]):
        parser.error("--plot draws float32, which --precision leaves out")
    names = [layer.name for layer in measurable(network.layers)]
    try:
        only = names if args.only is None else names_among(names)(args.only)
    except argparse.ArgumentTypeError as error:
        parser.error(f"--only: {error}")  # exits with 2
    return ending.run(lambda: _command(args, network, only), "benchmarks.layers")


def _command(args, network, only):
    threads = args.threads or machine.usable_processors()
    backend = use_machine(args.backend, threads)
    on_gpu = tn.get_backend().asynchronous
    precisions = precisions_for(args.precision, on_gpu)
    clock = CupyClock() if on_gpu else HostClock(threads)
    programs = {"tinynet": (Tinynet(), clock)}
    torch = importlib.import_module("torch") if importlib.util.find_spec("torch") else None
    if torch is None:
        say("PyTorch is not installed: tinynet alone")
    elif not on_gpu:
        torch.set_num_threads(threads)
        programs["pytorch"] = PyTorch("cpu"), clock
    elif torch.cuda.is_available():
        programs["pytorch"] = PyTorch("cuda"), TorchClock()
    else:
        say("PyTorch reaches no GPU: tinynet alone")
    rates = {}
    report = {
        "benchmark": "layers",
        "machine": machine.gpu_description() if on_gpu else machine.description(threads),
        "idle": machine.wait_until_idle(0 if on_gpu else args.wait), "backend": backend,
        "pytorch": torch.__version__ if "pytorch" in programs else None, "network": network.title,
        "batch_size": args.batch_size, "rounds": args.rounds or (7 if on_gpu else 5),
        "complete": False, "tolerances": LAYER_TOLERANCES, "rates": rates, "layers": [],
    }  # fmt: skip
    for precision in precisions:
        _measure_roofs(rates, precision, {clock for _, clock in programs.values()})
        for layer in chosen(network.layers, only, precision):
            done, needs_dx = report["layers"], layer != network.layers[0]
            how = args.batch_size, programs, report["rounds"], rates, needs_dx, precision
            for rows in benchmark(layer, *how):
                report["layers"] = done + rows
                if args.json:  # now, so that the end of this command does not lose them
                    machine.write_json(args.json, report)
    report["complete"] = True
    report["idle"] = report["idle"] and machine.wait_until_idle(0)
    report["totals"] = totals(report["layers"], rates)
    if args.json:
        machine.write_json(args.json, report)
    wide_console().print(layer_table(report))
    for error in dict.fromkeys(row["error"] for row in report["layers"] if "error" in row):
        print(f"error: {error}")
    if args.plot:
        from benchmarks.figures.roofline import draw

        draw(report, args.plot)
    return 1 if any("error" in row for row in report["layers"]) else 0


def _measure_roofs(rates, precision, each):
    """Add the best "sgemm" of all clocks in this precision, and the best "copy", to the rates."""
    for clock in each:
        clock.set_precision(precision)
    rates[roof(precision)] = max(map(clocks.product_rate, each)) / 1e9
    if "copy" not in rates:  # it does not depend on the precision
        rates["copy"] = max(map(clocks.copy_rate, each)) / 1e9


if __name__ == "__main__":
    sys.exit(main())
