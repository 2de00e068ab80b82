"""A data set of noise that counts its reads."""

import threading

import numpy as np

from alexnet.errors import DataError


class Noise:
    """Images that depend only on index and size. Counts its reads; the images in broken fail."""

    classes = ["a", "b", "c"]
    description = "noise"

    def __init__(self, count=23, broken=()):
        self.labels = np.arange(count, dtype=np.int64) % 3
        self.broken = broken
        self.read_count = 0
        self.lock = threading.Lock()
        self.readers = set()

    def __len__(self):
        return len(self.labels)

    def read(self, index, size):
        with self.lock:
            self.read_count += 1
            self.readers.add(threading.current_thread())
        if index in self.broken:
            raise DataError(f"image{index}.jpg cannot be read")
        return np.random.default_rng(index).integers(0, 256, (size, size, 3), np.uint8)


def all_images(dataset, size):
    """float64 (N, size, size, 3): every image of a dataset."""
    return np.stack([dataset.read(index, size) for index in range(len(dataset))]).astype(float)
