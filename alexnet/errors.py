"""The errors that a user can meet; tinynet.BackendError is one more.

Each message names the fault and says what would fit. cli/ending.py turns errors into exit codes.
"""

import contextlib
from collections.abc import Iterator


class UsageError(ValueError):
    """Arguments that do not fit together, or do not fit the run or the machine."""


class DataError(ValueError):
    """Data that cannot be used; the message names the file or folder."""


class NotFinite(ArithmeticError):
    """Training produced a loss or weights that are not finite."""


class DiskError(Exception):
    """A file that cannot be written."""


ELSEWHERE = "make room, or write to another folder"
RUN_ELSEWHERE = (
    "make room, or use another folder: --out for a new run, a copy of the folder for --resume"
)


@contextlib.contextmanager
def writing(path, remedy: str = ELSEWHERE) -> Iterator[None]:
    """Inside the block, an OSError becomes a DiskError that names the path and the remedy."""
    try:
        yield
    except OSError as error:
        raise DiskError(f"cannot write {path}: {error.strerror or error}; {remedy}") from error
