"""python -m alexnet.study NAME [DATA]: try a claim of the paper, or of its successors.

    for each seed, for each arm of the claim:
        alexnet.train with the arm's flags        one process, its own run folder
    the measured number of each arm: mean and spread over the seeds
    the difference from the first arm, beside the published one

studies/claims.py lists the claims. A training that is complete is never made again: the command
goes on where it stopped, and the numbers are read from the runs' logs.
"""

import math
import shlex
import sys
import time
from argparse import Namespace
from pathlib import Path

from rich import box
from rich.table import Table

from alexnet.cli import ending
from alexnet.cli.console import plain_console
from alexnet.cli.study_flags import study_parser
from alexnet.data import open_dataset
from alexnet.data.names import printable
from alexnet.studies import study_files
from alexnet.studies.claims import CLAIMS
from alexnet.studies.outcome import COLUMNS, sentences, table_rows
from alexnet.studies.trainings import (
    command,
    is_complete,
    pretrain_command,
    run_one,
    trainings_of,
    trial_of,
)
from alexnet.training.options import absolute, kind_of, words_of
from alexnet.training.progress import clock

LEAST_SECONDS = 30  # a training is not begun with less: it would only read its data
INTERRUPTED = 128  # exit codes above it are 128 + a signal


def main(argv=None) -> int:
    """The command; returns its exit code (alexnet/cli/ending.py)."""
    words = sys.argv[1:] if argv is None else list(argv)

    def run():
        args = study_parser(CLAIMS).parse_args(words)
        return _command(Namespace(**vars(args), words=words))

    return ending.run(run, "alexnet.study")


def _command(args):
    if args.name is None:
        plain_console().print(_list_of_claims())
        print("python -m alexnet.study NAME DATA tries one; --help tells more")
        return 0
    data, folder = absolute(args.data), Path(args.out)
    names = list(CLAIMS) if args.name == "all" else [args.name]
    if args.dry_run:
        _print_commands(args, names, data, folder)
        return 0
    dataset = open_dataset(data, "train")  # an error of the data comes before any training
    about = {"data": _name_of(data), "images": len(dataset), "classes": len(dataset.classes)}
    del dataset
    if kind_of(data) == "synthetic":
        print("the claims are about photos; images that the program draws may behave otherwise")
    clock_of_study, failed = _Clock(args.hours), 0
    for number, name in enumerate(names, start=1):
        if len(names) > 1:
            print(f"\nclaim {number} of {len(names)}: {name}", flush=True)
        code = _try(args, name, data, folder, about, clock_of_study)
        if code > INTERRUPTED or clock_of_study.is_over():
            _say_how_to_go_on(args, code)
            return code
        failed = failed or code
    return failed


def _name_of(data):
    """DATA without the place where it lies on this machine."""
    return kind_of(data) if kind_of(data) != "folder" else Path(data).name


class _Clock:
    """The time of a study: what is left of --hours, and the usual length of a training."""

    def __init__(self, hours):
        self._end = math.inf if hours is None else time.monotonic() + 3600 * hours
        self._lengths = []

    def left(self) -> float:
        """Seconds until --hours end."""
        return self._end - time.monotonic()

    def is_over(self) -> bool:
        return self.left() < LEAST_SECONDS

    def max_time(self) -> str | None:
        """The --max-time of the next training."""
        return None if self._end == math.inf else f"{self.left():.1f}s"

    def add(self, seconds) -> None:
        """A training took so long."""
        self._lengths.append(seconds)

    def estimate(self, trainings) -> str:
        """The time that so many trainings will take; "" before the first has ended."""
        if not self._lengths:
            return ""
        return f", about {clock(trainings * sum(self._lengths) / len(self._lengths))} left"


def _try(args, name, data, folder, about, clock_of_study):
    """Make the trainings of a claim that are not complete; show and write what they reached. The
    exit code: of the first training that failed."""
    claim = CLAIMS[name]
    print(f"{name}: {claim.says}\n({claim.source})", flush=True)
    trainings = trainings_of(claim, data, args.seeds, args.epochs, folder)
    trials, missing, code = [], [], 0
    for training in trainings:
        if is_complete(training):
            trials.append(trial_of(training, claim))
        else:
            missing.append(training)
    for number, training in enumerate(missing):
        if clock_of_study.is_over():
            break
        print(
            f"\n{name}: {training.arm.name}, seed {training.seed}: training {len(trials) + 1} of "
            f"{len(trainings)}{clock_of_study.estimate(len(missing) - number)}",
            flush=True,
        )
        began = time.monotonic()
        code = _train(args, training, clock_of_study)
        if code:
            ending.say(
                f"alexnet.study: {name}, {training.arm.name}, seed {training.seed} ended with exit "
                f"code {code}; trainings that are complete are kept"
            )
            break
        if not is_complete(training):  # --hours ended
            break
        clock_of_study.add(time.monotonic() - began)
        trials.append(trial_of(training, claim))
        study_files.write(folder, name, claim, about, trials)
    if trials:
        _show(name, claim, trials)
        print(f"written: {printable(study_files.write(folder, name, claim, about, trials))}")
        try:
            picture = study_files.draw(folder, name, claim, trials, about["classes"])
            print(f"written: {printable(picture)}")
        except ImportError:
            print("(pip install matplotlib, and this command also draws the curves)")
    return code


def _train(args, training, clock_of_study):
    machine = words_of({name: getattr(args, name) for name in ("backend", "threads", "workers")})
    first = pretrain_command(training, machine)
    if first is not None:
        training.run.path.parent.mkdir(parents=True, exist_ok=True)
        code = run_one("alexnet.pretrain", first)
        if code:
            return code
    return run_one("alexnet.train", command(training, machine, clock_of_study.max_time()))


def _show(name, claim, trials):
    """The table and the sentences."""
    first, *others = COLUMNS
    table = Table(first, title=f"{name}: {claim.measure}", box=box.SIMPLE, padding=(0, 1))
    for heading in others:
        table.add_column(heading, justify="right")
    for row in table_rows(claim, trials):
        table.add_row(*row)
    plain_console().print(table)
    for line in sentences(claim, trials):
        print(line)


def _list_of_claims():
    table = Table("name", "claim", "measured", "arms", box=box.SIMPLE, padding=(0, 1))
    for name, claim in CLAIMS.items():
        arms = "; ".join(arm.name for arm in claim.arms)
        table.add_row(name, claim.says, claim.measure, arms)
    return table


def _print_commands(args, names, data, folder):
    printed = set()
    for name in names:
        for training in trainings_of(CLAIMS[name], data, args.seeds, args.epochs, folder):
            if training.run.path in printed:
                continue
            printed.add(training.run.path)
            first = pretrain_command(training, [])
            if first is not None:
                print(f"python -m alexnet.pretrain {shlex.join(first)}")
            done = "  # complete" if is_complete(training) else ""
            print(f"python -m alexnet.train {shlex.join(command(training, [], None))}{done}")


def _say_how_to_go_on(args, code):
    why = "it was interrupted" if code else "its time is over"
    again = shlex.join(["python", "-m", "alexnet.study", *args.words])
    ending.say(f"alexnet.study: {why}; this goes on: {again}")


if __name__ == "__main__":
    sys.exit(main())
