"""A folder that holds the images of one class: its class, its images."""

import os
import unicodedata

from alexnet.data.directory import Contents, Directory, describe_left_out
from alexnet.data.names import printable, valid_text
from alexnet.data.split_names import split_of
from alexnet.errors import DataError


def class_name(folder_name: str) -> str:
    """The folder's name as text that UTF-8 encodes, in Unicode's composed form (NFC): systems store
    an accented letter in different forms."""
    return unicodedata.normalize("NFC", valid_text(folder_name))


def folder_class(path: str) -> str:
    """The class of an image file if it lies in a class folder: the name of its folder, or, as in
    tiny-imagenet, of the folder that holds images/."""
    folder = os.path.dirname(os.path.abspath(path))
    if os.path.basename(folder) == "images":
        folder = os.path.dirname(folder)
    return class_name(os.path.basename(folder))


def class_images(folder: Directory) -> Contents:
    """The Contents of a class folder. Raises DataError if it is no class folder, or holds no
    images."""
    where, contents = printable(folder.path), folder.contents
    splits = [split_of(inside.name) for inside in folder.folders]
    if splits and all(splits) and not folder.images:
        names = ", ".join(f"{printable(inside.name)}/" for inside in folder.folders)
        raise DataError(
            f"{where} is no class folder, since it holds {names}; did you mean {where}? Otherwise "
            "the splits come first: train/<class>/*"
        )
    if contents.depth > 1:
        raise DataError(
            f"{where} is no class folder: images lie deeper than in its folders, for example in "
            f"{printable(contents.deepest.path)}; did you mean {where}? Otherwise move them up"
        )
    if not contents.images:
        left_out = describe_left_out(contents.left_out)
        raise DataError(
            f"class folder {where} holds no images; fill or remove it"
            + (f" ({left_out})" if left_out else "")
        )
    return contents
