"""Files that a command writes beside its output: whole or not at all, and never over an input."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from alexnet.data.names import printable
from alexnet.errors import UsageError, writing
from tinynet.serialization import replacing


def keep_inputs(new: str, inputs: Iterable[str | Path]) -> None:
    """Raise UsageError if the file that is to be written is one of these files, by a link too."""
    place, identity = os.path.realpath(new), _identity(new)
    for path in inputs:
        # An input that does not exist yet would be an input of the next call.
        if (_identity(path) == identity) if identity else os.path.realpath(path) == place:
            raise UsageError(
                f"{printable(new)} would overwrite {printable(path)}, which this command reads; "
                "give the new file another name"
            )


def keep_images(new: str, dataset) -> None:
    """Raise UsageError if the file that is to be written is one of a dataset's images. A file that
    does not exist yet is none, so a million paths are compared only where that may matter."""
    if os.path.exists(new):
        keep_inputs(new, getattr(dataset, "paths", ()))


def _identity(path):
    with contextlib.suppress(OSError):
        status = os.stat(path)
        return status.st_dev, status.st_ino


@contextlib.contextmanager
def written_whole(path: str) -> Iterator[BinaryIO]:
    """`with written_whole(path) as file:` a new file, which takes its name at the end of the block.
    If the block raises, an older file of that name stays. Raises DiskError if it cannot be
    written."""
    with writing(path), replacing(path) as file:
        yield file


@contextlib.contextmanager
def drawn_whole(path: str) -> Iterator[BinaryIO]:
    """As written_whole, for a picture by matplotlib, whose errors are UsageErrors."""
    with written_whole(path) as file:
        try:
            yield file
        except (OSError, MemoryError):
            raise
        except Exception as error:  # matplotlib's fonts and backends can raise anything
            raise UsageError(
                f"{path} could not be drawn ({type(error).__name__}: {error}); is matplotlib whole?"
            ) from error
