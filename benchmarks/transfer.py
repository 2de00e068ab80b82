"""python -m benchmarks.transfer FOLDER: the methods of alexnet.transfer beside PyTorch.

FOLDER was written by alexnet.transfer. Each of its methods is trained again by PyTorch, from the
same weights, with the same images, rates and epochs (programs/pytorch_training.py), in a process of
its own. The table compares time, memory and accuracy.
"""

import json
import sys
import tempfile
from pathlib import Path

from rich import box
from rich.table import Table

from alexnet.cli import flags
from alexnet.cli.console import plain_console
from alexnet.cli.measured import measured
from alexnet.cli.transfer_flags import METHODS
from alexnet.data.names import printable
from alexnet.errors import DataError, UsageError
from alexnet.training import method_results
from alexnet.training.method_results import Result
from alexnet.training.progress import clock
from benchmarks import machine
from benchmarks.flags import add_output_flags, add_wait_flag, benchmark_parser
from benchmarks.programs.process import ROOT, ProgramError, run_command


def main(argv=None) -> int:
    """The command; returns its exit code (alexnet/cli/ending.py)."""
    parser = benchmark_parser("transfer", __doc__)
    parser.add_argument(
        "folder", type=flags.path, metavar="FOLDER", help="--out of alexnet.transfer"
    )
    add_wait_flag(parser)
    add_output_flags(parser)
    args = parser.parse_args(argv)
    return run_command(lambda: _command(args), "transfer")


def _command(args):
    folder = Path(args.folder)
    results = [result for method in METHODS if (result := method_results.load(folder, method))]
    if not results:
        raise DataError(f"{printable(folder)} holds no result of alexnet.transfer")
    _need_pytorch()
    idle = machine.wait_until_idle(args.wait)
    about = machine.description()
    pairs = [(result, _by_pytorch(folder, result)) for result in results]
    print(f"{machine.words(about)}{'' if idle else ', not idle'}")
    plain_console().print(_table(pairs))
    if args.json:
        report = {"benchmark": "transfer", "machine": about, "idle": idle}
        report["methods"] = {
            ours.method: {"tinynet": _figures(ours), "pytorch": theirs} for ours, theirs in pairs
        }
        machine.write_json(args.json, report)
    return 0


def _need_pytorch():
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise UsageError("PyTorch is not installed: pip install torch==2.13.0") from error


def _figures(result: Result):
    names = ("parameters", "frozen", "seconds", "memory", "validation", "test", "test_images")
    return {name: getattr(result, name) for name in names}


def _by_pytorch(folder, result):
    """PyTorch's figures for a method, named as in Result."""
    print(f"\n{result.method}, by PyTorch:", flush=True)
    run = (folder / result.method).absolute()
    with tempfile.TemporaryDirectory() as place:
        answer = Path(place) / "answer.json"
        module = "benchmarks.programs.pytorch_training"
        command = [sys.executable, "-m", module, str(run), str(answer)]
        code, seconds, memory = measured(command, folder=ROOT)
        if code:
            raise ProgramError(f"{module} {run} ended with exit code {code}")
        figures = json.loads(answer.read_bytes())
    return {"seconds": seconds, "memory": memory, **figures}


def _table(pairs):
    rows = Table("method", "program", box=box.SIMPLE, padding=(0, 1))
    for heading in ("epochs", "time", "", "memory", "validation", "test"):
        rows.add_column(heading, justify="right", no_wrap=True)
    for result, theirs in pairs:
        ours = _figures(result)
        ratio = f"x {theirs['seconds'] / ours['seconds']:.2f}"
        rows.add_row(result.method, "tinynet", *_cells(ours, ""))
        rows.add_row("", "PyTorch", *_cells(theirs, ratio))
    return rows


def _cells(figures, ratio):
    test = figures["test"]
    return (
        str(len(figures["validation"])),
        clock(figures["seconds"]),
        ratio,
        f"{figures['memory'] / 1e9:.2f} GB",
        f"{max(figures['validation']):.1%}",
        "" if test is None else f"{test:.1%}",
    )


if __name__ == "__main__":
    sys.exit(main())
