"""The images that a command is given: files, folders, and a list on standard input."""

import os
import sys
from collections.abc import Iterable, Iterator

from alexnet.cli import ending
from alexnet.data.folder import images_in
from alexnet.data.names import printable
from alexnet.errors import DataError


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


def image_paths(arguments: Iterable[str], faults: Faults) -> Iterator[str]:
    """The image files of the arguments: files, folders, and "-" for a list on standard input."""
    for argument in arguments:
        if argument == "-":
            yield from image_paths(_lines_of_stdin(faults), faults)
        elif os.path.isdir(argument):
            try:
                yield from images_in(argument)
            except DataError as error:
                faults.add(argument, error)
        else:
            yield argument


def _lines_of_stdin(faults):
    if hasattr(sys.stdin, "reconfigure"):  # names of files need not be UTF-8
        sys.stdin.reconfigure(errors="surrogateescape")
    empty = True
    for line in sys.stdin or ():  # Python has no stdin if the shell closed it
        path = line.rstrip("\r\n")
        if empty:  # Windows begins files with a mark
            path = path.removeprefix("\ufeff")
        if "\0" in path:
            faults.add("-", "standard input has a zero byte; it should list paths, one a line")
            return
        if path:
            empty = False
            yield path if path != "-" else "./-"
    if empty:
        faults.add("-", "standard input lists no images")
