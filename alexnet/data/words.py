"""Names of classes that are WordNet numbers (wnids), as ImageNet's classes are.

    n01443537<TAB>goldfish, Carassius auratus      a line of words.txt
    n01443537 goldfish, Carassius auratus          a line of LOC_synset_mapping.txt

ImageNet and Tiny ImageNet come with such files.
"""

import os
from pathlib import Path

from alexnet.data.class_names import read_class_names
from alexnet.data.names import printable
from alexnet.errors import DataError

# Files that lie beside the data; the first that names a class is taken.
_LISTS = ("LOC_synset_mapping.txt", "synset_words.txt", "imagenet_classes.tsv")
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
    """The names of classes: from the file `argument`, else the network's own, else from a words
    file in the folder `data`, else none ({})."""
    if argument is not None:
        return read_words(argument, classes)
    return own or (words_beside(data, classes) if data else {})


def words_beside(folder: str | Path, classes: list[str]) -> dict[str, str]:
    """The names of classes from words.txt in this folder, else from a list of classes in it whose
    lines are wnids and names, else none ({})."""
    readers = {"words.txt": lambda path: read_words(path, classes)}
    readers |= dict.fromkeys(_LISTS, lambda path: read_class_names(path)[1])
    for name, read in readers.items():
        path = os.path.join(folder, name)
        try:
            words = read(path) if os.path.isfile(path) else {}
        except DataError:  # a file of that name that is about something else
            continue
        words = {wnid: word for wnid, word in words.items() if wnid in classes}
        if words:
            return words
    return {}


def shown(name: str, words: dict[str, str]) -> str:
    """A class as people read it: "goldfish (n01443537)", or its name alone; printable."""
    word = words.get(name, "").partition(",")[0].strip()
    return printable(f"{word} ({name})" if word else name)
