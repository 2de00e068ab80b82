"""From a loader's batches to tensors on the backend in use.

    y = (crop - mean + shift) / divisor

shift is an image's change of colour (principal_colours.py), three numbers; without one it is 0. On
a processor the loader's threads cut the crops, and the images are normalised here. A GPU gets the
images as bytes, one batch ahead of the network, and crops, mirrors, changes and normalises them
itself; copies and kernels run at the same time. The tensors have the same bits on both.

epoch() gives one crop of each image, views() several: the ten crops of the paper's test, batch by
batch, so that a test of ten crops takes the memory of one.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

import tinynet as tn
from alexnet.data.augment import Draws
from alexnet.data.loader import Loader
from alexnet.data.normalization import Normalization
from alexnet.data.principal_colours import PrincipalColours
from alexnet.data.ten_crops import crops_at

CU = Path(__file__).with_name("crop.cu")


def prefetch(
    loader: Loader,
    normalization: Normalization,
    classes: int,
    colours: PrincipalColours | None = None,
):
    """The loader's batches for the backend in use: HostBatches or GpuBatches.

    classes  the number of classes; labels are below it
    colours  the change of colour; needed if the loader draws one
    """
    if colours and loader.augment == "alexnet":
        divisor = normalization.divisor * np.float32(colours.divisor)
        normalization = Normalization(normalization.mean, divisor, normalization.dtype)
    kind = GpuBatches if tn.get_backend().asynchronous else HostBatches
    return kind(loader, normalization, classes, colours)


def _shifts(draws, colours):
    """float32 (N, 3): the change of colour of each image; None if none is drawn."""
    if draws.normals is None:
        return None
    if colours is None:
        raise ValueError("prefetch: the loader draws changes of colour, so colours must be given")
    return colours.shifts(draws.normals)


class HostBatches:
    """Batches for a processor."""

    def __init__(self, loader, normalization, classes, colours=None):
        self._loader, self._normalization = loader, normalization
        self._classes, self._colours = classes, colours

    def epoch(self, number: int, start_batch: int = 0) -> Iterator[tuple[tn.Tensor, tn.Labels]]:
        """The loader's epoch: images float32 (N, 3, S, S) and labels."""
        for batch in self._loader.cropped(number, start_batch):
            values = self._normalization(batch.images, _shifts(batch.draws, self._colours))
            yield tn.Tensor(values), tn.Labels(batch.labels, self._classes)

    def views(self, places: Draws) -> Iterator[tuple[Iterator[tn.Tensor], tn.Labels]]:
        """The batches of the loader's epoch 0, each as several tensors float32 (N, 3, S, S), one
        for each place, and labels. A tensor is for use before the next is taken."""
        for batch in self._loader.uncropped(0):
            crops = crops_at(batch.images, places, self._loader.image_size)
            views = (tn.Tensor(self._normalization(images)) for images in crops)
            yield views, tn.Labels(batch.labels, self._classes)


class GpuBatches:
    """Batches for a GPU. All batches lie in the same arrays, because a recorded step reads those
    (tinynet/gpu.py, CudaGraph). The kernels that write the next batch are queued after the kernels
    that read this one."""

    def __init__(self, loader, normalization, classes, colours=None):
        self._loader, self._classes, self._colours = loader, classes, colours
        self._gpu = tn.gpu.device()
        self._uploads = self._gpu.uploads()
        xp = self._gpu.xp
        self._mean = xp.asarray(normalization.mean)
        self._divisor = xp.asarray(normalization.divisor)
        size = loader.image_size
        self._x = xp.empty((loader.batch_size, 3, size, size), np.float32)
        self._labels = xp.empty((loader.batch_size,), np.int64)

    def epoch(self, number: int, start_batch: int = 0) -> Iterator[tuple[tn.Tensor, tn.Labels]]:
        """The loader's epoch: images float32 (N, 3, S, S) and labels."""
        for upload, labels in self._uploaded(number, start_batch):
            images, crops, shifts, device_labels = upload.arrive()
            batch = self._cropped(images, crops, shifts), self._labelled(labels, device_labels)
            upload.done()
            yield batch

    def views(self, places: Draws) -> Iterator[tuple[Iterator[tn.Tensor], tn.Labels]]:
        """As HostBatches.views. All tensors lie in the same array."""
        rows = _rows(places)[:, None].repeat(self._loader.batch_size, axis=1)
        crops = self._gpu.xp.asarray(rows)
        for upload, labels in self._uploaded(0, 0):
            images, _, shifts, device_labels = upload.arrive()
            views = (self._cropped(images, each[: len(images)], shifts) for each in crops)
            yield views, self._labelled(labels, device_labels)
            upload.done()

    def _uploaded(self, number, start_batch):
        """The uploads of batches, each with its labels; the next is under way before one is
        given."""
        under_way = None
        for batch in self._loader.uncropped(number, start_batch):
            shifts = _shifts(batch.draws, self._colours)
            if shifts is None:
                shifts = np.zeros((len(batch.labels), 3), np.float32)
            arrays = [batch.images, _rows(batch.draws), shifts, batch.labels]
            sent = self._uploads.start(arrays), batch.labels
            if under_way:
                yield under_way
            under_way = sent
        if under_way:
            yield under_way

    def _cropped(self, images, crops, shifts):
        """Queue the crops of an uploaded batch, and return their tensor."""
        count, height, width, _ = images.shape
        x = self._x[:count]
        geometry = tn.gpu.int_struct(
            height=height, width=width, size=x.shape[2], mean_size=self._mean.shape[2]
        )
        self._gpu.launch(
            CU, "crop", tn.gpu.maps(count, x.shape[2] * x.shape[3]),
            images, crops, shifts, self._mean, self._divisor, x, count, geometry,
        )  # fmt: skip
        return tn.Tensor(x)

    def _labelled(self, labels, device_labels):
        own_labels = self._labels[: len(labels)]
        own_labels[...] = device_labels
        return tn.Labels(labels, self._classes, own_labels)


def _rows(draws):
    """int32 (N, 3): row, column, 1 where mirrored, as crop.cu reads them."""
    return np.column_stack([draws.offsets, draws.mirrored]).astype(np.int32)
