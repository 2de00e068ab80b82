"""--resume auto: the newest checkpoint that a run can go on from.

The run that was saved last is looked at first, and in it last.npz, then the former checkpoints that
--keep left, newest first. A run is passed over if it is finished, in use, or does not fit the flags
of the command; a damaged file gives way to the next one of its run.
"""

from collections.abc import Callable
from pathlib import Path

from alexnet.data.names import printable
from alexnet.errors import DataError, DiskError, UsageError
from alexnet.training.run_folder import RunFolder
from alexnet.training.saved import check_training
from alexnet.weights import checkpoint
from alexnet.weights.checkpoint import Checkpoint

SHOWN = 5  # names of older checkpoints
_HOW_TO_START = "without --resume, the same command starts a run"


def newest(place: Path, check: Callable[[Checkpoint], None]) -> tuple[Path, list[str]]:
    """The file to go on from, and lines that tell it and what was passed over.

    place  a run folder, or a folder of run folders
    check  raises UsageError for a checkpoint that does not fit the flags of the command
    Raises DataError if there is none.
    """
    if not place.is_dir():
        raise DataError(f"--resume auto: there is no folder {printable(place)}; {_HOW_TO_START}")
    runs = [RunFolder(path) for path in (place, *place.iterdir()) if path.is_dir()]
    runs = sorted(filter(_files, runs), key=_saved_at, reverse=True)
    passed = []
    for number, run in enumerate(runs):
        saved = _usable(run, check, passed)
        if saved:
            file, files = saved.path, _files(run)
            older = files[files.index(file) + 1 :]
            older += [_files(other)[0] for other in runs[number + 1 :]]
            taken = f"takes {printable(file)}, step {saved.training['step']}"
            return file, [taken, *passed, *_older(older)]
    lines = [
        f"--resume auto found no checkpoint to go on from in {printable(place)} and its folders",
        *(f"  {line}" for line in passed),
        _HOW_TO_START,
    ]
    raise DataError("\n".join(lines))


def _files(run):
    """The checkpoints of a folder, newest first."""
    last = [run.last] if run.last.exists() else []
    return last + list(reversed(run.kept().values()))


def _saved_at(run):
    return max(file.stat().st_mtime_ns for file in _files(run))


def _usable(run, check, passed):
    """The newest checkpoint of this run that a command can go on from, or None. Lines on the others
    are added to `passed`."""
    try:
        with run.in_use():
            for file in _files(run):
                try:
                    saved = checkpoint.load(file)
                    if saved.options:  # else it holds no training, which check() refuses
                        check_training(saved)
                except DataError as error:
                    passed.append(f"passed over, damaged: {error}")
                    continue
                check(saved)
                return saved
    except (UsageError, DiskError) as error:
        passed.append(f"passed over {printable(run.path)}: {error}")
    return None


def _older(files):
    names = ", ".join(map(printable, files[:SHOWN])) + (", ..." if len(files) > SHOWN else "")
    return [f"passed over, older: {names}"] if files else []
