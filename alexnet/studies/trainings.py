"""The trainings of a claim: their commands, their folders, what they reached.

    FOLDER/trainings/<checksum of the flags>-seed<n>/          a run of alexnet.train
    FOLDER/trainings/<checksum of the flags>-seed<n>.pretrained.npz    what it started from

The checksum is of the data and of all flags that decide the network's numbers, so that two claims
share a training that both need, and another length or other data never meets an old folder.
"""

import hashlib
import json
import shlex
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from statistics import median

from alexnet.cli.measured import measured
from alexnet.cli.train_flags import train_parser
from alexnet.errors import UsageError
from alexnet.network.variants import CHANGES
from alexnet.studies.claims import Arm, Claim
from alexnet.studies.measures import MEASURES, epochs_of, error, steps_of, thinned
from alexnet.studies.outcome import Trial
from alexnet.training.options import Options, words_of
from alexnet.training.run_folder import RunFolder
from alexnet.training.saved import check_training, saved_options
from alexnet.weights import checkpoint


@dataclass(frozen=True)
class Training:
    """One arm with one seed.

    arm    of its claim
    seed   its seed
    words  DATA and flags of alexnet.train, without --out and without the machine's
    run    its folder
    """

    arm: Arm
    seed: int
    words: list[str]
    run: RunFolder

    @property
    def pretrained(self) -> Path:
        """The file that alexnet.pretrain makes for it."""
        return self.run.path.with_name(f"{self.run.path.name}.pretrained.npz")


def trainings_of(
    claim: Claim, data: str, seeds: int, epochs: int | None, folder: Path
) -> list[Training]:
    """All arms with the first seed, all arms with the second, ...: a study that is cut short has
    compared what it has. epochs: instead of the claim's own."""
    found = []
    for seed in range(seeds):
        for arm in claim.arms:
            words = [data, *_flags(claim, arm, epochs), "--seed", str(seed)]
            name = hashlib.sha256(json.dumps([words, arm.pretrain]).encode()).hexdigest()[:8]
            run = RunFolder(folder / "trainings" / f"{name}-seed{seed}")
            found.append(Training(arm, seed, words, run))
    return found


def _flags(claim, arm, epochs):
    """One flag for each option, in the order of Options, so that the same training has the same
    words whichever claim asks for it."""
    values = vars(train_parser().parse_args(shlex.split(f"{claim.shared} {arm.flags}")))
    names = [field.name for field in fields(Options) if field.name not in ("data", "seed")]
    options = {name: values.get(name) for name in names}
    return words_of(options if epochs is None else {**options, "epochs": epochs})


def is_complete(training: Training) -> bool:
    """Whether it has all its epochs."""
    if not training.run.last.exists():
        return False
    saved = checkpoint.load(training.run.last)
    check_training(saved)
    return saved.training["epoch"] >= saved_options(saved).epochs


def command(training: Training, machine: list[str], time: str | None) -> list[str]:
    """The words of alexnet.train: a new run, or the one that goes on.

    machine  --backend, --threads and --workers
    time     of --max-time; None: no limit
    """
    limit = [] if time is None else ["--max-time", time]
    if training.run.last.exists():
        return ["--resume", str(training.run.path), *machine, *limit]
    start = [] if training.arm.pretrain is None else ["--pretrained", str(training.pretrained)]
    return [*training.words, *start, "--out", str(training.run.path), *machine, *limit]


def pretrain_command(training: Training, machine: list[str]) -> list[str] | None:
    """The words of alexnet.pretrain; None if the training needs none, or has begun."""
    done = training.run.last.exists() or training.pretrained.exists()
    if training.arm.pretrain is None or done:
        return None
    values = vars(train_parser().parse_args(training.words))
    names = ("spec", "image_size", *CHANGES, "augment", "mean", "batch_size", "seed")
    words = [values["data"], *words_of({name: values[name] for name in names})]
    own = shlex.split(training.arm.pretrain)
    return [*words, *own, "--out", str(training.pretrained), *machine]


def run_one(module: str, words: list[str]) -> int:
    """Run python -m MODULE WORDS in a process of its own, whose lines are shown. Its exit code."""
    print(f"python -m {module} {shlex.join(words)}", flush=True)
    code, _, _ = measured([sys.executable, "-m", module, *words])
    return code


def trial_of(training: Training, claim: Claim) -> Trial:
    """What a complete training reached. Raises UsageError if its log was cut or changed."""
    lines = training.run.lines()
    epochs, steps = epochs_of(lines), steps_of(lines)
    saved = checkpoint.load(training.run.last)
    options = saved_options(saved)
    if len(epochs) != options.epochs or len(steps) != saved.training["step"]:
        raise UsageError(
            f"{training.run.log} has {len(epochs)} epochs and {len(steps)} steps; its checkpoint "
            f"has {options.epochs} and {saved.training['step']}. Remove {training.run.path} to "
            "train again"
        )
    value = MEASURES[claim.measure].of(lines, len(saved.classes))
    rates = [line["images_per_second"] for line in steps]
    return Trial(
        arm=training.arm.name,
        seed=training.seed,
        value=value.number,
        reached=value.reached,
        training=[error(line, "train") for line in epochs],
        validation=[error(line, "val") for line in epochs],
        losses=thinned([line["train_loss"] for line in steps]),
        steps=len(steps),
        seconds=len(steps) * options.batch_size / median(rates),
    )
