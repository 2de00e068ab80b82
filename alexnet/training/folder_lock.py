"""A lock on a run folder, so that two processes never write to one run.

The system keeps the lock and takes it back when the process ends, however it ends. The lock is on a
file in the folder, which names the process and is removed at the end. Windows, and some network
file systems, have no such locks: there two processes are not kept apart.
"""

import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from alexnet.errors import RUN_ELSEWHERE, UsageError, writing

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

LOCK = ".lock"


@contextlib.contextmanager
def locked(
    folder: Path, other: str = "or choose another folder with --out", remedy: str = RUN_ELSEWHERE
) -> Iterator[None]:
    """Hold the lock of this folder inside the block. Raises UsageError if another process holds it,
    and DiskError.

    other, remedy  the ends of their messages: what else to do
    """
    path = folder / LOCK
    with writing(path, remedy):
        descriptor = _open_locked(path, folder, other)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # the folder may be gone
            os.unlink(path)  # before the lock ends: nobody else's file can be there
        os.close(descriptor)


def _open_locked(path, folder, other):
    """The descriptor of the locked file."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(descriptor, folder, other)
            # The process before us may have removed the file after we opened it.
            if path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lock(descriptor, folder, other):
    if fcntl is None:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            holder = os.read(descriptor, 100).decode(errors="replace") or "another process"
            raise UsageError(
                f"{folder} is in use by {holder}; wait for its end, {other}"
            ) from error
        if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL):
            raise
