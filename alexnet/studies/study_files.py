"""The files of a study: NAME.json, all its numbers, and NAME.png, its curves."""

import json
from pathlib import Path

import tinynet as tn
from alexnet.cli.output_file import drawn_whole, written_whole
from alexnet.errors import writing
from alexnet.pictures.study import draw_study
from alexnet.studies.claims import Claim
from alexnet.studies.measures import TARGET
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


def draw(folder: Path, name: str, claim: Claim, trials: list[Trial]) -> Path:
    """Write NAME.png whole; its path. Raises DiskError, UsageError and, without matplotlib,
    ImportError."""
    arms = [(arm.name, of_arm(trials, arm.name)) for arm in claim.arms]
    curves = [
        (arm, [trial.training for trial in own], [trial.validation for trial in own])
        for arm, own in arms
        if own
    ]
    path = folder / f"{name}.png"
    target = TARGET if "training error" in claim.measure and "to" in claim.measure else None
    with drawn_whole(str(path)) as file:
        draw_study(name, curves, target, file)
    return path
