"""Synthetic images: ten classes of shapes, drawn by the program, so that no file is needed.

Image i shows class i % 10. Its random numbers are one draw of the stream IMAGES (tinynet.random):
the first draw of the split plus i. So an image depends on the seed, the split and its index, not on
earlier images or on the thread. alexnet/data/scenes.py has the scenes, and says why only the shape
shows the class.

Source: ours.
"""

import argparse
import sys
import threading

import numpy as np
from PIL import Image, ImageDraw

import tinynet as tn
from alexnet.data.scenes import CLASSES, draw_scene

# The default number of images of a split, and its first draw. A split has up to 2^30 draws, so no
# two splits share one.
DEFAULT_COUNT = {"train": 10_000, "val": 2_000, "test": 2_000}
_FIRST_DRAW = {"train": 0, "val": 1 << 30, "test": 2 << 30}
_MOST = 1 << 30
_MEMORY = 1 << 30  # bytes of drawn images that a data set keeps at most


class Synthetic:
    """A data set of drawn images; index i shows class i % 10.

    split   "train", "val" or "test": no two share an image
    count   number of images; None: 10,000 for training, 2,000 for the others
    seed    0 to 2^64 - 1; another seed gives other images
    Drawn images are kept, up to 1 GiB, so that later epochs need not draw them again.
    """

    def __init__(self, split: str, count: int | None = None, seed: int = 0):
        if split not in DEFAULT_COUNT:
            raise ValueError(f"synthetic: split must be train, val or test, got {split!r}")
        count = DEFAULT_COUNT[split] if count is None else count
        if not 1 <= count <= _MOST:
            raise ValueError(f"synthetic: count must be from 1 to {_MOST:,}, got {count}")
        if not 0 <= seed < 1 << 64:
            raise ValueError(f"synthetic: seed must be from 0 to 2^64 - 1, got {seed}")
        self.classes = list(CLASSES)
        self.labels = np.arange(count, dtype=np.int64) % len(CLASSES)
        self.description = (
            f"synthetic: {len(CLASSES)} classes, {count:,} images ({split}), drawn from seed {seed}"
        )
        self._seed, self._first_draw = seed, _FIRST_DRAW[split]
        self._kept, self._kept_bytes, self._lock = {}, 0, threading.Lock()

    def __len__(self):
        return len(self.labels)

    def read(self, index: int, size: int) -> np.ndarray:
        """uint8 (size, size, 3), RGB: image `index`, a new array. Any thread may call it."""
        if not 0 <= index < len(self):
            raise IndexError(f"synthetic: index must be from 0 to {len(self) - 1}, got {index}")
        if size < 1:
            raise ValueError(f"synthetic: size must be at least 1 pixel, got {size}")
        image = self._kept.get((index, size))
        if image is None:
            draw = self._first_draw + int(index)
            image = draw_scene(int(self.labels[index]), size, seed=self._seed, draw=draw)
            with self._lock:
                if self._kept_bytes + image.nbytes <= _MEMORY and (index, size) not in self._kept:
                    self._kept[index, size] = image
                    self._kept_bytes += image.nbytes
        return image.copy()


def sheet(dataset, size: int, rows: int = 6) -> Image.Image:
    """A Pillow image with a column of examples for each class, under the name of the class."""
    columns, line = len(dataset.classes), 16
    page = Image.new("RGB", (columns * size, line + rows * size), "white")
    for column, name in enumerate(dataset.classes):
        ImageDraw.Draw(page).text(((column + 0.5) * size, line / 2), name, "black", anchor="mm")
    for index in range(min(len(dataset), rows * columns)):
        row, column = divmod(index, columns)
        image = Image.fromarray(dataset.read(index, size))
        page.paste(image, (column * size, line + row * size))
    return page


def main(argv=None):
    """The command. Returns its exit code: 0 done, 1 a classifier of --probe reaches the limit, 6
    disk. Arguments that do not fit exit with 2."""
    parser = argparse.ArgumentParser(
        prog="python -m alexnet.data.synthetic",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Look at the synthetic images, and check that only shape shows their class.",
        epilog="examples:\n"
        "  python -m alexnet.data.synthetic --show sheet.png\n"
        "  python -m alexnet.data.synthetic --show sheet.png --image-size 227 --split val\n"
        "  python -m alexnet.data.synthetic --probe",
    )
    task = parser.add_mutually_exclusive_group(required=True)
    task.add_argument("--show", metavar="FILE.png", help="draw a sheet of examples into this file")
    task.add_argument(
        "--probe",
        action="store_true",
        help="train three classifiers without convolutions (logistic regression on pixels, colour "
        "histogram, nearest neighbour) on the whole training set and print their accuracy on the "
        "validation set; exit with 1 if one reaches 40 %%",
    )
    parser.add_argument("--image-size", type=int, default=67, metavar="N", help="pixels (67)")
    parser.add_argument("--split", default="train", choices=DEFAULT_COUNT, help="of --show (train)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the images (0)")
    parser.add_argument(
        "--version", action="version", version=f"tinynet-alexnet {tn.__version__}",
        help="print the version and exit",
    )  # fmt: skip
    args = parser.parse_args(argv)
    try:
        if args.probe:
            from alexnet.studies.simple_classifiers import report  # only --probe needs SciPy

            splits = (Synthetic(split, seed=args.seed) for split in ("train", "val"))
            return 0 if report(*splits, args.image_size) else 1
        dataset = Synthetic(args.split, seed=args.seed)
        page = sheet(dataset, args.image_size)
    except ValueError as error:
        parser.error(str(error))
    try:
        page.save(args.show)
    except (OSError, ValueError) as error:  # ValueError: the ending of no image format
        print(f"cannot write {args.show}: {error}", file=sys.stderr)
        return 6
    print(f"{args.show}: examples of {dataset.description}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
