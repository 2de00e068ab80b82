"""From image files to the bytes of a pack, by threads. Pillow lets other threads run meanwhile.

Threads take a few files at a time; their results come in the order of the list. So a pack has the
same bytes with any number of threads.
"""

import itertools
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from alexnet.data.crops import middle_square
from alexnet.data.file_list import Entry, need_unchanged
from alexnet.data.images import read_image, read_whole_image
from alexnet.data.pack_format import PackOptions, from_jpeg, to_jpeg
from alexnet.data.pixel_sums import PixelSums
from alexnet.errors import DataError

_FILES = 16  # a task's: 3 MB of pixels at 256 x 256


@dataclass
class Packed:
    """Some files of the list, in its order.

    files   how many were read
    images  bytes of each that is an image, or its pixels as uint8 (H, W, 3)
    shapes  (rows, columns) of each
    broken  {path in the source: reason} of the others
    sums    of the images' middle squares, or None
    """

    sums: PixelSums | None
    files: int = 0
    images: list[bytes | np.ndarray] = field(default_factory=list)
    shapes: list[tuple[int, int]] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)


def packed_images(
    listed: Iterable[Entry], source: str, options: PackOptions, workers: int, sums: bool
) -> Iterator[Packed]:
    """The files of the list, read and resized.

    source   the folder of the files
    workers  threads
    sums     whether to sum up the pixels, as they will be read from the pack
    Raises DataError for a file that is not as listed, and the errors of read_image that are no
    fault of an image. The threads end with the iterator.
    """
    tasks = _batches(iter(listed), _FILES)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="pack")
    ahead = deque()
    try:
        while True:
            while len(ahead) < 2 * workers and (task := next(tasks, None)):
                ahead.append(pool.submit(_pack, task, source, options, sums))
            if not ahead:
                return
            yield ahead.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _batches(items, count):
    while batch := list(itertools.islice(items, count)):
        yield batch


def _pack(task, source, options, with_sums):
    packed = Packed(PixelSums(options.size) if with_sums else None)
    read = read_whole_image if options.keep_aspect else read_image
    for entry in task:
        packed.files += 1
        need_unchanged(source, entry)
        try:
            pixels = read(os.path.join(source, entry.path), options.size)
        except DataError as error:
            packed.broken[entry.path] = str(error)
            continue
        image = pixels
        if options.jpeg is not None:
            image = to_jpeg(pixels, options.jpeg)
            pixels = from_jpeg(image) if with_sums else pixels
        packed.images.append(image)
        packed.shapes.append(pixels.shape[:2])
        if with_sums:
            packed.sums.add(middle_square(pixels, options.size))
    return packed
