"""Where a folder keeps the classes of a split.

    FOLDER/train/<class>/*  FOLDER/val/<class>/*  FOLDER/test/<class>/*     val/ and test/ may lack
    FOLDER/<class>/*                                                        no folders of splits

Validation images may also lie together in val/ or val/images/ (flat_split.py); split_names.py has
the names of the splits' folders. A class folder holds images, or folders of images (so does
tiny-imagenet, in <class>/images/*), but no folders of folders of images. Without folders of splits,
not every class folder may consist of several folders of images: those may be the classes of splits
with other names.

What does not fit is an error, since a folder that becomes a class by mistake trains a network that
tells nothing.
"""

import os
from typing import NamedTuple

from alexnet.data.class_folder import class_name
from alexnet.data.directory import RUN_FOLDERS, Directory, describe_left_out, listing
from alexnet.data.flat_split import flat_folder, labelled_images, labels_file
from alexnet.data.names import printable
from alexnet.data.split_names import split_in, split_of
from alexnet.errors import DataError


class NoSplit(DataError):
    """The folder has no images with classes for this split, but for another."""


class Layout(NamedTuple):
    """The classes of a split.

    classes          {class: its Directory}, in label order: sorted as strings; of training for
                     images that lie together
    part             "train" or "val" for the split by hash, None for all images
    remarks          for the description
    labelled         {class: its images} for images that lie together, else None
    labelled_folder  the Directory of those images, else None
    """

    classes: dict[str, Directory]
    part: str | None
    remarks: list[str]
    labelled: dict[str, list[str]] | None = None
    labelled_folder: Directory | None = None


def find_layout(folder: str, split: str) -> Layout:
    """The classes of this split ("train", "val" or "test"). Raises NoSplit, and DataError for a
    folder that is none of the layouts above or whose classes differ from those of train."""
    top = Directory(folder)
    splits = _split_folders(top)
    if not splits:
        return _layout_of_classes(top, split)
    together = _splits_without_classes(top, splits)
    _need_no_other_classes(top, splits | together)
    if "val" in together:
        file = labels_file(together["val"], top)
    if split in together:
        if split == "test":
            raise NoSplit(
                f"{printable(together[split].path)} holds images without classes, so nothing can "
                "be compared; python -m alexnet.predict names what they show, test/<class>/* fits"
            )
        return _labelled_layout(splits["train"], together[split], file)
    train, source = splits.get("train"), splits.get(split)
    if source is None and (train is None or split == "test"):
        names = ", ".join(f"{_shown(path)}/" for path in splits.values())
        raise NoSplit(f"{printable(folder)} has {names} but no {split}/ folder of class folders")
    part, remarks = None, []
    if split != "test" and "val" not in splits | together:
        part, source = split, train
        train_name = _shown(train)
        remarks.append(f"no val/<class>/: {train_name}/ split 90 / 10 by a hash of the file name")
    elif source.name != split:
        remarks.append(f"in {_shown(source)}/")
    classes = _class_folders(source)
    if len(classes) == 1:
        name = _shown(source.folders[0])
        raise DataError(
            f"{printable(source.path)} has one class folder only, {name}, and classes need two; if "
            f"the classes are in it, move them up"
        )
    other = splits.get("val") if split == "train" else source
    if train and other:
        _need_same_classes(train, other)
    used = {each.path: each for each in (train, other or source) if each}.values()
    _need_no_folder_twice([folder for each in used for folder in each.folders])
    read = (*splits.values(), together.get("val"))
    others = [f"{_shown(folder)}/" for folder in top.folders if folder not in read]
    if others:
        remarks.append(f"left out: {', '.join(others)}")
    return Layout(classes, part, remarks + _outside_of_classes(top, source))


def _split_folders(top):
    """{split: Directory}. A folder with a split's name counts if it holds folders: otherwise it may
    be a class itself."""
    found = {}
    for folder in top.folders:
        split = split_of(folder.name)
        if split and folder.folders:
            if split in found:
                raise DataError(
                    f"{printable(top.path)} has {_shown(found[split])}/ and {_shown(folder)}/; "
                    f"remove one, or rename it: both are names of {split}/"
                )
            found[split] = folder
    return found


def _splits_without_classes(top, splits):
    """{split: Directory} of validation and test images that lie together, beside the class folders
    of training. They are taken out of `splits`."""
    together = {}
    for folder in top.folders if "train" in splits else ():
        split = split_of(folder.name)
        if split in ("val", "test") and splits.get(split, folder) is folder and flat_folder(folder):
            if split in together:
                continue  # _need_no_other_classes names it
            together[split] = folder
            splits.pop(split, None)
    return together


def _labelled_layout(train, source, file):
    """The Layout of validation images that lie together."""
    classes, flat = _class_folders(train), flat_folder(source)
    remark = f"classes from {printable(os.path.basename(file))}"
    labelled = labelled_images(flat, file, list(classes))
    return Layout(classes, None, [remark], labelled, flat)


def _need_no_splits(classes, where):
    """Raise DataError if these class folders seem to be splits: img_train/ and img_val/."""
    named = {split: folder for folder in classes if (split := split_in(folder.name))}
    count = sum(split_in(folder.name) is not None for folder in classes)
    only_folders = any(folder.folders and not folder.images for folder in named.values())
    if len(named) > 1 and (count == len(classes) or only_folders):
        names = ", ".join(f"{_shown(folder)}/" for folder in named.values())
        raise DataError(
            f"{where} has {names}; if they are splits, make train/<class>/* and val/<class>/*; if "
            "they are classes, give them other names"
        )


def _need_no_folder_twice(folders):
    """Raise DataError if two class folders are one, by a link: its images would have two classes,
    or be validation and training images."""
    seen = {}
    for folder in folders:
        with listing(folder.path):
            status = os.stat(folder.path)
        place = status.st_dev, status.st_ino
        if place in seen:
            raise DataError(
                f"{printable(seen[place])} and {printable(folder.path)} are one folder, by a link; "
                "remove one"
            )
        seen[place] = folder.path


def _need_no_other_classes(top, splits):
    """Raise DataError if a folder beside the splits may be a split or a class too."""
    for folder in top.folders:
        if folder in splits.values():
            continue
        if folder.images and split_of(folder.name) == "val":
            raise DataError(
                f"{printable(folder.path)} holds images but no class folders; make "
                f"{_shown(folder)}/<class>/* or move it away"
            )
        holds_classes = any(inside.images for inside in folder.folders)
        # One folder of a split's name alone may be a class: locomotives in train/steam/.
        may_be_class = len(splits) == 1 and folder.images and not split_of(folder.name)
        if holds_classes or may_be_class:
            names = ", ".join(f"{_shown(path)}/" for path in splits.values())
            raise DataError(
                f"{printable(top.path)} has {_shown(folder)}/ with images beside {names}; name it "
                "val/ or test/ if it is a split, or move it away"
            )


def _outside_of_classes(*folders):
    """Remarks on what lies in these folders, but in no class folder."""
    images = sum(len(folder.images) for folder in folders)
    runs = sum(folder.left_out[RUN_FOLDERS] for folder in folders)
    remarks = [f"{images:,} images outside the class folders left out"] if images else []
    return remarks + ([f"{runs:,} {RUN_FOLDERS} left out"] if runs else [])


def _layout_of_classes(top, split):
    """The Layout of FOLDER/<class>/*."""
    where = printable(top.path)
    if not top.folders or all(split_of(folder.name) for folder in top.folders):
        inside = ", ".join(f"{_shown(folder)}/" for folder in top.folders)
        what = f"in {inside}" if inside else f"({len(top.images)} images lie loose in it)"
        left_out = describe_left_out(top.left_out)
        raise DataError(
            f"{where} has no class folders {what}; make <class>/* in it, or train/<class>/* and "
            "val/<class>/*" + (f" ({left_out})" if left_out else "")
        )
    classes = _class_folders(top)
    if len(classes) == 1:
        inside = top.folders[0]
        raise DataError(
            f"{where} has one class folder only, {_shown(inside)}, and classes need two; did you "
            f"mean {printable(inside.path)}?"
        )
    loose = [folder for folder in classes.values() if split_of(folder.name) == "test"]
    if loose:
        raise DataError(
            f"{where} has {_shown(loose[0])}/ beside class folders; if it is a class, give it "
            "another name; if it is a split, make train/<class>/* and test/<class>/*"
        )
    _need_no_folder_twice(classes.values())
    if all(_holds_several_folders_of_images(folder) for folder in classes.values()):
        first, second = list(classes.values())[:2]
        raise DataError(
            f"{where} holds folders of folders of images only, for example "
            f"{printable(first.folders[0].path)}; if {_shown(first)}, {_shown(second)}, ... are "
            "splits, name them train/ and val/; if they are classes, move their images up into "
            f"them; did you mean {printable(first.path)}?"
        )
    _need_no_splits(classes.values(), where)
    if split == "test":
        raise NoSplit(f"{where} has no test/ folder; its images are split into train and val")
    remark = "no train/ and val/ folders: split 90 / 10 by a hash of the file name"
    return Layout(classes, split, [remark, *_outside_of_classes(top)])


def _holds_several_folders_of_images(folder):
    inside = [each for each in folder.folders if each.contents.images]
    return len(inside) > 1 and not folder.images


def _class_folders(folder):
    """{class: Directory}."""
    classes = {}
    for inside in folder.folders:
        name = class_name(inside.name)
        if name in classes:
            raise DataError(
                f"{printable(folder.path)} has two folders of one name, "
                f"{ascii(classes[name].name)} and {ascii(inside.name)}; put them together"
            )
        classes[name] = inside
    return dict(sorted(classes.items()))


def _need_same_classes(train, other):
    ours, theirs = (set(_class_folders(folder)) for folder in (train, other))
    lacks = [
        f"{printable(folder.path)} lacks {', '.join(map(printable, sorted(names)))}"
        for folder, names in ((other, ours - theirs), (train, theirs - ours))
        if names
    ]
    if lacks:
        raise DataError(
            f"classes differ between {_shown(train)}/ and {_shown(other)}/: " + "; ".join(lacks)
        )


def _shown(folder):
    return printable(folder.name)
