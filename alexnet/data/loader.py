"""Batches of images, prepared by threads while the network computes.

Each batch is one task: read, crop, mirror, into one array. A pool of threads works on the next few
batches; the consumer takes them in order. What a batch holds follows from the seed, the epoch and
the batch's number, so it is the same with any number of workers, or with none. The threads run
Pillow and NumPy only, never a parallel Numba kernel.
"""

import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from alexnet.data import DataError, transforms
from tinynet.random import permutation


@dataclass(frozen=True)
class Uncropped:
    """A batch before its crops are cut out.

    images    uint8 (N, H, W, 3), at their stored size and with their border
    offsets   int64 (N, 2), the first row and column of each crop
    mirrored  bool (N,), whether the crop is mirrored left to right
    labels    int64 (N,)
    """

    images: np.ndarray
    offsets: np.ndarray
    mirrored: np.ndarray
    labels: np.ndarray


class Loader:
    """The batches of a dataset, epoch by epoch.

    dataset       as alexnet.data describes
    batch_size    images a batch; the last batch of an epoch may be smaller
    image_size    what the network reads
    augment       "none": the middle crop. "crop": a random crop and mirror of each image, drawn
                  from seed, epoch and the sample's index
    shuffle       the order of an epoch is a permutation drawn from seed and epoch
    drop_last     leave a last batch out that is not full
    workers       threads that prepare batches; 0: the caller prepares each when it asks
    seed          of crops, mirrors and order
    stored_size   the size at which images are read, image_size or more. None: with "crop" what
                  transforms.stored_size gives, with "none" image_size itself. Evaluation that
                  should see the middle of what training crops from gives transforms.stored_size.
    """

    def __init__(
        self,
        dataset,
        batch_size: int,
        image_size: int,
        *,
        augment: str = "none",
        shuffle: bool = False,
        drop_last: bool = False,
        workers: int = 2,
        seed: int = 0,
        stored_size: int | None = None,
    ):
        if augment not in ("none", "crop"):
            raise ValueError(f"Loader: augment must be none or crop, got {augment!r}")
        if batch_size < 1 or image_size < 1 or workers < 0:
            raise ValueError(
                "Loader: batch_size and image_size must be 1 or more and workers 0 or more, got "
                f"{batch_size}, {image_size} and {workers}"
            )
        if len(dataset) < (batch_size if drop_last else 1):
            raise ValueError(
                f"Loader: {len(dataset)} images make no batch of {batch_size}"
                + (" and drop_last leaves out smaller ones" if drop_last else "")
            )
        native_size = getattr(dataset, "native_size", None)
        if stored_size is None:
            cropped = augment == "crop"
            stored_size = transforms.stored_size(image_size, native_size) if cropped else image_size
        if stored_size < image_size:
            raise ValueError(f"Loader: stored_size {stored_size} is below image_size {image_size}")
        self.dataset = dataset
        self.batch_size = batch_size
        self.image_size = image_size
        self.augment = augment
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.workers = workers
        self.seed = seed
        self.stored_size = stored_size
        no_border = augment == "none" or stored_size > image_size
        self.border = 0 if no_border else transforms.crop_border(image_size, native_size)
        self.waited = 0.0  # seconds the consumer has waited for batches, all epochs together

    def __len__(self):
        """Batches an epoch."""
        full, rest = divmod(len(self.dataset), self.batch_size)
        return full + (rest > 0 and not self.drop_last)

    def epoch(self, number: int, start_batch: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The batches of an epoch: images uint8 (N, 3, image_size, image_size), C-contiguous, and
        labels int64 (N,). Arguments and errors as those of uncropped."""
        return self._batches(self._prepare, number, start_batch)

    def uncropped(self, number: int, start_batch: int = 0) -> Iterator[Uncropped]:
        """The same batches, for one who cuts the crops out himself.

        number        which epoch: it decides order, crops and mirrors
        start_batch   go on from this batch as if the ones before had been taken
        What goes wrong in a thread is raised here, at the batch it concerns. The threads end with
        the iterator: when it is used up, closed, or dropped as `break` and errors do.
        """
        return self._batches(self._read, number, start_batch)

    def _batches(self, prepare, number, start_batch):
        if not 0 <= start_batch <= len(self):
            raise ValueError(
                f"Loader: start_batch must be from 0 to {len(self)}, got {start_batch}"
            )
        count, spare = len(self.dataset), self.stored_size + 2 * self.border - self.image_size
        order = (
            permutation(count, seed=self.seed, draw=number) if self.shuffle else np.arange(count)
        )
        if self.augment == "crop":
            crops = transforms.random_offsets(count, spare, seed=self.seed, epoch=number)
        else:
            crops = transforms.centre_offsets(count, spare)
        starts = range(start_batch * self.batch_size, len(self) * self.batch_size, self.batch_size)
        tasks = ((order[start : start + self.batch_size], *crops) for start in starts)
        prepared = self._prepared_here if self.workers == 0 else self._prepared_ahead
        return prepared(prepare, tasks)

    def _prepared_here(self, prepare, tasks):
        left = threading.Event()
        for task in tasks:
            began = time.perf_counter()
            batch = prepare(*task, left)
            self.waited += time.perf_counter() - began
            yield batch

    def _prepared_ahead(self, prepare, tasks):
        left = threading.Event()  # set when the consumer has left: threads stop at the next image
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix="loader")
        ahead = deque()
        try:
            # Two batches a worker: one slow batch at the head leaves the others something to do.
            while True:
                while len(ahead) < 2 * self.workers and (task := next(tasks, None)) is not None:
                    ahead.append(pool.submit(prepare, *task, left))
                if not ahead:
                    return
                began = time.perf_counter()
                batch = ahead.popleft().result()
                self.waited += time.perf_counter() - began
                yield batch
        finally:
            left.set()
            pool.shutdown(wait=True, cancel_futures=True)

    def _read(self, indices, offsets, mirrored, left):
        images = _read(self.dataset, indices, self.stored_size, left)
        images = transforms.add_border(images, self.border)
        labels = np.asarray(self.dataset.labels)[indices]
        return Uncropped(images, offsets[indices], mirrored[indices], labels)

    def _prepare(self, *task):
        batch = self._read(*task)
        crops = transforms.crop(batch.images, batch.offsets, batch.mirrored, self.image_size)
        return crops, batch.labels


def _read(dataset, indices, size, left):
    """uint8 (N, size, size, 3): the images of these indices, as they lie in the dataset."""
    if hasattr(dataset, "read_batch"):
        return dataset.read_batch(indices, size)
    images = np.empty((len(indices), size, size, 3), np.uint8)
    for place, index in enumerate(indices.tolist()):
        if left.is_set():  # nobody will look at this batch
            break
        images[place] = dataset.read(index, size)
    return images


class _Sample:
    """Some images of a dataset, themselves a dataset."""

    def __init__(self, dataset, indices):
        self.dataset, self.indices = dataset, indices
        self.labels = np.asarray(dataset.labels)[indices]

    def __len__(self):
        return len(self.indices)

    def read_batch(self, indices, size):
        return _read(self.dataset, self.indices[indices], size, threading.Event())


def measure_normalization(
    dataset,
    image_size: int,
    *,
    mean: str = "image",
    divide: bool = False,
    limit: int = 10_000,
    stored_size: int | None = None,
    workers: int = 2,
) -> transforms.Normalization:
    """The mean and, where asked, the deviation of a training set.

    mean          "image": mean (3, image_size, image_size), the middle of the mean image, as the
                  paper's program subtracts it. "channel": one number a channel (3, 1, 1)
    divide        whether to divide by each channel's standard deviation about the channel's mean;
                  otherwise the divisor is 1, as in the paper
    limit         at most so many images are read, evenly spaced over the set
    stored_size   the size at which images are read, as in Loader
    The sums are of integers and exact: no order of summation can change the result.
    """
    if mean not in ("image", "channel"):
        raise ValueError(f"measure_normalization: mean must be image or channel, got {mean!r}")
    if limit < 1:
        raise ValueError(f"measure_normalization: limit must be 1 or more, got {limit}")
    count = min(len(dataset), limit)
    sample = _Sample(dataset, np.arange(count) * len(dataset) // max(count, 1))
    loader = Loader(sample, 64, image_size, workers=workers, stored_size=stored_size)
    total = np.zeros((3, image_size, image_size), np.int64)
    squares = np.zeros(3, np.int64)
    for images, _ in loader.epoch(0):
        total += images.sum(axis=0, dtype=np.uint32)
        if divide:
            squares += np.square(images, dtype=np.uint32).sum(axis=(0, 2, 3), dtype=np.int64)
    channel_mean = total.sum(axis=(1, 2)) / (count * image_size**2)
    deviation = np.ones(3)
    if divide:
        variance = squares / (count * image_size**2) - channel_mean**2
        deviation = np.sqrt(np.maximum(variance, 0))
        if not (deviation > 1e-3).all():
            raise DataError(
                f"the images of {dataset.description} have channels of one value (deviations "
                f"{deviation.round(3)}): there is nothing to divide by"
            )
    wanted = total / count if mean == "image" else channel_mean.reshape(3, 1, 1)
    return transforms.Normalization(wanted, deviation.reshape(3, 1, 1))
