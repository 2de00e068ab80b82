"""The tables of docs/scaling.md, written from the results of benchmarks.scaling --ranks.

    python -m benchmarks.scaling_page            write the tables
    python -m benchmarks.scaling_page --check    exit code 1 where that would change them

The results are benchmarks/results/scaling/ranks.json and hosts.json; where one is missing, the page
says so, with the command that makes it. What the page plans for more ranks is computed from them,
and from assumptions that it names (benchmarks/figures/scaling_section.py).
"""

import json
import sys
from pathlib import Path

from alexnet.cli import ending
from alexnet.errors import DataError
from benchmarks.figures.scaling_section import section
from benchmarks.flags import benchmark_parser
from benchmarks.pages import write_or_check
from benchmarks.readme import replaced

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "scaling.md"
FOLDER = ROOT / "benchmarks" / "results" / "scaling"
MARKERS = (
    "<!-- tables: made by python -m benchmarks.scaling_page -->", "<!-- end of tables -->"
)  # fmt: skip
RESULTS = {  # file: the flags that make it
    "ranks.json": "--ranks 1,2,4 --batch-size 64 --steps 3 --rounds 3",
    "hosts.json": "--ranks 1,2,4 --hosts 10,2,1 --batches 16,32,64 --programs tinynet --steps 3 "
    "--rounds 5",
}


def command_for(name: str) -> str:
    """The command that makes a file of RESULTS."""
    return f"python -m benchmarks.scaling {RESULTS[name]} --json benchmarks/results/scaling/{name}"


def read_results(folder: Path) -> dict[str, dict]:
    """{name: report} of the files of RESULTS that are there. Raises DataError for one that is no
    report of its command."""
    reports = {}
    for name in RESULTS:
        path = folder / name
        if not path.exists():
            continue
        try:
            report = json.loads(path.read_text(encoding="utf-8"))
            on_hosts = name == "hosts.json"
            fits = report["benchmark"] == "ranks" and report["hosts"] == on_hosts
            fits = fits and (report["model"] is not None or not on_hosts)
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path} is no report ({error!r}); {command_for(name)}") from error
        if not fits:
            raise DataError(f"{path} is another report; {command_for(name)}")
        reports[name] = report
    return reports


def main(argv=None) -> int:
    """The command; returns its exit code (alexnet/cli/ending.py), or 1 where --check finds a
    difference."""
    commands = "\n  ".join(["the commands that make the results:", *map(command_for, RESULTS)])
    parser = benchmark_parser("scaling_page", __doc__, epilog=commands)
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    args = parser.parse_args(argv)
    return ending.run(lambda: _command(args.check), "benchmarks.scaling_page")


def _command(check):
    text = PAGE.read_text(encoding="utf-8")
    commands = {name: command_for(name) for name in RESULTS}
    new = replaced(text, section(read_results(FOLDER), commands), MARKERS, "docs/scaling.md")
    return write_or_check(PAGE, new, "benchmarks.scaling_page", check)


if __name__ == "__main__":
    sys.exit(main())
