"""When a run is saved, and which of its checkpoints stay.

    last.npz          the newest checkpoint, written after every --save-interval
    step-000500.npz   a former one, of step 500: the newest --keep of them stay

Each file is whole at every moment. A former last.npz gets its second name before the new one takes
its place, and old checkpoints are deleted after that. The second name is a hard link, which takes
neither time nor space; a file system without links gets a copy.

A run may go back to a former checkpoint. The checkpoints of later steps then stay; with --keep,
until the run has come as far again.
"""

import os
import shutil
import time
from pathlib import Path

import tinynet as tn
from alexnet.data.names import printable
from alexnet.errors import RUN_ELSEWHERE, DataError, writing
from alexnet.training.durations import save_interval
from alexnet.training.run_folder import RunFolder
from alexnet.training.saved import check_training
from alexnet.weights import checkpoint as checkpoints
from alexnet.weights.checkpoint import Checkpoint

# Before a validation, which may take minutes, last.npz is written if this many times as long as
# writing it takes has passed.
SAVES_BETWEEN = 20


class Saving:
    """The saves of a run to its folder.

    interval  --save-interval: "500", steps, or "10m"
    keep      how many former checkpoints stay
    ranks     an engine (tinynet/parallel); rank 0 writes, and its clock counts. None: one process
    step      of the last.npz that is there; None: there is none
    seconds   that the last save took
    """

    def __init__(self, folder: RunFolder, interval: str, keep: int, ranks=None):
        self._folder, self._keep = folder, keep
        self._ranks = tn.parallel.Single() if ranks is None else ranks
        self._steps, self._seconds_between = save_interval(interval)
        self._saved_at = time.monotonic()
        self.step, self.seconds = None, 0.0

    def is_due(self, step: int) -> bool:
        """Whether to save after this step, counted from 1. Every rank must ask."""
        if self._steps:
            return step % self._steps == 0
        return self._have_passed(self._seconds_between)

    def is_due_before_validation(self) -> bool:
        """Whether saves would take less than a twentieth of the time. Every rank must ask."""
        seconds = SAVES_BETWEEN * self.seconds
        if self._seconds_between:
            seconds = min(seconds, self._seconds_between)
        return self._have_passed(seconds)

    def _have_passed(self, seconds):
        """Whether rank 0 saved so long ago."""
        is_due = time.monotonic() - self._saved_at >= seconds
        return tn.parallel.any_rank(self._ranks, is_due and self._ranks.rank == 0)

    def save(self, checkpoint: Checkpoint) -> None:
        """Write last.npz; with --keep its predecessor stays. Raises DiskError."""
        began, folder, step = time.monotonic(), self._folder, checkpoint.training["step"]
        if not folder.is_written:
            self.step = step
            return
        if self._keep and self.step not in (None, step):
            _name_too(folder.last, folder.kept_at(self.step))
        checkpoint.save(folder.last, RUN_ELSEWHERE)
        if self._keep:
            self._delete_old(step)
        self.step = step
        self._saved_at = time.monotonic()
        self.seconds = self._saved_at - began

    def _delete_old(self, step):
        """Delete all former checkpoints but the newest ones, and those that another way of this run
        left between its last save and this one, which is of this step."""
        former = [(at, path) for at, path in self._folder.kept().items() if at < step]
        left = [path for at, path in former if self.step is not None and at > self.step]
        own = [path for _, path in former if path not in left]
        for path in (*own[: -self._keep], *left):
            with writing(path, RUN_ELSEWHERE):
                path.unlink()


def go_back(folder: RunFolder, file: Path, step: int) -> list[str]:
    """Let last.npz be this checkpoint of the folder, which is of this step. The last.npz so far
    gets the name of its own step. Returns lines that tell what became of newer checkpoints. Raises
    DiskError."""
    if folder.last.exists() and os.path.samefile(file, folder.last):
        return []
    remarks = [f"goes on from {printable(file.name)}, step {step}; log.jsonl ends there again"]
    if folder.last.exists():
        try:
            last = checkpoints.load(folder.last)
            check_training(last)
        except DataError as error:
            remarks.append(f"in place of a last.npz that cannot be used: {error}")
        else:
            kept = folder.kept_at(last.training["step"])
            if kept.exists() and os.path.samefile(kept, file):
                remarks.append("in place of last.npz, which is of the same step")
            else:
                _name_too(folder.last, kept)
                remarks.append(f"last.npz, of step {last.training['step']}, is now {kept.name}")
    _name_too(file, folder.last)
    later = [path.name for at, path in folder.kept().items() if at > step]
    if later:
        remarks.append(f"checkpoints of later steps stay for now: {', '.join(later)}")
    return remarks


def _name_too(file, name):
    """Give a file a second name, whole or not at all."""
    temporary = name.with_name(f".{name.name}.new")
    with writing(name, RUN_ELSEWHERE):
        temporary.unlink(missing_ok=True)
        try:
            try:
                os.link(file, temporary)
            except OSError:  # no links here; if the disk is full, the copy says so
                _copy(file, temporary)
            os.replace(temporary, name)
        finally:  # where both names are one file already, replace leaves both
            temporary.unlink(missing_ok=True)


def _copy(file, name):
    shutil.copyfile(file, name)
    with open(name, "rb") as copy:
        os.fsync(copy.fileno())
