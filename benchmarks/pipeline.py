"""Whether images come fast enough: the data path, the network, and both on the same processors.

    python -m benchmarks.pipeline cifar10:FOLDER
    python -m benchmarks.pipeline jpeg --image-size 67 --init he
    python -m benchmarks.pipeline FOLDER --rounds 5 --json pipeline.json
    python -m benchmarks.pipeline jpeg --peer pytorch=/path/of/its/bin/python

DATA is what alexnet.train takes, with the same recipe and flags, or jpeg: a folder of photo-like
JPEGs, 256 x 256, that is drawn for the occasion. In each round these take turns:

    pipeline   the data path alone: --workers threads read, crop and mirror, one more normalises
    network    tinynet's training step alone, on one ready batch of float32, in its own process
    training   the loop of alexnet.train, log and all: network and data path share the processors
    pytorch    PyTorch's training step on the ready batch, in its own process

First PyTorch must compute tinynet's numbers from the pipeline's first batch (three steps without
dropout, see benchmarks.step), and the training tinynet's own first loss. The first turn of each, in
which programs compile, is not counted. A ratio compares turns of one round; the tables show the
median round and the middle 80 %.

"pipeline over network" is images/s over images/s, each with all processors to itself. At 2 a
training spends a third of the processors' time on images, at 20 a twentieth. One thread runs the
stages. Files are read again and again: they come from memory, not from the disk.
"""

import contextlib
import math
import sys
import tempfile

from rich import box
from rich.table import Table

from alexnet.cli import flags
from alexnet.cli.console import wide_console
from alexnet.cli.machine import use_machine
from alexnet.training.options import kind_of
from alexnet.training.recipes import recipe_table
from alexnet.training.run_state import Run
from benchmarks import machine, turn_taking
from benchmarks.figures.step import ratio_table, spread_words
from benchmarks.flags import add_output_flags, add_wait_flag, benchmark_parser
from benchmarks.pipeline_turns import (
    UNTIMED,
    check_training,
    describe,
    pipeline_turn,
    prepare,
    stages_turn,
    training_turn,
    write_ready_batch,
)
from benchmarks.programs.process import add_peer_flag, installed, run_command, say
from benchmarks.programs.protocol import use_processors

TURN = 5.0  # seconds that the steps of a turn take together, at least two steps
PIPELINE_TURN = 2.0


# --- measuring ------------------------------------------------------------------------------------


def measure(run: Run, running, failed, rounds, steps) -> dict[str, list[dict]]:
    """{name: [{"seconds": of a batch, ...} of each round]}: pipeline, training, network, stages,
    and pytorch where it runs. If it ends, the reason goes to failed and it is left out."""

    def program_turn(program):
        answers = turn_taking.turn(program, "training", steps)
        return {"seconds": sum(answer["seconds"] for answer in answers) / steps}

    turns = {
        "pipeline": lambda: {"seconds": pipeline_turn(run, PIPELINE_TURN)},
        "training": lambda: training_turn(run, steps),
        "network": lambda: program_turn(running["tinynet"]),
        "stages": lambda: stages_turn(run),
    }
    if "pytorch" in running:
        turns["pytorch"] = lambda: program_turn(running["pytorch"])
    say("the first turn of each, not counted ...")
    training_turn(run, steps)
    *_, measured = turn_taking.take_turns(turns, failed, rounds, turn_taking.PAUSE)
    return measured


def figures(measured, batch_size) -> dict:
    """{"images_per_second", "stages", "waiting", "ratios"} of measured turns, each figure a spread
    (median, low, high) over rounds."""
    seconds = {
        name: [turn["seconds"] for turn in turns]
        for name, turns in measured.items()
        if name != "stages"
    }
    pairs = [("pipeline", "network"), ("training", "network")]
    pairs += [("training", "pytorch")] if "pytorch" in seconds else []
    return {
        "images_per_second": {
            name: machine.spread(batch_size / each for each in times)
            for name, times in seconds.items()
        },
        "stages": {
            stage: machine.spread(batch_size / turn[stage] for turn in measured["stages"])
            for stage in measured["stages"][0]
        },
        "waiting": machine.spread(t["waited"] / t["seconds"] for t in measured["training"]),
        "ratios": {
            f"{ours} over {theirs}": machine.spread(
                b / a for a, b in zip(seconds[ours], seconds[theirs], strict=True)
            )
            for ours, theirs in pairs
        },
    }


def print_report(report) -> None:
    """The table of speeds, the table of ratios, and the programs that are left out."""
    options = report["options"]
    what = {
        "read": "read, decode, resize; one thread",
        "crop": "border, crop, mirror; one thread",
        "normalise": "normalise; one thread",
        "pipeline": f"pipeline alone; {options['workers']} workers",
        "network": "network alone, ready batch",
        "training": f"training with the pipeline; waiting {report['waiting'][0]:.1%}",
        "pytorch": "pytorch, ready batch",
    }
    table = Table(
        "", "images/s", box=box.SIMPLE,
        title=f"{report['data']}\n{report['network']}{'' if report['idle'] else ', NOT IDLE'}",
        caption=f"medians (middle 80 %) of {options['rounds']} rounds; "
        f"{machine.words(report['machine'])}",
    )  # fmt: skip
    for name, speed in (report["stages"] | report["images_per_second"]).items():
        table.add_row(what[name], spread_words(speed, 0 if speed[0] >= 1000 else 1))
    console = wide_console()
    console.print(table)
    console.print(ratio_table(report["ratios"]))
    for name, why in report["failed"].items():
        print(f"{name} is left out: {why.splitlines()[0]}")


# --- the command ----------------------------------------------------------------------------------


def _parser():
    parser = benchmark_parser("pipeline", __doc__, epilog=recipe_table())
    group = parser.add_argument_group("work")
    group.add_argument(
        "data", nargs="?", type=flags.data, default="jpeg", metavar="DATA",
        help="cifar10:FOLDER, FOLDER, synthetic, or jpeg: drawn into a temporary folder (jpeg)",
    )  # fmt: skip
    group.add_argument("--batch-size", type=flags.count, metavar="N", help="images (by data)")
    group.add_argument("--augment", choices=("none", "crop"), help="(by data)")
    group.add_argument("--rounds", type=flags.count, default=3, metavar="N", help="(3)")
    group.add_argument(
        "--steps-a-turn", type=flags.count, metavar="N",
        help=f"measured steps of a program in a round (what takes {TURN:g} s, at least 2)",
    )  # fmt: skip
    add_peer_flag(group)
    flags.add_network_flags(parser.add_argument_group("network (by data)"))
    group = parser.add_argument_group("machine")
    flags.add_machine_flags(group)
    add_wait_flag(group)
    add_output_flags(group)
    return parser


def main(argv=None) -> int:
    """The command; returns its exit code (alexnet/cli/ending.py), 1 where tinynet itself ended or
    its programs disagree."""
    args = _parser().parse_args(argv)
    args.threads = args.threads or machine.usable_processors()

    def command():
        use_processors(args.threads)  # the same that the programs use; the workers inherit them
        with tempfile.TemporaryDirectory() as folder:
            report = _run(args, folder)
        print_report(report)
        if args.json:
            machine.write_json(args.json, report)
        return 0

    return run_command(command, "pipeline")


def _run(args, folder):
    """The whole report, as it goes to --json."""
    args.backend = use_machine(args.backend, args.threads)
    kind = "jpeg" if args.data == "jpeg" else kind_of(args.data)
    run = prepare(args, folder)
    names = installed(["pytorch"], dict(args.peer))
    idle = machine.wait_until_idle(args.wait)
    images, labels = write_ready_batch(run, folder, args.threads)
    with contextlib.ExitStack() as stack:
        work = {"folder": folder, "threads": args.threads, "backend": args.backend}
        running, failed = turn_taking.start(names, stack, **work)
        apart = turn_taking.check(running, failed, "training")
        check_training(run, running["tinynet"], images, labels)
        steps = args.steps_a_turn
        if steps is None:
            steps = math.ceil(
                TURN / turn_taking.turn(running["tinynet"], "training", 1)[0]["seconds"]
            )
        # A turn's steps lie in one epoch.
        steps = min(max(steps, 2), len(run.batches) - UNTIMED)
        measured = measure(run, running, failed, args.rounds, steps)
        versions = {name: program.versions for name, program in running.items()}
        about = running["tinynet"].about
    decided = run.options
    changes = "".join(f", {n} {v}" for n, v in decided.changes().items() if v not in (None, 1.0))
    return {
        "benchmark": "pipeline",
        "machine": about or machine.description(args.threads),
        "idle": machine.wait_until_idle(0) and idle,
        "options": {
            "data": kind, "spec": decided.spec, "image_size": decided.image_size,
            "changes": decided.changes(), "batch_size": decided.batch_size,
            "augment": decided.augment, "rounds": args.rounds, "steps_a_turn": steps,
            "backend": args.backend, "threads": args.threads, "workers": decided.workers,
        },
        "data": describe(run, kind),
        "network": f"{decided.spec}{changes}, {decided.image_size} x {decided.image_size}, batch "
        f"{decided.batch_size}, augment {decided.augment}",
        "versions": versions,
        "apart": apart,
        "failed": failed,
        **figures(measured, decided.batch_size),
        "turns": measured,
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
