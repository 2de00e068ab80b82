"""The errors that a user can meet, and the exit codes of the commands:

    0 done   2 usage   3 data   4 backend not usable   5 loss not finite   6 disk   130 interrupted

Each message names the fault and says what would fit. cli/ending.py turns errors into exit codes,
also a file that cannot be read (3), full memory (2) and Ctrl-C (130). Any other exception is a
mistake in the program and shows its traceback.
"""

import contextlib
from collections.abc import Iterator

from tinynet import BackendError


class UsageError(ValueError):
    """Arguments that do not fit together, or do not fit the run or the machine."""


class DataError(ValueError):
    """Data that cannot be used; the message names the file or folder."""


class NotFinite(ArithmeticError):
    """Training produced a loss or weights that are not finite."""


class DiskError(Exception):
    """A file that cannot be written."""


EXIT_CODES = {UsageError: 2, DataError: 3, BackendError: 4, NotFinite: 5, DiskError: 6}
INTERRUPTED = 130


@contextlib.contextmanager
def writing(path) -> Iterator[None]:
    """Inside the block, an OSError becomes a DiskError that names the path."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise DiskError(
            f"cannot write {path}: {reason}; make room or choose another folder with --out"
        ) from error
