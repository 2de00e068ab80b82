"""A whole training step, or the logits of a batch: tinynet beside PyTorch, TensorFlow and JAX.

    python -m benchmarks.step
    python -m benchmarks.step --groups 1 --norm none --peer tensorflow=/path/of/its/bin/python
    python -m benchmarks.step --what inference --batch-size 1 --only tinynet,pytorch
    python -m benchmarks.step --backend cupy --help          on a GPU: benchmarks/gpu_step.py

A training step is forward, mean softmax cross-entropy, backward, and SGD with momentum 0.9 and
weight decay 5e-4, in float32, with the spec's dropout. All programs get the same network, initial
weights and batch, ready as float32; what tinynet needs to make it of uint8 images is its column
"data", not a part of the step.

Each program is a process of its own. First all must compute tinynet's numbers: the losses of three
steps without dropout, how far each parameter moved in them and how much longer each weight became,
or the logits. Then they take turns: one step to warm up, some measured ones, a pause in which its
threads fall asleep, the next program. The first turn, in which programs compile, is not counted. A
ratio is that of one round, so that a machine that changes its speed changes both; what is shown is
the median round and the middle 80 %.

"of sgemm" is the share of this machine's matrix product rate, measured in every round: 2 FLOP for
each multiply-add of the forward pass, and in training as many again for the gradient by the weights
and by the inputs, which the first convolution does not need.
"""

import argparse
import contextlib
import math
import statistics
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

import tinynet as tn
from alexnet.cli import ending as commands
from alexnet.cli import flags as options
from alexnet.network.specs import find_spec
from benchmarks import gpu_device, gpu_step, machine
from benchmarks.programs import (
    PROGRAMS,
    Program,
    ProgramError,
    check_numbers,
    find,
    parse_peer,
    write_work,
)
from benchmarks.step_figures import bounds_for, flop_per_image, ratios, summary
from benchmarks.step_tables import program_table, ratio_table

CHECKED_STEPS = 3
PAUSE = 0.3  # seconds between turns: threads that wait for work by spinning have gone to sleep
CHANGES = ("activation", "norm", "pool", "dropout", "groups", "width", "init")


# --- measuring ------------------------------------------------------------------------------------


def start(names, work, what, steps, stack) -> tuple[dict, dict, dict]:
    """({name: running Program}, {name: how far its numbers are from tinynet's}, {name: why it is
    left out}): every program that starts, computes tinynet's numbers and survives its first turn.

    names   {program: path of its Python}; tinynet is started whatever they are
    work    the arguments of Program besides: folder, threads, backend
    what    "training" or "inference"
    stack   contextlib.ExitStack that ends them
    """
    question = {"training": "numbers", "inference": "logits"}[what]
    more = {"steps": CHECKED_STEPS} if what == "training" else {}
    running, apart, failed, ours = {}, {}, {}, None
    for name, python in {"tinynet": sys.executable, **names}.items():
        say(f"{name}: starting, comparing its numbers, compiling ...")
        try:
            with contextlib.ExitStack() as until_ready:
                program = until_ready.enter_context(Program(name, python, **work))
                theirs = program.ask(question, **more)
                ours = ours or theirs
                apart[name] = check_numbers(name, ours, theirs)
                program.ask("restart")
                turn(program, what, steps)
                program.ask("forget peak")
                stack.push(until_ready.pop_all())  # from here on it ends with the others
            running[name] = program
        except ProgramError as error:
            if name == "tinynet":
                raise
            failed[name] = str(error)
            say(str(error))
        time.sleep(PAUSE)
    return running, apart, failed


def turn(program, what, steps) -> list[dict]:
    """The answers of so many measured steps, after one to warm up. Raises ProgramError, also for a
    loss that is not finite: such numbers may take another time."""
    question = {"training": "step", "inference": "infer"}[what]
    answers = [program.ask(question) for _ in range(1 + steps)]
    losses = [answer.get("loss", 0.0) for answer in answers]
    if not all(map(math.isfinite, losses)):
        raise ProgramError(f"{program.name}: its loss became {losses[-1]}; it is not compared")
    return answers[1:]


def measure(running, failed, what, rounds, steps, threads) -> tuple[dict, list[float]]:
    """({name: [turn, ...]}, [GFLOP/s of sgemm, ...]), one of each a round. A program that ends goes
    from running to failed."""
    turns, rates = {name: [] for name in running}, []
    for number in range(rounds):
        rates.append(machine.product_rate(threads))
        # Every other round goes backwards: nobody is always the one after a certain other.
        for name in list(turns)[:: -1 if number % 2 else 1]:
            time.sleep(PAUSE)
            try:
                turns[name].append(turn(running[name], what, steps))
            except ProgramError as error:
                failed[name] = str(error)
                say(str(error))
                del turns[name]
                continue
            middle = statistics.median(answer["seconds"] for answer in turns[name][-1])
            say(f"round {number + 1} of {rounds}: {name} {middle * 1e3:.1f} ms")
    if "tinynet" not in turns:
        raise ProgramError(failed["tinynet"])
    return turns, rates


def say(line) -> None:
    """A line of progress."""
    print(line, file=sys.stderr, flush=True)


# --- the command ----------------------------------------------------------------------------------


def _program_names(text):
    names = text.split(",")
    unknown = [name for name in names if name not in PROGRAMS]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(PROGRAMS)}")
    return names


def _peer(text):
    try:
        return parse_peer(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _arguments(argv):
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.step", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    group = parser.add_argument_group("what is measured")
    group.add_argument(
        "--what", choices=("training", "inference"), default="training", help="(training)"
    )
    group.add_argument("--batch-size", type=options.count, default=128, metavar="N", help="(128)")
    group.add_argument("--rounds", type=options.count, default=3, metavar="N", help="(3)")
    group.add_argument(
        "--steps-a-turn", type=options.count, metavar="N",
        help="measured steps of each program in a round (2; in inference 256 images, at least 2)",
    )  # fmt: skip
    group.add_argument(
        "--only", type=_program_names, metavar="NAMES", default=list(PROGRAMS),
        help=f"these beside tinynet, with commas between: {', '.join(PROGRAMS)} (all)",
    )  # fmt: skip
    group.add_argument(
        "--peer", type=_peer, action="append", default=[], metavar="NAME=PYTHON",
        help="pytorch, tensorflow or jax lives in the environment of this Python; without, one "
        "installed beside tinynet is used",
    )  # fmt: skip
    options.add_network_flags(parser.add_argument_group("network (paper)"))
    group = parser.add_argument_group("machine")
    options.add_backend_flags(group)
    group.add_argument(
        "--wait", type=options.not_negative, default=120, metavar="SECONDS",
        help="how long to wait for an idle machine before going on as 'not idle' (120)",
    )  # fmt: skip
    group.add_argument("--json", metavar="FILE", help="write all figures to FILE too")
    return parser, parser.parse_args(argv)


def main(argv=None) -> int:
    """The command; returns its exit code (alexnet/commands.py), 1 where tinynet itself ended."""
    argv = sys.argv[1:] if argv is None else argv
    if gpu_device.asked_for(argv):
        return gpu_step.main(argv)
    parser, given = _arguments(argv)
    if given.json and not Path(given.json).parent.is_dir():
        parser.error(f"there is no folder {Path(given.json).parent} to write {given.json} to")
    spec = given.spec or "paper"
    changes = {name: getattr(given, name) for name in CHANGES if getattr(given, name) is not None}
    given.image_size = given.image_size or find_spec(spec).image_size
    given.threads = given.threads or machine.usable_processors()
    given.steps_a_turn = given.steps_a_turn or (
        2 if given.what == "training" else max(2, 256 // given.batch_size)
    )

    def command():
        try:
            report = _run(given, spec, changes)
        except ProgramError as error:
            say(f"benchmarks.step: {error}")
            return 1
        except ValueError as error:  # a network that cannot be
            parser.error(str(error))
        _print(report)
        if given.json:
            machine.write_json(given.json, report)
        return 0

    return commands.run(command, "benchmarks.step")


def _run(given, spec, changes):
    """The whole report, as it goes to --json."""
    what, threads, steps = given.what, given.threads, given.steps_a_turn
    backend = tn.get_backend(given.backend).name
    names = find(given.only, dict(given.peer))
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        say("drawing weights and images ...")
        layers = write_work(
            folder, spec, given.batch_size, threads, image_size=given.image_size, **changes
        )
        idle = machine.wait_until_idle(given.wait)
        work = {"folder": folder, "threads": threads, "backend": backend}
        running, apart, failed = start(names, work, what, steps, stack)
        turns, rates = measure(running, failed, what, given.rounds, steps, threads)
        peaks = {name: running[name].ask("memory")["peak"] for name in turns}
        idle = machine.wait_until_idle(0) and idle
    flop = flop_per_image(layers, what)
    figures = summary(turns, rates, given.batch_size, flop)
    bounds = bounds_for(what, spec, changes, given.image_size, given.batch_size, threads)
    return {
        "benchmark": "step",
        "machine": machine.description(threads),
        "idle": idle,
        "options": {
            "what": what, "spec": spec, "image_size": given.image_size, "changes": changes,
            "batch_size": given.batch_size, "rounds": given.rounds, "steps_a_turn": steps,
            "backend": backend, "threads": threads,
        },
        "flop_per_image": flop,
        "sgemm_gflop_per_second": {"spread": machine.spread(rates), "rounds": rates},
        "programs": {
            name: {
                "versions": running[name].versions, "apart": apart[name], **figures[name],
                "peak_bytes": peaks[name], "turns": turns[name],
            }
            for name in turns
        },
        "failed": failed,
        "ratios": ratios(turns, figures, peaks, what, bounds),
    }  # fmt: skip


def _print(report):
    console = Console()
    console.width = max(console.width, 120)  # less would cut figures short; a pipe claims 80
    console.print(program_table(report))
    console.print(ratio_table(report))
    for name in report["failed"]:
        print(f"{name} is left out: see above")


if __name__ == "__main__":
    sys.exit(main())
