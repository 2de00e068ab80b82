"""What all commands share: how they end. An error a user can meet becomes one line on stderr, which
says what to do, and the command's exit code:

    0 done   2 usage   3 data   4 backend not usable   5 loss not finite   6 disk   130 interrupted

Anything else is a mistake in the program and shows its traceback.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator

from alexnet.data import DataError
from tinynet import BackendError

_imported = time.time()


class UsageError(ValueError):
    """Arguments that do not fit together, or not with what they are applied to."""


class NotFinite(ArithmeticError):
    """Training came to numbers that are not finite."""


class DiskError(Exception):
    """A file that cannot be written."""


class Interrupted(Exception):
    """Ctrl-C was pressed and the batch in work is finished."""


EXIT_CODES = {UsageError: 2, DataError: 3, BackendError: 4, NotFinite: 5, DiskError: 6}


def run(command: Callable[[], int], name: str) -> int:
    """The command's exit code; its error, if it ends with one, is the last line on stderr."""
    try:
        return command()
    except tuple(EXIT_CODES) as error:
        code = next(code for kind, code in EXIT_CODES.items() if isinstance(error, kind))
        print(f"{name}: {error}", file=sys.stderr)
        return code
    except OSError as error:
        if error.filename is None:  # not a file of the user's: a closed pipe
            raise
        print(f"{name}: cannot read {error.filename}: {error.strerror}", file=sys.stderr)
        return EXIT_CODES[DataError]
    except MemoryError as error:  # NumPy's and CuPy's too
        about = f" ({error})" if str(error) else ""
        print(
            f"{name}: the memory is full{about}; a smaller --batch-size or --image-size fits",
            file=sys.stderr,
        )
        return EXIT_CODES[UsageError]
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        return 130


@contextlib.contextmanager
def writing(path) -> Iterator[None]:
    """Inside, an OSError is a DiskError that names the path."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise DiskError(
            f"cannot write {path}: {reason}; make room or choose another folder with --out"
        ) from error


class Interrupts:
    """Lets Ctrl-C wait for the end of a batch:

        with Interrupts() as interrupts:
            for batch in interrupts.between(batches): ...

    The first Ctrl-C makes `between` raise Interrupted before it fetches another batch; a second one
    is a KeyboardInterrupt at once. Outside of the main thread, which alone gets signals, nothing is
    caught.
    """

    def __init__(self):
        self.asked = False

    def __enter__(self):
        self._main = threading.current_thread() is threading.main_thread()
        if self._main:
            self._before = signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(self, *error):
        if self._main:
            signal.signal(signal.SIGINT, self._before)

    def _ask(self, *signal_and_frame):
        self.asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def between(self, batches: Iterable) -> Iterator:
        """The batches, until Ctrl-C."""
        batches = iter(batches)
        while True:
            if self.asked:
                raise Interrupted
            try:
                batch = next(batches)
            except StopIteration:
                return
            if self.asked:
                raise Interrupted
            yield batch


def seconds_since_start() -> float:
    """Seconds since this process began, the start of Python included; where the system does not
    tell (it is asked as Linux wants it), since this module was imported."""
    try:
        with open("/proc/self/stat") as file:
            began = file.read().rpartition(")")[2].split()[19]  # in ticks since the machine started
        now = time.clock_gettime(time.CLOCK_BOOTTIME)
        return now - int(began) / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError):
        return time.time() - _imported
