"""The end of every command: an error that a user can meet becomes a message on stderr and an exit
code of errors.py; a mistake in the program keeps its traceback."""

import sys
from collections.abc import Callable

from alexnet.errors import EXIT_CODES, INTERRUPTED, DataError, UsageError


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
            f"{name}: the memory is full{about}; a smaller --batch-size or --image-size fits",
            file=sys.stderr,
        )
        return EXIT_CODES[UsageError]
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        return INTERRUPTED
