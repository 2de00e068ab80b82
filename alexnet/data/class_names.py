"""Names of classes from a file: a name on each line, in the order of a network's outputs.

    tench                                   the class is the line
    n01440764 tench, Tinca tinca            the class is the wnid, the rest is its name

ImageNet's lists (synset_words.txt) are of the second kind. Lists of its names alone have "crane"
and "maillot" twice: a name that stands in several lines gets the number of its output, from 0:
"crane (134)" is the bird and "crane (517)" the machine.
"""

import re
from collections import Counter
from pathlib import Path

from alexnet.data.names import printable
from alexnet.errors import DataError

MOST_BYTES = 1 << 22  # the record of a checkpoint holds no more
_WNID = re.compile(r"(?:\d+\t)?(n\d{8})[ \t]+(\S.*)")  # some lists number their lines first


def read_class_names(path: str | Path) -> tuple[list[str], dict[str, str]]:
    """(classes, {class: name} of those that are wnids). Raises DataError for a file that cannot be
    read, is no list in lines, or names a wnid twice."""
    name = printable(path)
    try:
        if not Path(path).is_file():
            raise DataError(f"class names: {name} is not there, or no file")
        with open(path, "rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise DataError(f"class names: {name} cannot be read: {error.strerror}") from error
    if len(data) > MOST_BYTES:
        raise DataError(f"class names: {name} has more than {MOST_BYTES:,} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"class names: {name} is no text in UTF-8 ({error.reason})") from error
    # str.splitlines would also split at letters that a name may hold.
    lines = [line.strip() for line in re.split(r"\r\n|\n|\r", text) if line.strip()]
    if lines and lines[0][0] in "{[":
        raise DataError(f"class names: {name} is JSON or Python; a name on each line fits")
    if len(lines) > 1 and not _WNID.match(lines[0]) and all(map(_WNID.match, lines[1:])):
        lines = lines[1:]  # the names of the columns
    matches = [_WNID.fullmatch(line) for line in lines]
    if lines and all(matches):
        classes = [match[1] for match in matches]
        words = {match[1]: match[2] for match in matches}
    else:
        classes, words = _told_apart(lines), {}
    _check_each_once(classes, name)
    return classes, words


def _told_apart(lines):
    counts = Counter(lines)
    return [f"{line} ({i})" if counts[line] > 1 else line for i, line in enumerate(lines)]


def _check_each_once(classes, name):
    if not classes:
        raise DataError(f"class names: {name} is empty")
    seen = {}
    for number, each in enumerate(classes, start=1):
        if each in seen:
            raise DataError(
                f"class names: {name} names {printable(each)!r} as class {seen[each]} and class "
                f"{number}; each class needs its own name"
            )
        seen[each] = number
