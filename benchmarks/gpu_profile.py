"""Which kernels a training step runs on a GPU, and for how long: tinynet and PyTorch, eager.

    python -m benchmarks.gpu_profile --json profile.json

torch.profiler records all kernels of a process, CuPy's and cuBLAS's too, so both programs run in
this one. They get the network, weights and batch of benchmarks.step. First three steps are timed
without the profiler, which also compile what the step needs; then one step is recorded, kernel by
kernel. Copies and fills of memory count as kernels. "share" is of the time of all kernels; where
that is well below the time of a step, the GPU waits for the processor.

The figures are written after each program and precision. One that fails has an error in the place
of figures, and the others go on.
"""

import importlib.util
import statistics
import sys
import tempfile
import traceback
from functools import partial

from rich import box
from rich.table import Table

from alexnet.cli import ending, flags
from alexnet.cli.console import wide_console
from alexnet.cli.machine import use_machine
from alexnet.errors import UsageError
from benchmarks import machine
from benchmarks.flags import (
    add_output_flags,
    add_precisions_flag,
    benchmark_parser,
    chosen_network,
    precisions_for,
)
from benchmarks.programs import protocol
from benchmarks.programs.process import say
from benchmarks.programs.pytorch import PyTorch
from benchmarks.programs.tinynet import Tinynet
from benchmarks.programs.workload import write_workload

TIMED_STEPS = 3
SHOWN, NAME = 15, 60  # rows of a table, characters of a kernel's name


def kernels(clock, run) -> list[dict]:
    """The kernels that run() runs on the GPU, by torch.profiler: [{"name", "count", "seconds"}],
    the longest together first."""
    import torch

    clock.synchronize()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        run()
        clock.synchronize()
    return by_name(profile.events())


def by_name(events) -> list[dict]:
    """Sums of a profile's events on the device, as kernels() returns them."""
    sums = {}
    for event in events:
        # An annotation of the user's covers the kernels inside it, which are events themselves.
        if event.device_type.name == "CUDA" and not event.is_user_annotation:
            row = sums.setdefault(event.name, {"name": event.name, "count": 0, "seconds": 0.0})
            row["count"] += 1
            row["seconds"] += event.time_range.elapsed_us() / 1e6
    return sorted(sums.values(), key=lambda row: -row["seconds"])


def profile(program, batch_size, precision) -> dict:
    """{"seconds": of a step without the profiler, "kernel_seconds": of all its kernels together,
    "kernels": from kernels()}. Raises RuntimeError where the profiler sees no kernel."""
    program.use(batch_size, precision)
    program.restart(dropout=True)
    steps = protocol.turn(program, "training", TIMED_STEPS)
    rows = kernels(program.clock, program.step)
    if not rows:
        raise RuntimeError("torch.profiler saw no kernel")
    return {
        "seconds": statistics.median(step["seconds"] for step in steps),
        "kernel_seconds": sum(row["seconds"] for row in rows),
        "kernels": rows,
    }


# --- the command ----------------------------------------------------------------------------------


def _parser():
    parser = benchmark_parser("gpu_profile", __doc__)
    flags.add_network_flags(parser)
    parser.add_argument("--batch-size", type=flags.count, default=128, metavar="N", help="(128)")
    add_precisions_flag(parser)
    add_output_flags(parser)
    return parser


def main(argv=None) -> int:
    """The command; returns its exit code (alexnet/cli/ending.py), 1 where a program failed."""
    parser = _parser()
    args = parser.parse_args(argv)
    network = chosen_network(args, parser)
    return ending.run(lambda: _command(args, network), "benchmarks.gpu_profile")


def _command(args, network):
    if not importlib.util.find_spec("torch"):
        raise UsageError("the profiler is PyTorch's, which is not installed: pip install torch")
    use_machine("cupy", None)
    report = {
        "benchmark": "gpu_profile", "machine": machine.gpu_description(),
        "network": network.title, "batch_size": args.batch_size, "steps": [],
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        say("drawing weights and images ...")
        threads = machine.usable_processors()
        write_workload(folder, network.row, args.batch_size, threads, image_size=network.image_size)
        for name, program, device in (("tinynet", Tinynet, "cupy"), ("pytorch", PyTorch, "cuda")):
            for step in _steps(name, partial(program, folder, device), args):
                report["steps"].append(step)
                if args.json:  # now, so that the next program does not lose it
                    machine.write_json(args.json, report)
    return 1 if any("error" in step for step in report["steps"]) else 0


def _steps(name, make, args):
    """The profile of a program in each precision, printed as it comes. make: starts the program"""
    program = None
    for precision in precisions_for(args.precision, on_gpu=True):
        say(f"{name}, {precision} ...")
        step = {"program": name, "precision": precision}
        try:
            program = program or make()
            step |= profile(program, args.batch_size, precision)
            wide_console().print(table(step))
        except Exception as error:  # of whatever kind: the other programs go on
            traceback.print_exception(error)
            step["error"] = f"{type(error).__name__}: {error}"
        yield step


def table(step: dict) -> Table:
    """The kernels that take the most time of a step of profile()."""
    table = Table(
        title=f"{step['program']}, {step['precision']}: a step of {1e3 * step['seconds']:.2f} ms, "
        f"its kernels together {1e3 * step['kernel_seconds']:.2f} ms",
        box=box.SIMPLE,
    )
    table.add_column("kernel", no_wrap=True)
    for heading in ("count", "µs", "share"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in step["kernels"][:SHOWN]:
        share = row["seconds"] / step["kernel_seconds"]
        name = row["name"][:NAME]
        table.add_row(name, str(row["count"]), f"{1e6 * row['seconds']:,.1f}", f"{share:.1%}")
    return table


if __name__ == "__main__":
    sys.exit(main())
