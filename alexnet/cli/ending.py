"""The end of every command: an error that a user can meet becomes a message on stderr and an exit
code:

    0 done   2 usage   3 data   4 backend not usable   5 loss not finite   6 disk
    7 another rank   130 Ctrl-C   143 SIGTERM   129 SIGHUP
    141 stdout is a closed pipe, as in `| head`

A file that cannot be read counts as data, full memory as usage, a stdout on a full disk as disk. A
closed pipe ends without a message. Codes above 128 are 128 + the signal, as a shell reports them.
Any other exception is a mistake in the program and shows its traceback.
"""

import contextlib
import errno
import os
import signal
import sys
from collections.abc import Callable

from alexnet.cli import launcher
from alexnet.cli.interrupts import SIGNALS, Terminated, end_at_once, handled_by
from alexnet.data.names import printable
from alexnet.errors import DataError, DiskError, NotFinite, UsageError
from tinynet import BackendError
from tinynet.parallel import ParallelError

EXIT_CODES = {
    UsageError: 2, DataError: 3, BackendError: 4, NotFinite: 5, DiskError: 6, ParallelError: 7
}  # fmt: skip
CLOSED_PIPE = 141

# What writing to stdout can raise. Errors of files carry the file's name, this one does not.
_STDOUT_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG, errno.EAGAIN)


def run(command: Callable[[], int], name: str, on_ranks: bool = False) -> int:
    """Run the command and return its exit code. If an error ends it, the command's name and the
    message are the last output on stderr.

    on_ranks  whether it may run as several processes of mpiexec (launcher.py)
    """
    if on_ranks:
        return launcher.run_as_rank(lambda command: _run(command, name), command)
    refused = launcher.refuse_ranks(name)
    if refused:
        say(f"{name}: {refused}")
        return EXIT_CODES[UsageError]
    return _run(command, name)


def _run(command, name):
    if hasattr(sys.stdout, "reconfigure"):  # names that stdout cannot encode are shown escaped
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with handled_by(end_at_once, set(SIGNALS) - {signal.SIGINT}):
            code = command()
            if code == 0 and sys.stdout is not None:
                sys.stdout.flush()
            return code
    except tuple(EXIT_CODES) as error:
        say(f"{name}: {error}")
        return next(code for kind, code in EXIT_CODES.items() if isinstance(error, kind))
    except OSError as error:
        return _os_error(error, name)
    except MemoryError as error:  # NumPy and CuPy raise it too
        about = f" ({error})" if str(error) else ""
        say(f"{name}: the memory is full{about}; a smaller --batch-size or --image-size needs less")
        return EXIT_CODES[UsageError]
    except KeyboardInterrupt as error:
        code, how = stopped(error.number if isinstance(error, Terminated) else signal.SIGINT)
        say(f"{name}: {how}")
        return code
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):  # rich ends so, with code 1
            return CLOSED_PIPE
        raise
    finally:
        for stream in (sys.stdout, sys.stderr):
            _empty(stream)


def _os_error(error, name):
    if isinstance(error, BrokenPipeError):
        return CLOSED_PIPE
    if error.filename is not None:
        say(f"{name}: cannot read {error.filename}: {error.strerror}")
        return EXIT_CODES[DataError]
    if error.errno in _STDOUT_ERRORS:
        say(f"{name}: cannot write to stdout: {error.strerror}")
        return EXIT_CODES[DiskError]
    raise error


def stopped(cause: int | OSError) -> tuple[int, str]:
    """The exit code of a command that was asked to stop, and how it was asked, in words.

    cause  the signal's number, or the OSError of a stdout that cannot be written
    """
    if isinstance(cause, BrokenPipeError):
        return CLOSED_PIPE, "interrupted by a closed stdout"
    if isinstance(cause, OSError):
        return EXIT_CODES[DiskError], f"interrupted by an error of stdout ({cause.strerror})"
    by = "" if cause == signal.SIGINT else f" by {signal.Signals(cause).name}"
    return 128 + cause, f"interrupted{by}"


def say(text: str) -> None:
    """Print a message on stderr, if there is one. Control characters, as in the name of a file,
    are shown escaped."""
    if sys.stderr is None:  # print would take stdout
        return
    with contextlib.suppress(OSError):
        print("\n".join(map(printable, text.split("\n"))), file=sys.stderr, flush=True)


def _empty(stream):
    """Write the text that a stream still holds. If that fails, Python would try again at its end
    and report it with exit code 120: let the text go nowhere instead."""
    try:
        if stream is not None:
            stream.flush()
    except (OSError, ValueError):  # ValueError: the stream is closed
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
