"""A checkpoint: the whole state of a training at one moment, in one .npz file.

    model/<name>                    each parameter and buffer
    velocity/<number>               of each parameter, in the optimiser's order; not in best.npz
    normalization/mean, /divisor    of the images
    record                          the other fields of Checkpoint: JSON as bytes, uint8

evaluate and predict need no other file: the record also holds the classes, the arguments of
alexnet.build, and the size at which images are read.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import tinynet as tn
from alexnet.data.normalization import Normalization
from alexnet.errors import DataError, writing
from alexnet.network.build import build

FORMAT = 1
_NEEDED = ("build", "classes", "stored_size", "options", "training")


@dataclass
class Checkpoint:
    """The state of a training.

    build           the keyword arguments of alexnet.build
    classes         names, in label order
    stored_size     the size at which images are read before the middle is cut out
    normalization   of the images
    model           the model's state_dict
    velocities      the optimiser's state_dict, or None
    options         the run's options (training/options.py), as a dict
    training        position, sums, schedule, random state, best accuracy (training/run_state.py)
    """

    build: dict
    classes: list[str]
    stored_size: int
    normalization: Normalization
    model: dict[str, np.ndarray]
    velocities: dict[str, np.ndarray] | None
    options: dict
    training: dict

    def save(self, path: str | Path) -> None:
        """Write the file whole, or not at all. Raises DiskError."""
        record = {"format": FORMAT} | {name: getattr(self, name) for name in _NEEDED}
        parts = {
            "model": self.model,
            "velocity": self.velocities or {},
            "normalization": self.normalization.arrays(),
        }
        arrays = {f"{part}/{name}": a for part, all in parts.items() for name, a in all.items()}
        arrays["record"] = np.frombuffer(json.dumps(record).encode(), np.uint8)
        with writing(path):
            tn.save(path, arrays)

    def make_model(self):
        """The network with these weights, in test mode, on the backend in use."""
        model = build(**self.build)
        self.fill(model)
        return model.eval()

    def fill(self, model, optimizer=None) -> None:
        """Load this state into a model, and into an optimiser of its parameters. Raises DataError
        if it does not fit."""
        try:
            model.load_state_dict(self.model)
            if optimizer:
                optimizer.load_state_dict(self.velocities)
        except (KeyError, ValueError) as error:
            raise DataError(
                f"the checkpoint does not fit the network it was made from: {error.args[0]}; it is "
                "damaged, or made by another version of this program"
            ) from error


def load(path: str | Path) -> Checkpoint:
    """The Checkpoint in this file. Raises DataError if the file holds none."""
    try:
        arrays = tn.load(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(
            f"checkpoint {path} cannot be read: {reason}; last.npz and best.npz of a run folder fit"
        ) from error
    parts = {"model": {}, "velocity": {}, "normalization": {}}
    for name, array in arrays.items():
        part, _, key = name.partition("/")
        if part in parts:
            parts[part][key] = array
    try:
        record = json.loads(arrays["record"].tobytes())
        if record["format"] != FORMAT:
            raise DataError(
                f"checkpoint {path} has format {record['format']}, this program reads {FORMAT}"
            )
        return Checkpoint(
            **{name: record[name] for name in _NEEDED},
            normalization=Normalization.from_arrays(parts["normalization"]),
            model=parts["model"],
            velocities=parts["velocity"] or None,
        )
    except (KeyError, TypeError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(
            f"{path} is an .npz file but no checkpoint of alexnet.train ({error!r})"
        ) from error
