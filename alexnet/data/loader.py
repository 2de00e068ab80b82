"""Batches of images, prepared by threads while the network computes.

Each batch is one task: read, crop and mirror its images into one array. (Their change of colour is
part of the normalisation, prefetch.py.) A pool of threads works on
the next few batches; the consumer takes them in order. A batch depends on the seed, the epoch and
its number only, so it is the same with any number of workers, or with none. The threads run Pillow
and NumPy only, never a parallel Numba kernel.
"""

import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from alexnet.data.augment import AUGMENTATIONS, Draws, draws_of
from alexnet.data.balance import balanced_samples
from alexnet.data.checks import check_pixels, checked_labels
from alexnet.data.crops import add_border, crop, crop_border
from alexnet.data.crops import stored_size as usual_stored_size
from tinynet.parallel import share_of
from tinynet.random import permutation


@dataclass(frozen=True)
class Batch:
    """N images with their draws and labels.

    images  before its crops are cut out, uint8 (N, H, W, 3), at their stored size and with their
            border; after it, uint8 (N, 3, image_size, image_size), C-contiguous, and mirrored
    draws   the crop, the mirror and the change of colour of each image
    labels  int64 (N,)
    """

    images: np.ndarray
    draws: Draws
    labels: np.ndarray


class Loader:
    """The batches of a dataset, epoch by epoch.

    dataset       as alexnet.data describes
    batch_size    images a batch, of all ranks together; the last batch of an epoch may be smaller
    image_size    rows and columns of the network's input
    augment       one of AUGMENTATIONS (augment.py); draws follow from seed, epoch and the sample's
                  index
    shuffle       the order of an epoch is a permutation drawn from seed and epoch
    drop_last     leave out the last batch of an epoch if it is smaller
    balance       every class is equally often in an epoch of as many samples (balance.py); draws
                  then follow from the sample's number in the epoch, so that an image that comes
                  twice is cut out in two ways
    workers       threads that prepare batches; 0: the consumer's thread prepares each in turn
    seed          of crops, mirrors and order
    stored_size   the size at which images are read, image_size or more. None: with random crops
                  crops.stored_size, with "none" image_size. Evaluation passes training's
                  stored_size, to read the middle of the images that training crops.
    border        pixels that continue each image on every side before it is cropped. None: with
                  random crops crops.crop_border where images have no pixels to spare, else 0
    rank, ranks   this process's number, and how many share each batch: it has neighbours in the
                  batch, tn.parallel.share_of. A last batch that is smaller than the number of ranks
                  is empty for some
    Raises ValueError for arguments that do not fit, and DataError for a dataset whose labels are no
    class numbers. An image that is not uint8 (size, size, 3) is a DataError at its batch.
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
        balance: bool = False,
        workers: int = 2,
        seed: int = 0,
        stored_size: int | None = None,
        border: int | None = None,
        rank: int = 0,
        ranks: int = 1,
    ):
        if augment not in AUGMENTATIONS:
            raise ValueError(
                f"Loader: augment must be one of {', '.join(AUGMENTATIONS)}, got {augment!r}"
            )
        if batch_size < 1 or image_size < 1 or workers < 0:
            raise ValueError(
                "Loader: batch_size and image_size must be 1 or more and workers 0 or more, got "
                f"{batch_size}, {image_size} and {workers}"
            )
        self.labels = checked_labels(dataset)
        if len(dataset) < (batch_size if drop_last else 1):
            raise ValueError(
                f"Loader: {len(dataset)} images make no batch of {batch_size}"
                + (" and drop_last leaves out smaller ones" if drop_last else "")
            )
        native_size = getattr(dataset, "native_size", None)
        if stored_size is None:
            cropped = augment != "none"
            stored_size = usual_stored_size(image_size, native_size) if cropped else image_size
        if stored_size < image_size:
            raise ValueError(f"Loader: stored_size {stored_size} is below image_size {image_size}")
        self.dataset = dataset
        self.batch_size = batch_size
        self.image_size = image_size
        self.augment = augment
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.balance = balance
        self.workers = workers
        self.seed = seed
        self.stored_size = stored_size
        if border is None:
            no_border = augment == "none" or stored_size > image_size
            border = 0 if no_border else crop_border(image_size, native_size)
        self.border = border
        self.rank, self.ranks = rank, ranks
        self.waited = 0.0  # seconds that the consumer has waited for batches, over all epochs

    def __len__(self):
        """Batches an epoch."""
        full, rest = divmod(len(self.dataset), self.batch_size)
        return full + (rest > 0 and not self.drop_last)

    def draws(self, number: int) -> Draws:
        """The draws of all samples in an epoch, in the dataset's order; with `balance` in the order
        of samples()."""
        count, spare = len(self.dataset), self.stored_size + 2 * self.border - self.image_size
        return draws_of(self.augment, count, spare, seed=self.seed, epoch=number)

    def epoch(self, number: int, start_batch: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The images and labels of cropped()."""
        return ((batch.images, batch.labels) for batch in self.cropped(number, start_batch))

    def cropped(self, number: int, start_batch: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, cropped and mirrored. Arguments and errors: as in uncropped."""
        return self._batches(self._prepare, number, start_batch)

    def uncropped(self, number: int, start_batch: int = 0) -> Iterator[Batch]:
        """The same batches before their crops are cut out.

        number        the epoch, on which order, crops and mirrors depend
        start_batch   the first batch, as if the ones before it had been taken
        An error in a thread is raised here, in place of its batch. The threads end with the
        iterator: when it is used up, closed, or dropped, for example by `break` or an error.
        """
        return self._batches(self._read, number, start_batch)

    def indices(self, number: int, start_batch: int = 0) -> Iterator[np.ndarray]:
        """The places in the dataset of each batch's images. Arguments: as in uncropped."""
        samples = self.samples(number)
        return (samples[numbers] for numbers in self._numbers(len(samples), number, start_batch))

    def samples(self, number: int) -> np.ndarray:
        """int64 (N,): the places in the dataset of an epoch's samples before they are shuffled."""
        if not self.balance:
            return np.arange(len(self.dataset))
        count = min(len(self.dataset), len(self) * self.batch_size)  # what drop_last leaves
        return balanced_samples(self.labels, count, seed=self.seed, epoch=number)

    def _numbers(self, count, number, start_batch):
        """The numbers of this rank's samples in each batch; all are 0 ... count - 1 shuffled."""
        if not 0 <= start_batch <= len(self):
            raise ValueError(
                f"Loader: start_batch must be from 0 to {len(self)}, got {start_batch}"
            )
        order = (
            permutation(count, seed=self.seed, draw=number) if self.shuffle else np.arange(count)
        )
        starts = range(start_batch * self.batch_size, len(self) * self.batch_size, self.batch_size)
        batches = (order[start : start + self.batch_size] for start in starts)
        return (batch[share_of(len(batch), self.rank, self.ranks)] for batch in batches)

    def _batches(self, prepare, number, start_batch):
        samples, draws = self.samples(number), self.draws(number)
        batches = self._numbers(len(samples), number, start_batch)
        tasks = ((samples[numbers], draws[numbers]) for numbers in batches)
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
        left = threading.Event()  # set when the consumer leaves: threads stop at the next image
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix="loader")
        ahead = deque()
        try:
            # Two batches a worker: while the first batch is slow, the other threads have work.
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

    def _read(self, indices, draws, left):
        images = read_batch(self.dataset, indices, self.stored_size, left)
        images = add_border(images, self.border)
        return Batch(images, draws, self.labels[indices])

    def _prepare(self, *task):
        batch = self._read(*task)
        return replace(batch, images=crop(batch.images, batch.draws, self.image_size))


def read_batch(dataset, indices: np.ndarray, size: int, left=None) -> np.ndarray:
    """uint8 (N, size, size, 3): the dataset's images of these indices, at this size.

    left  a threading.Event that is set when the batch is no longer needed: the images not read yet
          stay unread, and their memory uninitialised
    """
    if hasattr(dataset, "read_batch"):
        images = dataset.read_batch(indices, size)
        check_pixels(images, (len(indices), size, size, 3), "read_batch")
        return images
    images = np.empty((len(indices), size, size, 3), np.uint8)
    for place, index in enumerate(indices.tolist()):
        if left is not None and left.is_set():
            break
        image = dataset.read(index, size)
        check_pixels(image, (size, size, 3), f"read({index}, {size})")
        images[place] = image
    return images
