"""The images that a command is given: files, folders, and a list on standard input."""

import os
import sys
from collections.abc import Iterable, Iterator

from alexnet.cli import ending
from alexnet.data.folder import images_in
from alexnet.data.names import printable
from alexnet.errors import DataError

PIECE = 1 << 16  # characters that are read at once, at most


class Faults:
    """The paths that could not be answered. Each is named on stderr at once.

    command  its name, for the messages
    """

    def __init__(self, command: str):
        self._command, self.count, self.first = command, 0, []

    def add(self, path, error) -> None:
        """Say what is wrong with a path."""
        self.count += 1
        if self.count <= 5:
            self.first.append(printable(path))
        ending.say(f"{self._command}: {printable(error)}")

    def raise_if_any(self) -> None:
        """Raise DataError if there was a fault."""
        if self.count:
            names = ", ".join(self.first) + (", ..." if self.count > len(self.first) else "")
            what = "one path was" if self.count == 1 else f"{self.count:,} paths were"
            raise DataError(f"{what} not answered, the reason is above: {names}")


def image_paths(arguments: Iterable[str], faults: Faults, null: bool = False) -> Iterator[str]:
    """The image files of the arguments: files, folders, and "-" for a list on standard input.

    null  paths in the list end in zero bytes instead of lines
    """
    for argument in arguments:
        if argument == "-":
            yield from image_paths(_listed(faults, null), faults)
        elif os.path.isdir(argument):
            try:
                yield from images_in(argument)
            except DataError as error:
                faults.add(argument, error)
        else:
            yield argument


def _listed(faults, null):
    """The paths on standard input, as they come. An empty path or line is none."""
    if hasattr(sys.stdin, "reconfigure"):
        # Names of files need not be UTF-8, and may hold a carriage return.
        sys.stdin.reconfigure(errors="surrogateescape", newline="\n")
    empty = True
    try:
        for path in _parts_of_stdin("\0" if null else "\n"):
            if not null:
                path = path.removesuffix("\r")
                if empty:  # Windows begins files with a mark
                    path = path.removeprefix("\ufeff")
                if "\0" in path:
                    faults.add(
                        "-", "standard input has a zero byte; it should list paths, one a line, or "
                        "with -0 paths that each end in one",
                    )  # fmt: skip
                    return
            if path:
                empty = False
                yield path if path != "-" else "./-"
    except OSError as error:
        faults.add("-", f"standard input cannot be read: {error.strerror}")
        return
    if empty:
        faults.add("-", "standard input lists no images")


def _parts_of_stdin(end):
    """The text between ends; the last part needs none."""
    rest = ""
    # readline gives a list that someone types line by line, and of one without lines a piece.
    while sys.stdin and (piece := sys.stdin.readline(PIECE)):  # None: the shell closed it
        *parts, rest = (rest + piece).split(end)
        yield from parts
    yield rest
