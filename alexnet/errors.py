"""The errors that a user can meet, and the exit codes that commands end with:

    0 done   2 usage   3 data   4 backend not usable   5 loss not finite   6 disk   130 interrupted

Each message names what is wrong and says what would fit. Any other exception is a mistake in the
program and shows its traceback (cli/ending.py).
"""

import contextlib
from collections.abc import Iterator

from tinynet import BackendError


class UsageError(ValueError):
    """Arguments that do not fit together, or not with what they are applied to."""


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
