"""The overhead of an op: chained adds of small arrays, beside PyTorch.

    python -m benchmarks.engine

y = x; then y = y + b, again and again, with x requiring a gradient, so that every add is recorded;
then backward. With four numbers an array the arithmetic is nothing and the time is the engine's.
Both programs run on one thread, in turn, in one process; the medians are compared. Nothing here
multiplies matrices; the machine's line names the BLAS kernel all the same, as in every benchmark.
"""

import sys
import time

import numpy as np

import tinynet as tn
from alexnet.cli import ending, flags
from benchmarks import machine
from benchmarks.clocks import alternating
from benchmarks.flags import add_output_flags, add_wait_flag, benchmark_parser

COLUMNS = ("forward", "forward and backward")
UNTIMED = 2  # rounds


def chain(x, b, length, gradient):
    """(the last y, x's gradient, seconds forward, seconds forward and backward)."""
    start = time.perf_counter()
    y = x
    for _ in range(length):
        y = y + b
    forward = time.perf_counter() - start
    y.backward(gradient)
    return y, x.grad, forward, time.perf_counter() - start


def ours(numbers, length):
    x, b = tn.Tensor(numbers, requires_grad=True), tn.Tensor(numbers)
    y, gradient, *seconds = chain(x, b, length, np.ones_like(numbers))
    return y.numpy(), np.asarray(gradient), seconds


def pytorch(numbers, length):
    import torch

    x, b = torch.tensor(numbers, requires_grad=True), torch.tensor(numbers)
    y, gradient, *seconds = chain(x, b, length, torch.ones(len(numbers)))
    return y.detach().numpy(), gradient.numpy(), seconds


def measure(length, size, rounds):
    """{program: [(seconds forward, seconds forward and backward), ...]}, in turn, warm-up left out.

    Raises RuntimeError where the two programs compute different numbers.
    """
    numbers = np.linspace(0.5, 1.5, size, dtype=np.float32)
    programs = {"tinynet": ours}
    try:
        import torch

        torch.set_num_threads(1)
        programs["PyTorch"] = pytorch
    except ImportError:
        print("PyTorch is not installed: tinynet alone", file=sys.stderr)

    expected = numbers.copy()
    for _ in range(length):
        expected = expected + numbers
    seconds = {name: [] for name in programs}
    for turn, name in alternating(programs, UNTIMED + rounds):
        y, gradient, measured = programs[name](numbers, length)
        if not np.array_equal(y, expected) or not np.array_equal(gradient, np.ones(size)):
            raise RuntimeError(f"engine: {name} computed other numbers; nothing is compared")
        if turn >= UNTIMED:
            seconds[name].append(measured)
    return seconds


def main(argv=None) -> int:
    """The command; returns its exit code (alexnet/cli/ending.py)."""
    parser = benchmark_parser("engine", __doc__)
    parser.add_argument("--length", type=flags.count, default=1000, help="adds in the chain (1000)")
    parser.add_argument("--size", type=flags.count, default=4, help="numbers in an array (4)")
    parser.add_argument("--rounds", type=flags.count, default=100, help="measured of each (100)")
    add_wait_flag(parser)
    add_output_flags(parser)
    args = parser.parse_args(argv)
    return ending.run(lambda: _command(args), "benchmarks.engine")


def _command(args):
    idle = machine.wait_until_idle(args.wait)
    seconds = measure(args.length, args.size, args.rounds)
    report = {
        "benchmark": "engine", "machine": machine.description(1), "idle": idle,
        "length": args.length, "size": args.size, "rounds": args.rounds,
        "microseconds": {}, "ratios": {},
    }  # fmt: skip
    print(
        f"{args.length} chained adds of {args.size} numbers, median of {args.rounds}"
        f"{'' if idle else ', not idle'}:\n{machine.words(report['machine'])}"
    )
    for column, what in enumerate(COLUMNS):
        each = {}
        for name, runs in seconds.items():
            each[name] = machine.spread([run[column] / args.length * 1e6 for run in runs])
            median, low, high = each[name]
            print(
                f"  {what:21} {name:8} {median:6.2f} microseconds an op "
                f"(middle 80 %: {low:.2f} to {high:.2f})"
            )
        report["microseconds"][what] = each
        if "PyTorch" in each:
            ratio = each["tinynet"][0] / each["PyTorch"][0]
            report["ratios"][what] = ratio
            print(f"  {what:21} ratio    {ratio:6.2f}")
    if args.json:
        machine.write_json(args.json, report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
