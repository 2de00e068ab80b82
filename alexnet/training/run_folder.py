"""The folder of a run: options.json, classes.json, log.jsonl, last.npz, best.npz, curves.png.

Each line of log.jsonl is one JSON object with `epoch` and `step`, both counted from 1:

    for each step   train_loss and train_top1 of its batch, images_per_second, lr
    for each epoch  train_loss and train_top1 as means over the epoch, val_loss, val_top1, val_top5
"""

import contextlib
import json
import os
import time
from pathlib import Path

from alexnet.errors import UsageError, writing

FILES = ("options.json", "classes.json", "log.jsonl", "last.npz", "best.npz")


class RunFolder:
    """The folder at `path` and the paths of its files: options, classes, log, last, best, curves.
    Writing raises DiskError."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.options, self.classes, self.log, self.last, self.best = (
            self.path / name for name in FILES
        )
        self.curves = self.path / "curves.png"

    @classmethod
    def create(cls, path: str | Path | None, name: str) -> "RunFolder":
        """A new folder at path; None: runs/<name>-<date>. Raises UsageError if it holds a run
        already, and DiskError."""
        if path is None:
            first = path = Path("runs") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
            number = 2
            while path.exists():  # another run began in the same second
                path, number = first.with_name(f"{first.name}-{number}"), number + 1
        folder = cls(path)
        existing = [name for name in FILES if (folder.path / name).exists()]
        if existing:
            raise UsageError(
                f"--out {path} holds a run ({', '.join(existing)}); go on with it by "
                f"--resume {path}, or choose another folder"
            )
        with writing(path):
            folder.path.mkdir(parents=True, exist_ok=True)
        return folder

    def leave(self) -> None:
        """Remove the folder if it is empty."""
        with contextlib.suppress(OSError):
            self.path.rmdir()

    def begin(self, options: dict, classes: list[str]) -> None:
        """Write options.json and classes.json."""
        for path, value in ((self.options, options), (self.classes, classes)):
            _replace(path, json.dumps(value, indent=1) + "\n")

    def add_line(self, **figures) -> None:
        """Add a line to log.jsonl."""
        with writing(self.log), open(self.log, "a", encoding="utf-8") as file:
            file.write(json.dumps(figures) + "\n")

    def lines(self) -> list[dict]:
        """The lines of log.jsonl."""
        if not self.log.exists():
            return []
        return [json.loads(line) for line in _whole_lines(self.log)]

    def cut_log(self, steps: int) -> None:
        """Remove the lines of steps after the first `steps`. A run that was killed has written
        lines after its last checkpoint."""
        if not self.log.exists():
            return
        kept = [line for line in _whole_lines(self.log) if json.loads(line)["step"] <= steps]
        _replace(self.log, "".join(kept))


def _whole_lines(path):
    """The lines of a file, without an incomplete last line."""
    with open(path, encoding="utf-8") as file:
        return [line for line in file if line.endswith("\n")]


def _replace(path, text):
    """Write a file whole, or not at all."""
    with writing(path):
        temporary = path.with_name(f".{path.name}.new")
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
