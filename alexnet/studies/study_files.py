"""The files of a study: NAME.json, all its numbers, and NAME.png, the curves behind them."""

import json
import math
from pathlib import Path

import tinynet as tn
from alexnet.cli.output_file import drawn_whole, written_whole
from alexnet.errors import writing
from alexnet.pictures.study import draw_errors, draw_losses
from alexnet.studies.claims import Claim
from alexnet.studies.measures import MEASURES, TARGET
from alexnet.studies.outcome import Trial, as_json, of_arm


def write(folder: Path, name: str, claim: Claim, about: dict, trials: list[Trial]) -> Path:
    """Write NAME.json whole; its path. about: what else it says, of the data. Raises DiskError."""
    path = folder / f"{name}.json"
    content = {"claim": name, **about, "version": tn.__version__, **as_json(claim, trials)}
    with writing(path):
        folder.mkdir(parents=True, exist_ok=True)
    with written_whole(str(path)) as file:
        file.write((json.dumps(content, indent=1) + "\n").encode())
    return path


def draw(folder: Path, name: str, claim: Claim, trials: list[Trial], classes: int) -> Path:
    """Write NAME.png whole, of what the claim measures; its path. Raises DiskError, UsageError and,
    without matplotlib, ImportError."""
    arms = [(arm.name, of_arm(trials, arm.name)) for arm in claim.arms]
    arms = [(arm, own) for arm, own in arms if own]
    path = folder / f"{name}.png"
    with drawn_whole(str(path)) as file:
        if MEASURES[claim.measure].unit == "steps":
            losses = [(arm, [each.losses for each in own], own[0].steps) for arm, own in arms]
            draw_losses(name, losses, math.log(classes), file)
        else:
            target = TARGET if MEASURES[claim.measure].unit == "epochs" else None
            errors = [
                (arm, [each.training for each in own], [each.validation for each in own])
                for arm, own in arms
            ]
            draw_errors(name, errors, target, file)
    return path
