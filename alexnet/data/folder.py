"""A folder of image files, one folder a class.

    FOLDER/train/<class>/*  FOLDER/val/<class>/*   val/ may be named validation/; test/ is optional
    FOLDER/<class>/*                               no split: a tenth of each class is validation

A class folder may hold folders of images. Hidden files are ignored. Other files without the ending
of an image format are left out and counted in the description. Classes are sorted as strings.
Without a validation folder, the tenth of each class whose file names have the smallest SHA-256 is
validation: the same tenth on every machine, in any order of the files.
"""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from alexnet.data import check_split
from alexnet.data.crops import resize
from alexnet.errors import DataError

IMAGE_ENDINGS = tuple(
    ".jpg .jpeg .jpe .jfif .png .bmp .gif .webp .tif .tiff .ppm .pgm .pbm .pnm .jp2 .avif".split()
)
_FOLDER_NAMES = {"train": ["train"], "val": ["val", "validation"], "test": ["test"]}
_ORIENTATION = 0x0112  # the EXIF tag
# These turn an image of EXIF orientation 2 to 8 upright; 1 is upright, other values are invalid.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class ImageFolder:
    """One split of a folder of images, a dataset as alexnet.data describes.

    folder           one of the two layouts above
    split            "train", "val" or "test"
    skip_bad_images  up to this many broken files of the split are left out and listed in `skipped`;
                     every file is then decoded once at the start, so that the same files are left
                     out each time. With 0, reading a broken file raises DataError.
    Raises DataError for a folder without classes or images, a class without images, classes that
    differ from the classes of train, a missing split, and more broken files than skip_bad_images.
    """

    native_size = None  # each image has its own

    def __init__(self, folder: str | Path, split: str, skip_bad_images: int = 0):
        check_split(split)
        if skip_bad_images < 0:
            raise ValueError(f"skip_bad_images must not be negative, got {skip_bad_images}")
        folder = Path(folder)
        source, part, remark = _locate(folder, split)
        self.classes = _class_names(source)
        files, others = [], 0
        for label, name in enumerate(self.classes):
            images, left_out = _image_files(source / name)
            others += left_out
            if not images:
                raise DataError(f"class folder {source / name} holds no images; fill or remove it")
            chosen = images if part is None else _split_by_hash(images)[part]
            files += [(path, label) for path in chosen]
        self.skipped = _broken_files([path for path, _ in files], skip_bad_images)
        files = [entry for entry in files if entry[0] not in self.skipped]
        if not files:
            raise DataError(f"{folder} has no images for {split}: {remark or 'all are broken'}")
        self.paths = [path for path, _ in files]
        inside = len(os.path.join(source, ""))
        self.names = [path[inside:].replace(os.sep, "/") for path in self.paths]
        self.labels = np.array([label for _, label in files], np.int64)
        self.description = _describe(self, folder, split, remark, others)

    def __len__(self):
        return len(self.paths)

    def read(self, index: int, size: int) -> np.ndarray:
        """uint8 (size, size, 3): the image of this index. Raises DataError with a broken file's
        path."""
        try:
            return read_image(self.paths[index], size)
        except DataError as error:
            raise DataError(
                f"{error}; --skip-bad-images N leaves out up to N such files"
            ) from error


def read_image(path: str | Path, size: int) -> np.ndarray:
    """uint8 (size, size, 3), RGB: an image file, its shorter side resized to `size`, the middle
    square. Raises DataError with the path of a file that cannot be read.

    The EXIF orientation turns the image upright; an invalid orientation is ignored. Grey, palette
    and CMYK become RGB; of 16 bits the upper 8 are kept; transparent pixels are laid over white.
    JPEGs are decoded at 1/2, 1/4 or 1/8 of their size if the result is no smaller than `size`.
    """
    try:
        with Image.open(path) as image:
            image.draft(None, (size, size))
            image.load()
            return resize(_rgb(_upright(image)), size)
    except Exception as error:  # a damaged file can raise nearly anything in Pillow's decoders
        reason = str(error) or type(error).__name__
        raise DataError(f"{path} cannot be read as an image ({reason})") from error


def _upright(image):
    try:
        orientation = image.getexif().get(_ORIENTATION)
    except Exception:  # damaged metadata can raise nearly anything; the pixels may be whole
        return image
    turn = _TURNS.get(orientation) if isinstance(orientation, int) else None
    return image if turn is None else image.transpose(turn)


def _rgb(image):
    if image.mode.startswith("I"):  # I;16 in any byte order, and I, which some decoders use
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 0xFFFF:
            raise ValueError("its grey values do not fit 16 bits; save it with 8 or 16")
        return Image.fromarray((values >> 8).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise ValueError("its pixels are floats of unknown range; save it with 8 or 16 bits")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _locate(folder, split):
    """(folder, part, remark): the folder of the class folders; its part of the split by hash, or
    None for all images; a remark for the description."""
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder")
    split_folders = {name: _split_folder(folder, name) for name in _FOLDER_NAMES}
    if not any(split_folders.values()):
        if split == "test":
            raise DataError(
                f"{folder} has no test/ folder; its images are split into train and val"
            )
        _need_class_folders(folder)
        return folder, split, "no train/ and val/ folders: split 90 / 10 by a hash of the file name"
    train, source = split_folders["train"], split_folders[split]
    if split_folders["val"] is None and train is not None and split != "test":
        return train, split, "no val/<class>/: train/ split 90 / 10 by a hash of the file name"
    if source is None:
        names = ", ".join(f"{path.name}/" for path in split_folders.values() if path)
        raise DataError(f"{folder} has {names} but no {split}/ folder of class folders")
    _need_same_classes(train, split_folders["val"] if split == "train" else source)
    return source, None, ""


def _split_folder(folder, split):
    """The folder of a split, or None. A folder of that name counts only if it holds folders:
    otherwise it may be a class itself."""
    folders = [folder / name for name in _FOLDER_NAMES[split] if (folder / name).is_dir()]
    folders = [path for path in folders if _class_names(path)]
    if len(folders) > 1:
        names = " and ".join(f"{path.name}/" for path in folders)
        raise DataError(f"{folder} has {names}; remove one")
    return folders[0] if folders else None


def _need_class_folders(folder):
    classes = _class_names(folder)
    if set(classes) <= {name for names in _FOLDER_NAMES.values() for name in names}:
        loose = sum(_is_image(name) for name in os.listdir(folder))
        inside = ", ".join(f"{name}/" for name in classes)
        raise DataError(
            f"{folder} has no class folders "
            + (f"in {inside}" if classes else f"({loose} images lie loose in it)")
            + "; make <class>/* in it, or train/<class>/* and val/<class>/*"
        )
    if len(classes) == 1:
        raise DataError(
            f"{folder} has one class folder only, {classes[0]}, and classes need two; "
            f"did you mean {folder / classes[0]}?"
        )


def _need_same_classes(train, other):
    if train is None or other is None:
        return
    ours, theirs = set(_class_names(train)), set(_class_names(other))
    lacks = [
        f"{path} lacks {', '.join(sorted(names))}"
        for path, names in ((other, ours - theirs), (train, theirs - ours))
        if names
    ]
    if lacks:
        raise DataError(
            f"classes differ between {train.name}/ and {other.name}/: " + "; ".join(lacks)
        )


def _class_names(folder):
    try:
        with os.scandir(folder) as entries:
            return sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))
    except OSError as error:
        raise DataError(f"{folder} cannot be listed ({error.strerror})") from error


def _is_image(name):
    return name.lower().endswith(IMAGE_ENDINGS)


def _image_files(folder):
    """(sorted image files at any depth, number of visible files that are no images)."""
    images, others = [], 0
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        visible = [name for name in names if not name.startswith(".")]
        images_here = [os.path.join(where, name) for name in visible if _is_image(name)]
        others += len(visible) - len(images_here)
        images += images_here
    return sorted(images), others


def images_in(folder: str | Path) -> list[str]:
    """The image files in a folder, at any depth, sorted. Raises DataError if it holds none."""
    images, others = _image_files(folder)
    if not images:
        raise DataError(f"{folder} holds no images ({others:,} other files)")
    return images


def _split_by_hash(paths):
    """{"train": nine tenths of the paths, "val": one tenth, at least one path of two or more}."""

    def key(path):
        name = os.path.basename(path)
        return hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest(), path

    count = max(round(len(paths) / 10), 1) if len(paths) > 1 else 0
    chosen = set(sorted(paths, key=key)[:count])
    return {"train": [path for path in paths if path not in chosen], "val": sorted(chosen)}


def _broken_files(paths, tolerated):
    """{path: reason} of the files that cannot be decoded. Raises DataError for more than
    `tolerated`. With 0 no file is decoded; a broken one is then an error when it is read."""
    if not tolerated:
        return {}

    def trial(path):
        try:
            read_image(path, 1)
        except DataError as error:
            return str(error)

    with ThreadPoolExecutor() as threads:
        reasons = list(threads.map(trial, paths))
    broken = {path: why for path, why in zip(paths, reasons, strict=True) if why}
    if len(broken) > tolerated:
        shown = "\n  ".join(list(broken.values())[:10])
        raise DataError(
            f"{len(broken)} broken images, {tolerated} tolerated:\n  {shown}\n"
            f"mend or remove them; --skip-bad-images {len(broken)} leaves them out"
        )
    return broken


def _describe(dataset, folder, split, remark, others):
    parts = [f"{folder}: {len(dataset.classes)} classes, {len(dataset):,} images ({split})"]
    if remark:
        parts.append(remark)
    if others:
        parts.append(f"{others:,} files left out that are no images")
    if dataset.skipped:
        parts.append(f"{len(dataset.skipped)} broken left out: {', '.join(dataset.skipped)}")
    return "; ".join(parts)
