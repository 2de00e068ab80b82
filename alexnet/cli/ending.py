"""The end of every command: an error that a user can meet becomes a message on stderr and an exit
code:

    0 done   2 usage   3 data   4 backend not usable   5 loss not finite   6 disk   130 interrupted

A file that cannot be read counts as data, full memory as usage. Any other exception is a mistake in
the program and shows its traceback.
"""

import sys
from collections.abc import Callable

from alexnet.errors import DataError, DiskError, NotFinite, UsageError
from tinynet import BackendError

EXIT_CODES = {UsageError: 2, DataError: 3, BackendError: 4, NotFinite: 5, DiskError: 6}
INTERRUPTED = 130


def run(command: Callable[[], int], name: str) -> int:
    """Run the command and return its exit code. If an error ends it, the command's name and the
    message are the last output on stderr."""
    try:
        return command()
    except tuple(EXIT_CODES) as error:
        code = next(code for kind, code in EXIT_CODES.items() if isinstance(error, kind))
        print(f"{name}: {error}", file=sys.stderr)
        return code
    except OSError as error:
        if error.filename is None:  # not a file, for example a closed pipe
            raise
        print(f"{name}: cannot read {error.filename}: {error.strerror}", file=sys.stderr)
        return EXIT_CODES[DataError]
    except MemoryError as error:  # NumPy and CuPy raise it too
        about = f" ({error})" if str(error) else ""
        print(
            f"{name}: the memory is full{about}; a smaller --batch-size or --image-size needs less",
            file=sys.stderr,
        )
        return EXIT_CODES[UsageError]
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        return INTERRUPTED
