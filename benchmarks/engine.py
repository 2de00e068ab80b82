"""The overhead of an op: chained adds of small arrays, beside PyTorch.

    python -m benchmarks.engine

y = x; then y = y + b, again and again, with x requiring a gradient, so that every add is recorded;
then backward. With four numbers an array the arithmetic is nothing and the time is the engine's.
Both programs run on one thread, in turn, in one process; the medians are compared.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

import tinynet as tn
from benchmarks import machine

BOUNDS = {"forward": 1.3, "forward and backward": 1.8}  # ours over PyTorch's, at most


def chain(x, b, length, gradient):
    """(final y's numbers, x's gradient, seconds forward, seconds forward and backward)."""
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
    for turn in range(rounds + 2):
        for name, program in programs.items():
            y, gradient, measured = program(numbers, length)
            if not np.array_equal(y, expected) or not np.array_equal(gradient, np.ones(size)):
                raise RuntimeError(f"engine: {name} computed other numbers; nothing is compared")
            if turn >= 2:
                seconds[name].append(measured)
    return seconds


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.engine", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--length", type=int, default=1000, help="adds in the chain (1000)")
    parser.add_argument("--size", type=int, default=4, help="numbers in an array (4)")
    parser.add_argument("--rounds", type=int, default=100, help="measured runs of each (100)")
    parser.add_argument("--json", metavar="FILE", help="write the figures to FILE too")
    parser.add_argument(
        "--wait", type=float, default=120, metavar="SECONDS",
        help="how long to wait for an idle machine before going on as 'not idle' (120)",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    if options.json and not Path(options.json).parent.is_dir():
        parser.error(f"there is no folder {Path(options.json).parent} to write {options.json} to")

    idle = machine.wait_until_idle(options.wait)
    seconds = measure(options.length, options.size, options.rounds)
    report = {
        "benchmark": "engine", "machine": machine.description(1), "idle": idle,
        "length": options.length, "size": options.size, "rounds": options.rounds,
        "microseconds": {}, "ratios": {},
    }  # fmt: skip
    print(
        f"{options.length} chained adds of {options.size} numbers, median of {options.rounds}"
        f"{'' if idle else ', not idle'}:"
    )
    for column, what in enumerate(BOUNDS):
        each = {}
        for name, runs in seconds.items():
            each[name] = machine.spread([run[column] / options.length * 1e6 for run in runs])
            median, low, high = each[name]
            print(
                f"  {what:21} {name:8} {median:6.2f} microseconds an op "
                f"(middle 80 %: {low:.2f} to {high:.2f})"
            )
        report["microseconds"][what] = each
        if "PyTorch" in each:
            ratio = each["tinynet"][0] / each["PyTorch"][0]
            report["ratios"][what] = ratio
            print(f"  {what:21} ratio    {ratio:6.2f} (bound {BOUNDS[what]})")
    if options.json:
        machine.write_json(options.json, report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
