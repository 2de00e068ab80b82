"""A whole training step, or the logits of a batch: tinynet beside PyTorch, TensorFlow and JAX.

    python -m benchmarks.step
    python -m benchmarks.step --groups 1 --norm none --peer tensorflow=/path/of/its/bin/python
    python -m benchmarks.step --what inference --batch-size 1 --only tinynet,pytorch
    python -m benchmarks.step --backend cupy --batch-size 128 512 --json step.json

A training step is forward, mean softmax cross-entropy, backward, and SGD with momentum 0.9 and
weight decay 5e-4, in float32, with the spec's dropout. All programs get the same network, initial
weights and batch, ready as float32; the stage "data", in which tinynet on a processor makes the
float32 numbers from uint8 images, is not part of the step.

Each program is a process of its own. First all must compute tinynet's numbers: the losses of three
steps without dropout, how far each parameter moved in them and how much longer each weight became,
or the logits. Then they take turns: one step to warm up, some measured ones, a pause in which its
threads fall asleep, the next program. The first turn, in which programs compile, is not counted. A
ratio compares turns of one round, so that a machine that changes its speed changes both sides; the
tables show the median round and the middle 80 %.

With --backend cupy all programs run on the same GPU, with the batch on the device: tinynet, in
training also with its step recorded as a CUDA graph, and PyTorch, which chooses its convolutions by
trial (cudnn.benchmark), eager and compiled, in both orders of memory. Times are the GPU's, between
events, with nothing inside a turn that waits for it; "host" is the time in which the processor
queues a step: where it is as long as the step, the GPU waits for the processor.

"of sgemm" is the share of the machine's matrix product rate, measured in every round, on a GPU
through both libraries in the same precision: 2 FLOP for each multiply-add of the forward pass, and
in training as many again for the gradient by the weights and by the inputs, which the first
convolution does not need. "memory" is the most that a program takes in such steps: on a processor
the process, on a GPU its arrays.
"""

import contextlib
import sys
import tempfile
from functools import partial

import tinynet as tn
from alexnet.cli import flags
from alexnet.cli.console import wide_console
from alexnet.errors import UsageError
from benchmarks import machine
from benchmarks.clocks import HostClock, product_rate
from benchmarks.figures.step import program_table, ratio_table, ratios, summary
from benchmarks.flags import (
    add_output_flags,
    add_precisions_flag,
    add_wait_flag,
    benchmark_parser,
    chosen_network,
    names_among,
    precisions_for,
)
from benchmarks.programs.process import (
    GPU_PROGRAMS,
    PROGRAMS,
    add_peer_flag,
    installed,
    run_command,
    say,
)
from benchmarks.programs.workload import write_workload
from benchmarks.turn_taking import PAUSE, check, left_out_on_error, start, take_turns, turn
from benchmarks.work import flop_per_image


def _parser():
    parser = benchmark_parser("step", __doc__)
    group = parser.add_argument_group("work")
    group.add_argument(
        "--what", choices=("training", "inference"), default="training", help="(training)"
    )
    group.add_argument(
        "--batch-size", type=flags.count, nargs="+", default=[128], metavar="N", help="(128)"
    )
    add_precisions_flag(group)
    group.add_argument("--rounds", type=flags.count, metavar="N", help="(3; on a GPU 6)")
    group.add_argument(
        "--steps-a-turn", type=flags.count, metavar="N",
        help="measured steps of each program in a round (2; in inference 256 images, at least 2; "
        "on a GPU 10)",
    )  # fmt: skip
    group.add_argument(
        "--only", type=names_among(list(PROGRAMS | GPU_PROGRAMS)), metavar="NAMES",
        help=f"these beside tinynet, with commas between: {', '.join(PROGRAMS)}; on a GPU "
        f"{', '.join(GPU_PROGRAMS)} (all)",
    )  # fmt: skip
    add_peer_flag(group)
    flags.add_network_flags(parser.add_argument_group("network (paper)"))
    group = parser.add_argument_group("machine")
    flags.add_backend_flags(group)
    add_wait_flag(group)
    add_output_flags(group)
    return parser


def main(argv=None) -> int:
    """The command; returns its exit code (alexnet/cli/ending.py), 1 if a program was left out."""
    parser = _parser()
    args = parser.parse_args(argv)
    network = chosen_network(args, parser)
    return run_command(lambda: _command(args, network), "step")


def _command(args, network):
    """A report for each batch size and precision, printed as they come, written after each
    round."""
    backend = tn.get_backend(args.backend).name
    on_gpu = backend == "cupy"
    precisions = precisions_for(args.precision, on_gpu)
    programs = GPU_PROGRAMS if on_gpu else PROGRAMS
    if args.what == "inference":  # a recorded step trains
        programs = {name: how for name, how in programs.items() if name != "tinynet-cuda-graph"}
    other = [name for name in args.only or [] if name not in programs]
    if other:
        raise UsageError(
            f"--only: {', '.join(other)} cannot run {args.what} on backend {backend}; "
            f"{', '.join(programs)} can"
        )
    names = installed([n for n in programs if n in (args.only or programs)], dict(args.peer))
    threads = args.threads or machine.usable_processors()
    reports = []
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        say("drawing weights and images ...")
        write_workload(
            folder, network.row, max(args.batch_size), threads, image_size=network.image_size
        )
        idle = machine.wait_until_idle(0 if on_gpu else args.wait)
        running, failed = start(names, stack, folder=folder, threads=threads, backend=backend)
        for batch_size in args.batch_size:
            few = 2 if args.what == "training" else max(2, 256 // batch_size)
            for precision in precisions:
                options = {
                    "what": args.what, "spec": network.spec, "image_size": network.image_size,
                    "changes": network.changes, "network": network.title,
                    "batch_size": batch_size, "precision": precision,
                    "rounds": args.rounds or (6 if on_gpu else 3),
                    "steps_a_turn": args.steps_a_turn or (10 if on_gpu else few),
                    "backend": backend, "threads": threads,
                }  # fmt: skip
                for report in _reports(options, network, dict(running), dict(failed)):
                    report["idle"] = idle
                    if report["complete"]:
                        report["idle"] = machine.wait_until_idle(0) and idle
                    if args.json:  # now, so that the end of this command does not lose it
                        machine.write_json(args.json, [*reports, report] if reports else report)
                reports.append(report)
                _print(report)
    return 1 if any(report["failed"] for report in reports) else 0


def _reports(options, network, running, failed):
    """The report of one batch size and precision after each round; the last one is complete."""
    on_gpu, what, threads = options["backend"] == "cupy", options["what"], options["threads"]
    for name, program in list(running.items()):
        with left_out_on_error(name, running, failed):
            program.ask("use", batch_size=options["batch_size"], precision=options["precision"])
    apart = check(running, failed, what, options["precision"] if on_gpu else "processor")
    clock, steps = HostClock(threads), options["steps_a_turn"]
    turns = {name: partial(turn, program, what, steps) for name, program in running.items()}
    turns["sgemm"] = lambda: _gpu_rate(running, failed) if on_gpu else product_rate(clock) / 1e9
    about = running["tinynet"].about or machine.description(threads)
    report = partial(_report, options, network, about, running, apart, failed)
    for measured in take_turns(turns, failed, options["rounds"], 0 if on_gpu else PAUSE):
        yield report(measured)
    peaks = {}
    for name in [name for name in measured if name != "sgemm"]:
        with left_out_on_error(name, measured, failed):
            peaks[name] = running[name].ask("memory", what=what)["peak"]
    yield report(measured, peaks)


def _report(options, network, about, running, apart, failed, measured, peaks=None):
    """The report of the rounds measured so far; complete with the peaks of memory."""
    turns = {name: rounds for name, rounds in measured.items() if name != "sgemm"}
    rates, flop = measured["sgemm"], flop_per_image(network.layers, options["what"])
    figures = summary(turns, rates, options["batch_size"], flop)
    complete, peaks = peaks is not None, peaks or {}
    return {
        "benchmark": "step",
        "machine": about,
        "options": options,
        "rounds_measured": len(rates),
        "complete": complete,
        "flop_per_image": flop,
        "sgemm_gflop_per_second": {"spread": machine.spread(rates), "rounds": rates},
        "programs": {
            name: {
                "versions": running[name].versions, "apart": apart[name], **figures[name],
                "peak_bytes": peaks.get(name), "turns": turns[name],
            }
            for name in turns
        },
        "failed": failed,
        "ratios": ratios(turns, figures, peaks),
    }  # fmt: skip


def _gpu_rate(running, failed):
    """GFLOP/s of a GPU's large product, through the faster library."""
    rates = []
    peers = [name for name in running if name.startswith("pytorch") and name not in failed]
    for name in ["tinynet", *peers[:1]]:
        with left_out_on_error(name, {}, failed):
            rates.append(running[name].ask("product rate")["flop_per_second"] / 1e9)
    return max(rates)


def _print(report):
    console = wide_console()
    console.print(program_table(report))
    if report["ratios"]:
        console.print(ratio_table(report["ratios"]))
    for name, why in report["failed"].items():
        print(f"{name} is left out: {why.splitlines()[0]}")


if __name__ == "__main__":
    sys.exit(main())
