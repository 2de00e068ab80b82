"""docs/claims.md: what alexnet.study found, a table for each claim, written from its results.

    python -m benchmarks.claims            write docs/claims.md
    python -m benchmarks.claims --check    exit code 1 where that would change it

The results are NAME.json and NAME.png of alexnet.study, copied from its --out into
benchmarks/results/claims/. A result whose trainings are not those of the claim today is an error.
"""

import json
import sys
from pathlib import Path

from alexnet.cli import ending
from alexnet.errors import DataError
from alexnet.studies.claims import CLAIMS, Claim
from alexnet.studies.outcome import COLUMNS, Trial, sentences, table_rows
from benchmarks.flags import benchmark_parser
from benchmarks.pages import write_or_check

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "claims.md"
FOLDER = ROOT / "benchmarks" / "results" / "claims"
HEAD = (
    "# Claims\n\nWhat `python -m alexnet.study NAME DATA` found: small networks that differ in one "
    "thing, trained with several seeds. A number is the mean over the seeds, with the standard "
    "deviation between them; a difference counts as seen where Welch's t-test gives p < 0.05, as "
    "one of twenty equal pairs does by chance. The direction is tested; the published size stands "
    "beside the measured one. The networks are far smaller and the trainings far shorter than the "
    "published ones, so a claim that was not seen here is not refuted.\n\nThis page is made from "
    "`benchmarks/results/claims/` by `python -m benchmarks.claims`.\n"
)


def page(folder: Path) -> str:
    """The text of docs/claims.md. Raises DataError for a file that is no result of a claim as it is
    today."""
    parts, missing = [HEAD], []
    for name, claim in CLAIMS.items():
        path = folder / f"{name}.json"
        if path.exists():
            parts.append(_section(name, claim, path))
        else:
            missing.append(name)
    if missing:
        parts.append(f"## Not tried yet\n\n{', '.join(missing)}.\n")
    return "\n".join(parts)


def read_trials(path: Path, claim: Claim) -> tuple[dict, list[Trial]]:
    """(the result, its trials). Raises DataError."""
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        made = [(arm["name"], arm["flags"], arm["pretrain"]) for arm in result["arms"]]
        made += [result["shared"], result["measure"]]
        trials = [Trial(**trial) for arm in result["arms"] for trial in arm["trials"]]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is no result of alexnet.study ({error!r})") from error
    today = [(arm.name, arm.flags, arm.pretrain) for arm in claim.arms]
    if made != [*today, claim.shared, claim.measure]:
        raise DataError(f"{path} has other trainings than the claim has today; run it again")
    return result, trials


def _section(name, claim, path):
    result, trials = read_trials(path, claim)
    rows = [COLUMNS, ["---"] * len(COLUMNS), *table_rows(claim, trials)]
    lines = [f"## {name}\n\n{claim.says} ({claim.source}) Measured: {claim.measure}.\n"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    lines += ["", *(f"- {line}." for line in sentences(claim, trials)), ""]
    lines.append(f"{result['data']}, {result['images']:,} training images. "
                 f"`{claim.shared}`; the arms: {_arms(claim)}.")  # fmt: skip
    if path.with_suffix(".png").exists():
        picture = f"../benchmarks/results/claims/{name}.png"
        lines.append(f"\n![training and validation error of {name} over the epochs]({picture})")
    return "\n".join(lines) + "\n"


def _arms(claim):
    return "; ".join(
        f"{arm.name} {f'`{arm.flags}`' if arm.flags else 'as they are'}"
        f"{'' if arm.pretrain is None else f', after `alexnet.pretrain {arm.pretrain}`'}"
        for arm in claim.arms
    )


# --- the command ----------------------------------------------------------------------------------


def main(argv=None) -> int:
    """The command; returns its exit code (alexnet/cli/ending.py), or 1 where --check finds a
    difference."""
    parser = benchmark_parser("claims", __doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    args = parser.parse_args(argv)
    return ending.run(
        lambda: write_or_check(PAGE, page(FOLDER), "benchmarks.claims", args.check),
        "benchmarks.claims",
    )


if __name__ == "__main__":
    sys.exit(main())
