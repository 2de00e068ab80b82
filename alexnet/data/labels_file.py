"""The classes of validation images that lie together in one folder, from the file that comes with
them.

    val_annotations.txt     val_0.JPEG<TAB>n03444034<TAB>0<TAB>32<TAB>44<TAB>62    Tiny ImageNet
    LOC_val_solution.csv    ILSVRC2012_val_00000001,n01751748 111 108 441 193      Kaggle's ImageNet
    val.txt                 ILSVRC2012_val_00000001.JPEG 65                        Caffe's ImageNet
    ILSVRC2012_validation_ground_truth.txt    490                                  the devkit's

A number of val.txt, from 0, is a place in synsets.txt, a wnid on each line, where that file lies
beside; else in the sorted wnids, as in Caffe. The devkit's numbers, from 1, have an order of their
own, which its map_clsloc.txt tells: n02119789 1 kit_fox. Line k there belongs to image number k.

Source: the four data sets; docs/facts.md, section 9.
"""

import os
import re
from collections.abc import Callable, Iterable

from alexnet.data.names import printable
from alexnet.errors import DataError

MOST_BYTES = 1 << 26  # fifteen times ImageNet's
ORDER, DEVKIT_ORDER = "synsets.txt", "map_clsloc.txt"
_WNID = re.compile(r"n\d{8}")


def find_labels_file(folders: Iterable[str]) -> str | None:
    """The path of the one labels file in these folders, or None. Raises DataError for two."""
    paths = [os.path.join(folder, name) for folder in folders for name in _READERS]
    found = [path for path in paths if os.path.isfile(path)]
    if len(found) > 1:
        names = " and ".join(map(printable, found))
        raise DataError(f"{names} both tell the classes of the validation images; keep one")
    return found[0] if found else None


def read_labels(path: str, names: list[str], classes: list[str]) -> list[str]:
    """The class of each image.

    path     of a file that find_labels_file found
    names    of the image files, as in their folder, sorted
    classes  of the training images, sorted
    Raises DataError for a file that cannot be read, that labels other images than these, or in
    other classes, and for numbers whose order it does not tell.
    """
    labels = _READERS[os.path.basename(path)](path, names, classes)
    unlabelled = [name for name in names if name not in labels]
    if unlabelled or len(labels) > len(names):
        missing = sorted(set(labels) - set(names))
        raise DataError(
            f"{printable(path)} and the images differ: "
            f"images without a label: {_some(unlabelled)}; labels without an image: "
            f"{_some(missing)}; make them fit"
        )
    unknown = sorted(set(labels.values()) - set(classes))
    if unknown:
        raise DataError(
            f"{printable(path)} has images of classes that no training folder has: "
            f"{_some(unknown)}; remove these images and their lines, or add the classes"
        )
    return [labels[name] for name in names]


def _some(names):
    more = f", ... ({len(names):,} in all)" if len(names) > 3 else ""
    return ", ".join(map(printable, names[:3])) + more or "none"


# --- the four files: {file name: class} ---------------------------------------------------------


def _annotations(path, names, classes):
    return _unique(path, (_fields(path, line, "\t", 2)[:2] for line in _lines(path)))


def _solution(path, names, classes):
    files = dict(_unique(path, ((os.path.splitext(name)[0], name) for name in names)))
    lines = _lines(path)
    if not lines or lines[0] != "ImageId,PredictionString":
        raise DataError(f"{printable(path)} does not begin with ImageId,PredictionString")

    def pairs():
        for line in lines[1:]:
            image, boxes = _fields(path, line, ",", 2)[:2]
            wnids = set(boxes.split()[::5])  # each box is a wnid and four numbers
            if len(wnids) != 1:
                raise DataError(
                    f"{printable(path)}: {printable(image)} has the classes {_some(sorted(wnids))};"
                    " one fits"
                )
            yield files.get(image, image), wnids.pop()

    return _unique(path, pairs())


def _numbered(path, names, classes):
    order = os.path.join(os.path.dirname(path), ORDER)
    if os.path.isfile(order):
        wnids = [line.split()[0] for line in _lines(order)]
        _unique(order, ((wnid, wnid) for wnid in wnids))
    elif all(map(_WNID.fullmatch, classes)):
        wnids = classes
    else:
        raise DataError(
            f"{printable(path)} numbers classes that are no wnids, so their order is not known; "
            f"put {ORDER} beside it, a class on each line in the order of the numbers"
        )
    pairs = [line.rsplit(None, 1) for line in _lines(path)]
    numbers = [_number(path, pair[-1]) for pair in pairs]
    if numbers and max(numbers) >= len(wnids):
        raise DataError(
            f"{printable(path)} has the number {max(numbers)}; {len(wnids)} classes have the "
            f"numbers 0 to {len(wnids) - 1}; if they are some of more classes, put {ORDER} beside "
            "it, a wnid on each line in the order of the numbers"
        )
    if 0 not in numbers:
        raise DataError(
            f"{printable(path)} has no image with the number 0, so its numbers may begin with 1; "
            "in Caffe's files the first class has 0; val_annotations.txt (file name, tab, class) "
            "leaves no doubt"
        )
    named = ((pair[0], wnids[number]) for pair, number in zip(pairs, numbers, strict=True))
    return _unique(path, named)


def _ground_truth(path, names, classes):
    order = os.path.join(os.path.dirname(path), DEVKIT_ORDER)
    if not os.path.isfile(order):
        raise DataError(
            f"{printable(path)} holds numbers in the order of the devkit's synsets, which is not "
            f"the order of the wnids; put the devkit's {DEVKIT_ORDER} beside it (n02119789 1 "
            "kit_fox, ...), or in its place val.txt or LOC_val_solution.csv"
        )
    rows = [_fields(order, line, None, 2) for line in _lines(order)]
    wnids = _unique(order, ((_number(order, row[1]), row[0]) for row in rows))
    lines = _lines(path)
    if len(lines) != len(names):
        raise DataError(
            f"{printable(path)} has {len(lines):,} lines for {len(names):,} images; line k belongs "
            "to image number k, so all images are needed"
        )
    labels = {}
    for place, name in enumerate(names):
        if not re.fullmatch(rf"\w+_val_0*{place + 1}\.\w+", name):
            raise DataError(
                f"{printable(path)}: image {place + 1} is {printable(name)}, should be "
                f"ILSVRC2012_val_{place + 1:08}.JPEG: line k belongs to image number k"
            )
        number = _number(path, lines[place])
        if number not in wnids:
            raise DataError(f"{printable(path)}: {printable(order)} has no class {number}")
        labels[name] = wnids[number]
    return labels


_READERS: dict[str, Callable[[str, list[str], list[str]], dict[str, str]]] = {
    "val_annotations.txt": _annotations,
    "LOC_val_solution.csv": _solution,
    "val.txt": _numbered,
    "ILSVRC2012_validation_ground_truth.txt": _ground_truth,
}
LABELS_FILES = tuple(_READERS)


# --- lines ----------------------------------------------------------------------------------------


def _lines(path):
    """The lines that are not empty."""
    name = printable(path)
    try:
        with open(path, "rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise DataError(f"{name} has more than {MOST_BYTES:,} bytes; it is no labels file")
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{name} is no text in UTF-8 ({error.reason})") from error
    return [line.strip() for line in re.split(r"\r\n|\n|\r", text) if line.strip()]


def _fields(path, line, separator, least):
    fields = line.split(separator)
    if len(fields) < least:
        raise DataError(f"{printable(path)}: the line {printable(line[:80])!r} is no label")
    return fields


def _number(path, text):
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise DataError(f"{printable(path)}: {printable(text[:80])!r} is no number of a class")
    return int(text)


def _unique(path, pairs):
    """A dict. Raises DataError for a key that comes twice."""
    found = {}
    for key, value in pairs:
        if key in found:
            raise DataError(f"{printable(path)} has {printable(key)} twice; remove one")
        found[key] = value
    return found
