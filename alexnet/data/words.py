"""Names of classes that are WordNet numbers (wnids), as ImageNet's classes are.

    n01443537<TAB>goldfish, Carassius auratus      a line of words.txt

ImageNet and Tiny ImageNet come with such a file.
"""

import os
from pathlib import Path

from alexnet.data.names import printable
from alexnet.errors import DataError

_LONGEST_LINE = 1 << 16  # bytes; a longer one is cut, so that no file takes much memory


def read_words(path: str | Path, classes: list[str]) -> dict[str, str]:
    """{class: name} of the classes that a words file names. Raises DataError if the file cannot be
    read or names none of them."""
    wanted, words = set(classes), {}
    try:
        if not os.path.isfile(path):
            raise DataError(f"words file {path} is not there, or no file")
        with open(path, "rb") as file:
            while line := file.readline(_LONGEST_LINE):
                number, tab, name = (
                    line.decode("utf-8", "replace").strip().removeprefix("\ufeff").partition("\t")
                )
                if tab and number in wanted:
                    words.setdefault(number, name.strip())
    except OSError as error:
        raise DataError(f"words file {path} cannot be read: {error.strerror}") from error
    if not words:
        raise DataError(
            f"words file {path} names none of the {len(classes)} classes; it needs lines of a "
            f"class, a tab and a name, such as {classes[0]}<TAB>name"
        )
    return words


def words_for(
    argument: str | None,
    data: str | None,
    classes: list[str],
    own: dict[str, str] | None = None,
) -> dict[str, str]:
    """The names of classes: from the file `argument`, else the network's own, else from words.txt
    in the folder `data`, else none ({})."""
    if argument is not None:
        return read_words(argument, classes)
    beside = os.path.join(data or "", "words.txt")
    try:
        return own or (read_words(beside, classes) if data and os.path.isfile(beside) else {})
    except DataError:  # a file of that name that is about something else
        return {}


def shown(name: str, words: dict[str, str]) -> str:
    """A class as people read it: "goldfish (n01443537)", or its name alone; printable."""
    word = words.get(name, "").partition(",")[0].strip()
    return printable(f"{word} ({name})" if word else name)
