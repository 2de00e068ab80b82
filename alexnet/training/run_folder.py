"""The folder of a run: options.json, options.toml, classes.json, log.jsonl, last.npz, best.npz,
curves.png; with --keep step-000500.npz, the checkpoint after step 500; with --tensorboard
events.out.tfevents.* (events.py).

Each line of log.jsonl is one JSON object with `epoch` and `step`, both counted from 1:

    for each step   train_loss and train_top1 of its batch, images_per_second, lr
    for each epoch  train_loss and train_top1 as means over the epoch, val_loss, val_top1, val_top5,
                    with --watch also watch: {layer: {figure: number}} (watch.py)

A run begins with its first last.npz. A folder without one can become a run's folder again.
"""

import contextlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from alexnet.errors import RUN_ELSEWHERE, UsageError, writing
from alexnet.training.folder_lock import locked

FILES = ("options.json", "options.toml", "classes.json", "log.jsonl", "last.npz", "best.npz")
DRY_RUN = ".dry-run-"  # the temporary folder of a dry run begins so
_KEPT = re.compile(r"step-(\d{6,18})\.npz")
# What a killed process leaves: files that were not whole yet (tinynet/serialization.py, below).
_UNFINISHED = re.compile(
    r"\.(last|best)\.npz\.[a-z0-9_]{8}|"
    r"\.(options\.(json|toml)|classes\.json|log\.jsonl|curves\.png|(last|step-\d+)\.npz)\.new"
)


class RunFolder:
    """The folder at `path` and the paths of its files: options, config (options.toml), classes,
    log, last, best, curves. Writing raises DiskError."""

    is_written = True

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.options, self.config, self.classes, self.log, self.last, self.best = (
            self.path / name for name in FILES
        )
        self.curves = self.path / "curves.png"
        self.new_curves = self.path / ".curves.png.new"
        self.events = None  # an Events (events.py), with --tensorboard
        self._made = []  # the folders that create() made, innermost first
        self._is_new = False

    @classmethod
    def create(
        cls, path: str | Path | None, name: str, data: str | Path | None = None
    ) -> "RunFolder":
        """A new folder at path; None: runs/<name>-<date>. Raises UsageError if it holds a run
        already or lies inside the folder `data`, and DiskError."""
        said = "--out"
        if path is None:
            said = "the run's folder"
            first = path = Path("runs") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
            number = 2
            while path.exists():  # another run began in the same second
                path, number = first.with_name(f"{first.name}-{number}"), number + 1
        folder = cls(path)
        if data is not None and is_inside(folder.path, Path(data)):
            beside = Path(os.path.realpath(data)).parent  # the data may be ".."
            safe = os.path.relpath(beside / "runs" / folder.path.absolute().name)
            raise UsageError(
                f"{said} {path} lies inside the data {data}, where it could be read as a class; "
                f"--out {safe} is outside"
            )
        folder._is_new = True
        try:
            with writing(path, RUN_ELSEWHERE):
                folder._need_no_run()
                above = folder.path, *folder.path.parents
                folder._made = [each for each in above if not each.exists()]
                folder.path.mkdir(parents=True, exist_ok=True)
        except BaseException:
            folder._remove_folders()
            raise
        return folder

    def _need_no_run(self):
        if self.last.exists():
            raise UsageError(
                f"--out {self.path} holds a run (last.npz); go on with it by --resume {self.path}, "
                "or choose another folder"
            )
        left = [path.name for path in (self.best, self.log) if path.exists()]
        kept = list(self.kept().values())[-1:]
        if left or kept:
            names = " and ".join([*left, *(path.name for path in kept)])
            way = f"go on with it by --resume {kept[0]}, or " if kept else ""
            raise UsageError(
                f"--out {self.path} holds {names} of a run without its last.npz; {way}choose "
                "another folder"
            )

    def kept_at(self, step: int) -> Path:
        """The path of the former checkpoint of this step."""
        return self.path / f"step-{step:06}.npz"

    def kept(self) -> dict[int, Path]:
        """The former checkpoints, {step: path}, oldest first."""
        if not self.path.is_dir():
            return {}
        found = ((_KEPT.fullmatch(path.name), path) for path in self.path.iterdir())
        return dict(sorted((int(match[1]), path) for match, path in found if match))

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Inside the block no other process uses the folder. Files that a killed process left
        unfinished are removed. A new run that has not saved by the end of the block did not begin:
        the folder is left as it was before create(). Raises UsageError if another process uses the
        folder, and DiskError."""
        try:
            with locked(self.path):
                try:
                    if self._is_new:
                        self._need_no_run()  # another process may have been quicker
                    self._remove_unfinished()
                    yield
                finally:
                    if self._is_new and not self.last.exists():
                        for path in (self.options, self.config, self.classes):
                            path.unlink(missing_ok=True)
        finally:
            self._remove_folders()

    def _remove_unfinished(self):
        for path in self.path.iterdir():
            with writing(path, RUN_ELSEWHERE):
                if _UNFINISHED.fullmatch(path.name):
                    path.unlink(missing_ok=True)
                elif path.name.startswith(DRY_RUN):
                    shutil.rmtree(path)

    def _remove_folders(self):
        """Remove the folders that create() made, if they are empty."""
        for path in self._made:
            with contextlib.suppress(OSError):
                path.rmdir()

    def begin(self, options: dict, classes: list[str], config: str) -> None:
        """Write options.json, classes.json and options.toml, whose text is config."""
        for path, value in ((self.options, options), (self.classes, classes)):
            _replace(path, (json.dumps(value, indent=1) + "\n").encode())
        _replace(self.config, config.encode())

    def add_line(self, **figures) -> None:
        """Add a line to log.jsonl, and to the events."""
        with writing(self.log, RUN_ELSEWHERE), open(self.log, "a", encoding="utf-8") as file:
            file.write(json.dumps(figures) + "\n")
        if self.events:
            self.events.add(figures)

    def lines(self) -> list[dict]:
        """The lines of log.jsonl, without those that cannot be read."""
        return [figures for _, figures in self._read_log() if figures]

    def cut_log(self, step: int, epoch: int) -> int:
        """Keep the lines of the first `step` steps and `epoch` epochs. A run that was killed has
        written lines after its last checkpoint. Returns the number of lines that could not be read,
        which are removed too."""
        if not self.log.exists():
            return 0
        lines = self._read_log()
        kept = [
            line
            for line, figures in lines
            if figures
            and figures["step"] <= step
            and ("val_loss" not in figures or figures["epoch"] <= epoch)
        ]
        _replace(self.log, b"".join(kept))
        return sum(figures is None for _, figures in lines)

    def _read_log(self):
        """Pairs of a line, bytes, and its figures; None for a line that is no JSON object with
        `epoch` and `step`. Without an incomplete last line, which a killed process may leave."""
        if not self.log.exists():
            return []
        with open(self.log, "rb") as file:
            return [(line, _figures(line)) for line in file if line.endswith(b"\n")]


class UnwrittenFolder(RunFolder):
    """The folder of a run as ranks other than 0 know it: its paths. They write nothing, and it need
    not be there on their machines."""

    is_written = False

    def in_use(self):
        return contextlib.nullcontext()

    def begin(self, options, classes, config):
        pass

    def add_line(self, **figures):
        pass

    def cut_log(self, step, epoch):
        return 0

    def kept(self):
        return {}


def _figures(line):
    try:
        figures = json.loads(line)
        whole = isinstance(figures["epoch"], int) and isinstance(figures["step"], int)
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return figures if whole else None


def is_inside(path: Path, data: Path) -> bool:
    """Whether the path lies in the folder of the data, or in a folder that is linked there."""
    try:
        with os.scandir(data) as entries:
            folders = [data, *(entry.path for entry in entries if entry.is_dir())]
        places = {(stat.st_dev, stat.st_ino) for stat in map(os.stat, folders)}
        path = Path(os.path.realpath(path))
        above = [os.stat(each) for each in (path, *path.parents) if each.exists()]
    except OSError:  # reading the data, or making the folder, says what is wrong
        return False
    return any((stat.st_dev, stat.st_ino) in places for stat in above)


def _replace(path, content):
    """Write a file whole, or not at all."""
    with writing(path, RUN_ELSEWHERE):
        temporary = path.with_name(f".{path.name}.new")
        temporary.write_bytes(content)
        os.replace(temporary, path)
