"""Open a file of another program: whatever is wrong with it is a DataError in words."""

import contextlib
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from alexnet.data.names import printable
from alexnet.errors import DataError, UsageError


@contextlib.contextmanager
def reading(path: str | Path, kind: str, fits: str) -> Iterator[BinaryIO]:
    """The open file. Inside the block every error becomes a DataError that names the path.

    kind  what the file should be: "a PyTorch state dict"
    fits  what would fit, the end of the message
    A damaged file can raise nearly anything in a reader. Full memory stays what it is, and so does
    the UsageError of a missing package.
    """
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):  # a pipe would be waited for
            raise DataError("it is a folder, a pipe or a device, not a file")
        with open(path, "rb") as file:
            yield file
    except (MemoryError, UsageError):
        raise
    except Exception as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        reason = printable(reason[:300])  # Python may quote the whole file
        raise DataError(f"{printable(path)} cannot be read as {kind}: {reason}; {fits}") from error
