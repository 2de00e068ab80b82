"""From a loader's batches to what a network reads: tensors on the backend in use.

    y = (crop - mean) / divisor

On a processor the loader's threads cut the crops and the numbers are made here. A GPU gets the
images as bytes, on their way one batch ahead, and cuts, mirrors and normalises them itself; nothing
waits. Both give the same bits.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

import tinynet as tn
from alexnet.data.loader import Loader
from alexnet.data.transforms import Normalization
from tinynet.backends.cupy.launch import maps, record

CU = Path(__file__).with_name("crop.cu")


def feed(loader: Loader, normalization: Normalization, classes: int):
    """The feed that suits the backend in use. classes: how many the labels tell apart."""
    kind = GpuFeed if tn.get_backend().name == "cupy" else HostFeed
    return kind(loader, normalization, classes)


class HostFeed:
    """Batches for a processor."""

    def __init__(self, loader, normalization, classes):
        self._loader, self._normalization, self._classes = loader, normalization, classes

    def epoch(self, number: int, start_batch: int = 0) -> Iterator[tuple[tn.Tensor, tn.Labels]]:
        """The loader's epoch: images float32 (N, 3, S, S) and labels."""
        for images, labels in self._loader.epoch(number, start_batch):
            yield tn.Tensor(self._normalization(images)), tn.Labels(labels, self._classes)


class GpuFeed:
    """Batches for a GPU. Every batch lies in the same arrays, so that a recorded step finds it
    (tinynet/backends/cupy/capture.py): the next one is written when the kernels of this one, which
    were queued before it, are done."""

    def __init__(self, loader, normalization, classes):
        self._loader, self._classes = loader, classes
        self._gpu = tn.get_backend().gpu
        self._uploads = self._gpu.uploads()
        xp = self._gpu.xp
        self._mean = xp.asarray(normalization.mean)
        self._divisor = xp.asarray(normalization.divisor)
        size = loader.image_size
        self._x = xp.empty((loader.batch_size, 3, size, size), np.float32)
        self._labels = xp.empty((loader.batch_size,), np.int64)

    def epoch(self, number: int, start_batch: int = 0) -> Iterator[tuple[tn.Tensor, tn.Labels]]:
        """The loader's epoch: images float32 (N, 3, S, S) and labels."""
        under_way = None
        for batch in self._loader.uncropped(number, start_batch):
            crops = np.column_stack([batch.offsets, batch.mirrored]).astype(np.int32)
            sent = self._uploads.start([batch.images, crops, batch.labels]), batch.labels
            if under_way:
                yield self._arrived(*under_way)
            under_way = sent
        if under_way:
            yield self._arrived(*under_way)

    def _arrived(self, upload, labels):
        images, crops, device_labels = upload.arrive()
        count, height, width, _ = images.shape
        x, own_labels = self._x[:count], self._labels[:count]
        geometry = record(
            height=height, width=width, size=x.shape[2], mean_size=self._mean.shape[2]
        )
        self._gpu.launch(
            CU, "crop", maps(count, x.shape[2] * x.shape[3]),
            images, crops, self._mean, self._divisor, x, count, geometry,
        )  # fmt: skip
        own_labels[...] = device_labels
        upload.done()
        return tn.Tensor(x), tn.Labels(labels, self._classes, own_labels)
