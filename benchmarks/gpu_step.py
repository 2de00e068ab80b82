"""A whole training step on a GPU: tinynet's cupy backend beside PyTorch on the same device.

    python -m benchmarks.step --backend cupy
    python -m benchmarks.step --backend cupy --batch-size 128 512 --json step.json
    python -m benchmarks.step --backend cupy --groups 1 --norm none --precision tf32

A step is forward, mean softmax cross-entropy, backward, and SGD with momentum 0.9 and weight decay
5e-4, with the spec's dropout; the batch lies on the device. tinynet-captured replays the step as a
CUDA graph. PyTorch chooses its convolutions by trial (cudnn.benchmark) and updates by its fused
SGD; compiled is torch.compile of forward and loss in its default mode, channels-last the order of
images and weights that PyTorch prefers. precision float32 computes all products in float32, tf32
lets both libraries round what goes into them to 10 bits.

All programs run in one process. First each must compute tinynet's numbers: the losses of three
steps without dropout, how far each parameter moved in them and how much longer each weight became.
Then they take turns, each some steps between two device events, with nothing in them that waits
for the device; the device rests between turns. A ratio is that of one round; what is shown is the
median round and the middle 80 %.

"of sgemm" is the share of the rate of a large matrix product in the same precision, that of the
faster library, measured in every round: 2 FLOP for each multiply-add of the forward pass and 4 for
the backward's, 2 in the first convolution. "host ms" is what the processor takes to queue a step:
where it is the step's time, the device waits for it. "memory" is the most that a program's arrays
take at a time, in the library's own count.
"""

import argparse
import gc
import statistics
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from alexnet.cli import ending as commands
from alexnet.cli import flags as options
from alexnet.network.specs import find_spec
from benchmarks import gpu_device, gpu_facts, gpu_programs, gpu_tables, machine
from benchmarks.gpu_figures import bounds_for, figures, ratios
from benchmarks.gpu_turns import measure, say, start
from benchmarks.programs import ProgramError, write_work
from benchmarks.step_figures import flop_per_image
from tinynet.gpu import PRECISIONS

CHANGES = ("activation", "norm", "pool", "dropout", "groups", "width", "init")


# --- the command ----------------------------------------------------------------------------------


def parser() -> argparse.ArgumentParser:
    """That of the command."""
    flags = argparse.ArgumentParser(
        prog="python -m benchmarks.step --backend cupy", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    group = flags.add_argument_group("what is measured")
    group.add_argument(
        "--batch-size", type=options.count, nargs="+", default=[128], metavar="N", help="(128)"
    )
    group.add_argument(
        "--precision", choices=PRECISIONS, nargs="+", default=list(PRECISIONS), help="(both)"
    )
    group.add_argument("--rounds", type=options.count, default=6, metavar="N", help="(6)")
    group.add_argument(
        "--steps-a-turn", type=options.count, default=10, metavar="N",
        help="measured steps of each program in a round (10)",
    )  # fmt: skip
    group.add_argument(
        "--only", type=_program_names, metavar="NAMES", default=list(gpu_programs.PROGRAMS),
        help=f"these, with commas between: {', '.join(gpu_programs.PROGRAMS)} (all)",
    )  # fmt: skip
    options.add_network_flags(flags.add_argument_group("network (paper)"))
    group = flags.add_argument_group("machine")
    group.add_argument("--backend", choices=("cupy", "auto"), help="another one: another page")
    group.add_argument("--json", metavar="FILE", help="write all figures to FILE too, as they come")
    return flags


def _program_names(text):
    names = text.split(",")
    unknown = [name for name in names if name not in gpu_programs.PROGRAMS]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"{unknown[0]!r} is none of {', '.join(gpu_programs.PROGRAMS)}"
        )
    return names


def main(argv=None) -> int:
    """The command; returns its exit code (alexnet/commands.py), 1 where a program was left out."""
    flags = parser()
    given = flags.parse_args(argv)
    if given.json and not Path(given.json).parent.is_dir():
        flags.error(f"there is no folder {Path(given.json).parent} to write {given.json} to")
    given.spec = given.spec or "paper"
    given.image_size = given.image_size or find_spec(given.spec).image_size

    def command():
        cupy, torch = gpu_device.open_devices()
        about = gpu_facts.description(sys.modules["torch"] if torch else None)
        names = [name for name in gpu_programs.PROGRAMS if name in ("tinynet", *given.only)]
        programs = {name: gpu_programs.PROGRAMS[name] for name in names}
        devices = {name: cupy if name.startswith("tinynet") else torch for name in names}
        if torch is None:
            programs = {name: make for name, make in programs.items() if devices[name]}
        try:
            return benchmark(given, programs, devices, about)
        except ValueError as error:  # a network that cannot be
            flags.error(str(error))

    return commands.run(command, "benchmarks.step")


def benchmark(given, programs, devices, about) -> int:
    """Measure what was asked for, print it and write it to --json; returns the exit code.

    given     the flags, all decided
    programs  {name: function of Work}, tinynet first
    devices   {name: its device}, for these programs
    about     of the machine, for the report
    """
    changes = {name: getattr(given, name) for name in CHANGES if getattr(given, name) is not None}
    report = {
        "benchmark": "step",
        "backend": "cupy",
        "machine": about,
        "options": {
            "spec": given.spec, "image_size": given.image_size, "changes": changes,
            "rounds": given.rounds, "steps_a_turn": given.steps_a_turn,
        },
        "tolerances": gpu_programs.TOLERANCES,
        "runs": [],
    }  # fmt: skip
    for batch_size in given.batch_size:
        with tempfile.TemporaryDirectory() as folder:
            say("drawing weights and images ...")
            layers = write_work(
                folder, given.spec, batch_size, 1, image_size=given.image_size, **changes
            )
            work = gpu_programs.Work(folder)
            for precision in given.precision:
                run = _run(given, work, programs, devices, precision, layers, changes)
                report["runs"].append(run)
                _print(report, run)
                if given.json:  # what is measured stays, whatever ends the rest
                    machine.write_json(given.json, report)
    return 1 if any(run["failed"] for run in report["runs"]) else 0


def _run(given, work, programs, devices, precision, layers, changes):
    """The report of one batch size and precision."""
    batch_size = len(work.labels)
    run = {"batch_size": batch_size, "precision": precision, "programs": {}, "ratios": []}
    libraries = list({id(device): device for device in map(devices.get, programs)}.values())
    for device in libraries:
        device.set_precision(precision)
    say(f"batch {batch_size}, {precision}")
    running, failed = {}, {}
    try:
        running, failed = start(work, programs, devices, precision)
        turns, rates = measure(running, failed, libraries, given.rounds, given.steps_a_turn)
    except ProgramError as error:
        return run | {"failed": failed | {"tinynet": str(error)}}
    finally:
        names = {name: _facts(program) for name, program in running.items()}
        running.clear()
        gpu_programs.forget_compiled()
        gc.collect()
        for device in libraries:
            device.release()
    flop = flop_per_image(layers, "training")
    found = figures(turns, rates, batch_size, flop)
    bounds = bounds_for(given.spec, changes, given.image_size, batch_size)
    return run | {
        "flop_per_image": flop,
        "product_flop_per_second": {"median": statistics.median(rates), "rounds": rates},
        "programs": {name: names[name] | found[name] | {"turns": turns[name]} for name in turns},
        "failed": failed,
        "ratios": ratios(turns, bounds),
    }


def _facts(program):
    return {
        "losses": program.losses, "apart": program.apart, "peak_bytes": program.peak_bytes,
    }  # fmt: skip


def _print(report, run):
    console = Console()
    console.width = max(console.width, 120)  # less would cut figures short; a pipe claims 80
    for table in gpu_tables.step_tables(report, run):
        console.print(table)
    for name, why in run["failed"].items():
        print(f"{name} is left out: {why.splitlines()[0]}")


if __name__ == "__main__":
    sys.exit(main())
