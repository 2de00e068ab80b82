"""The README's section on speed, written from the results of full runs, not by hand.

    python -m benchmarks.readme            write the section and its picture
    python -m benchmarks.readme --check    exit code 1 where that would change them

The results are the --json files of the benchmarks in benchmarks/results/, under the names below. A
file that does not exist is left out of the section and named on stderr. A file that is not what its
name says, such as a trial with a smaller batch, or that comes from another machine than the others,
is an error: one sentence says for all of them with which machine and libraries they were measured.
The words of the section are in benchmarks/figures/readme_section.py, the picture in layer_bars.py
beside it.
"""

import hashlib
import importlib.util
import json
import sys
from pathlib import Path

from PIL import Image

from alexnet.cli import ending
from alexnet.errors import DataError, UsageError, writing
from benchmarks.figures import layer_bars
from benchmarks.figures.readme_section import UNMEASURED, OtherResult, section
from benchmarks.flags import benchmark_parser

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
FOLDER = ROOT / "benchmarks" / "results"
BEGIN = "<!-- speed: made by python -m benchmarks.readme -->"
END = "<!-- end of speed -->"

PAPER = {"spec": "paper", "image_size": 227, "changes": {}, "batch_size": 128}
UNGROUPED = {"groups": 1, "norm": "none"}
INFERENCE = PAPER | {"what": "inference"}
RESULTS = {  # file: (the benchmark that makes it, what its report must say)
    "step-paper.json": ("step", PAPER | {"what": "training"}),
    "step-ungrouped.json": (
        "step --groups 1 --norm none", PAPER | {"what": "training", "changes": UNGROUPED}
    ),
    "inference-128.json": ("step --what inference", INFERENCE),
    "inference-1.json": ("step --what inference --batch-size 1", INFERENCE | {"batch_size": 1}),
    "layers-paper.json": ("layers", {"network": "paper, 227 x 227", "batch_size": 128}),
    "pipeline-cifar10.json": ("pipeline cifar10:FOLDER", {"data": "cifar10"}),
    "pipeline-jpeg.json": ("pipeline jpeg", {"data": "jpeg"}),
    "scaling.json": ("scaling", {}),
}  # fmt: skip


def command_for(name: str) -> str:
    """The command that makes a file of RESULTS."""
    return f"python -m benchmarks.{RESULTS[name][0]} --json benchmarks/results/{name}"


def read_results(folder: Path) -> dict[str, dict]:
    """{name: report} of the files of RESULTS that are there.

    Raises OtherResult for one that is no JSON or not the report that its name promises.
    """
    reports = {}
    for name, (command, wanted) in RESULTS.items():
        try:
            report = json.loads((folder / name).read_text(encoding="utf-8"))
            facts = report | report.get("options", {})
        except FileNotFoundError:
            continue
        except (ValueError, TypeError, AttributeError) as error:
            raise OtherResult(name, f"is no report in JSON ({error})") from error
        for key, value in ({"benchmark": command.split()[0]} | wanted).items():
            if facts.get(key) != value:
                raise OtherResult(name, f"is of {key} {facts.get(key)}, not {value}")
        if not report.get("complete", True):
            raise OtherResult(name, "is not complete: its benchmark ended before its last round")
        reports[name] = report
    return reports


def replaced(text: str, new: str, markers=(BEGIN, END), name="README.md") -> str:
    """A page's text with another section between the markers. DataError if they are not there, once
    each and in order."""
    begin, end = markers
    before, _, rest = text.partition(begin)
    _, found, after = rest.partition(end)
    if not found or text.count(begin) + text.count(end) != 2:
        raise DataError(f"{name} needs one line {begin} and, after it, one line {end}")
    return f"{before}{begin}\n{new}\n{end}{after}"


# --- the command ----------------------------------------------------------------------------------


def main(argv=None) -> int:
    """The command; returns its exit code (alexnet/cli/ending.py), or 1 where --check finds a
    difference."""
    commands = "\n  ".join(["the commands that make the results:", *map(command_for, RESULTS)])
    parser = benchmark_parser("readme", __doc__, epilog=commands)
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    args = parser.parse_args(argv)
    return ending.run(lambda: _command(args.check), "benchmarks.readme")


def _command(check):
    try:
        reports = read_results(FOLDER)
        speed = section(reports) if reports else UNMEASURED
    except OtherResult as error:
        name = error.name
        raise DataError(f"benchmarks/results/{name} {error.why}; {command_for(name)}") from error
    text = README.read_text(encoding="utf-8")
    new = replaced(text, speed)
    result = FOLDER / "layers-paper.json"
    picture = result.with_suffix(".png")
    source = hashlib.sha256(result.read_bytes()).hexdigest() if result.name in reports else None
    if check:
        return _check(new == text and (source is None or _source_of(picture) == source))
    for name in RESULTS:
        if name not in reports:
            print(f"left out: there is no result of {command_for(name)}", file=sys.stderr)
    if source:
        if not importlib.util.find_spec("matplotlib"):
            raise UsageError("the picture needs matplotlib: pip install matplotlib")
        with writing(picture):
            layer_bars.draw(reports[result.name], picture, source)
    with writing(README):
        README.write_text(new, encoding="utf-8")
    return 0


def _check(same):
    if not same:
        print(
            "benchmarks.readme: README.md or its picture is not what benchmarks/results/ holds; "
            "python -m benchmarks.readme writes both",
            file=sys.stderr,
        )
    return 0 if same else 1


def _source_of(picture):
    """The source that layer_bars.draw noted in the picture; None where there is no picture."""
    try:
        with Image.open(picture) as image:
            return image.text.get("Source")
    except FileNotFoundError:
        return None


if __name__ == "__main__":
    sys.exit(main())
