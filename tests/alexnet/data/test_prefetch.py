"""Batches on the backend: a GPU crops and normalises them to the same bits as a processor."""

from types import SimpleNamespace

import numpy as np
import pytest

import tinynet as tn
from alexnet.data.loader import Loader
from alexnet.data.normalization import Normalization
from alexnet.data.prefetch import GpuBatches, HostBatches, prefetch
from alexnet.data.principal_colours import PrincipalColours
from alexnet.data.ten_crops import ten_draws
from tests.oracles.cases import on_host

CLASSES = 4
COLOURS = PrincipalColours(np.array([[69.0, 70, 72], [-26, -1, 25], [8, -16, 8]]), 1.1)


class Images:
    """Eleven images of random bytes."""

    native_size = 12
    classes = list("abcd")
    description = "random bytes"

    def __init__(self):
        generator = np.random.default_rng(0)
        self.images = generator.integers(0, 256, (11, 12, 12, 3), np.uint8)
        self.labels = generator.integers(0, CLASSES, 11)

    def __len__(self):
        return len(self.images)

    def read_batch(self, indices, size):
        assert size == 12
        return self.images[indices]


def loader(image_size=9, augment="crop", batch_size=4, **options):
    return Loader(
        Images(), batch_size, image_size, augment=augment, shuffle=True, stored_size=12, workers=0,
        **options,
    )  # fmt: skip


def normalization(size, divisor=(1.0, 1.0, 1.0)):
    mean = np.random.default_rng(1).random((3, size, size)) * 255
    return Normalization(mean, np.reshape(divisor, (3, 1, 1)))


def batches(prefetched, *place):
    """Copies of the batches, because a GPU's batches all lie in the same arrays."""
    return [(x.numpy().copy(), on_host(y.data).copy(), y.host) for x, y in prefetched.epoch(*place)]


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        (loader(), normalization(9)),
        (loader(), normalization(1, (58.4, 57.1, 57.4))),
        (loader(augment="none"), normalization(9)),
        (loader(augment="alexnet"), normalization(9)),
        (loader(augment="alexnet"), normalization(1, (58.4, 57.1, 57.4))),
        (loader(image_size=12), normalization(12)),  # crops from a reflected border
        (loader(drop_last=True, batch_size=5), normalization(9)),
    ],
    ids=["mean image", "channels", "middle", "colours", "both", "border", "full batches"],
)
def test_a_gpu_makes_the_same_bits(options, numbers, on_gpu):
    ours = batches(GpuBatches(options, numbers, CLASSES, COLOURS), 3)
    with tn.use_backend("numpy"):
        theirs = batches(HostBatches(options, numbers, CLASSES, COLOURS), 3)
    assert len(ours) == len(theirs) == len(options)
    for (x, labels, host), (other_x, other_labels, other_host) in zip(ours, theirs, strict=True):
        assert x.dtype == np.float32 and x.tobytes() == other_x.tobytes()
        assert labels.dtype == np.int64
        assert labels.tolist() == host.tolist() == other_labels.tolist() == other_host.tolist()


def test_an_epoch_can_start_in_its_middle(on_gpu):
    numbers = normalization(9)
    whole = batches(GpuBatches(loader(), numbers, CLASSES), 2)
    rest = batches(GpuBatches(loader(), numbers, CLASSES), 2, 1)
    assert [x.tobytes() for x, *_ in rest] == [x.tobytes() for x, *_ in whole[1:]]


def test_batches_lie_in_the_same_arrays(on_gpu):
    """A recorded step reads them there."""
    epoch = GpuBatches(loader(batch_size=5, drop_last=True), normalization(9), CLASSES).epoch(0)
    arrays = {(id(x.data.base), id(y.data.base)) for x, y in epoch}
    assert len(arrays) == 1


def test_a_batch_is_sent_before_the_previous_batch_is_requested(on_gpu):
    """The order of events, with three batches."""
    events, source = [], loader()
    prefetched = GpuBatches(source, normalization(9), CLASSES)
    start = prefetched._uploads.start
    prefetched._uploads = SimpleNamespace(
        start=lambda arrays: events.append("sent") or start(arrays)
    )
    for _ in prefetched.epoch(0):
        events.append("used")
    assert events == ["sent", "sent", "used", "sent", "used", "used"]


def viewed(prefetched, places):
    """Copies of the views of all batches, because a GPU's all lie in the same array."""
    return [([x.numpy().copy() for x in views], y.host) for views, y in prefetched.views(places)]


@pytest.mark.parametrize("border", [0, 2])
def test_a_gpu_makes_the_same_ten_crops(border, on_gpu):
    source, numbers = loader(augment="none", border=border), normalization(9)
    places = ten_draws(3 + 2 * border)
    ours = viewed(GpuBatches(source, numbers, CLASSES), places)
    with tn.use_backend("numpy"):
        theirs = viewed(HostBatches(source, numbers, CLASSES), places)
    assert [len(labels) for _, labels in ours] == [4, 4, 3]
    for (views, labels), (others, other_labels) in zip(ours, theirs, strict=True):
        assert [x.tobytes() for x in views] == [x.tobytes() for x in others] and len(views) == 10
        assert labels.tolist() == other_labels.tolist()


def test_the_labels_on_a_gpu_are_those_of_the_views(on_gpu):
    source, labels = loader(augment="none"), []
    for views, y in GpuBatches(source, normalization(9), CLASSES).views(ten_draws(3)):
        assert len(list(views)) == 10
        labels.append(on_host(y.data).copy())
    order = np.concatenate(list(source.indices(0)))
    assert np.concatenate(labels).tolist() == source.labels[order].tolist()


def test_views_are_normalised_crops_of_the_bordered_images():
    source, numbers = loader(augment="none", border=2), normalization(9, (2.0, 3.0, 4.0))
    wide = np.pad(Images().images, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect")
    with tn.use_backend("numpy"):
        views = viewed(HostBatches(source, numbers, CLASSES), ten_draws(7))
    for places, (batch, _) in zip(source.indices(0), views, strict=True):
        corner = wide[places, :9, :9]
        middle = wide[places, 3:12, 3:12][:, :, ::-1]
        for ours, pixels in ((batch[0], corner), (batch[-1], middle)):
            expected = (pixels.transpose(0, 3, 1, 2) - numbers.mean) / numbers.divisor
            assert ours == pytest.approx(expected, rel=1e-6, abs=1e-5)


def test_a_label_out_of_range_is_an_error_on_the_processor(on_gpu):
    with pytest.raises(ValueError, match=r"labels\[\d\] is 3; with 3 classes"):
        batches(GpuBatches(loader(), normalization(9), 3), 0)


def test_the_backend_in_use_decides():
    with tn.use_backend("numpy"):
        assert isinstance(prefetch(loader(), normalization(9), CLASSES), HostBatches)


def test_an_asynchronous_backend_gets_gpu_batches(on_gpu):
    assert isinstance(prefetch(loader(), normalization(9), CLASSES), GpuBatches)


def test_every_pixel_of_an_image_is_shifted_by_the_same_colour_and_divided():
    """By hand: crops, minus the mean, plus the shift of the sample's draw, over 1.1 divisors."""
    numbers, source = normalization(1, (58.4, 57.1, 57.4)), loader(augment="alexnet")
    with tn.use_backend("numpy"):
        changed = batches(prefetch(source, numbers, CLASSES, COLOURS), 3)
    for (x, _, _), batch in zip(changed, source.cropped(3), strict=True):
        shifts = 0.1 * batch.draws.normals.astype(np.float64) @ COLOURS.components
        expected = (batch.images - numbers.mean + shifts[:, :, None, None]) / numbers.divisor / 1.1
        np.testing.assert_allclose(x, expected, rtol=1e-4, atol=1e-5)
        assert np.abs(shifts).max() > 1


def test_images_without_a_change_are_not_divided_by_its_divisor():
    numbers = normalization(9)
    with tn.use_backend("numpy"):
        plain = batches(prefetch(loader(), numbers, CLASSES), 0)
        other = batches(prefetch(loader(), numbers, CLASSES, COLOURS), 0)
    assert [x.tobytes() for x, *_ in plain] == [x.tobytes() for x, *_ in other]


def test_a_drawn_change_without_colours_is_an_error():
    with tn.use_backend("numpy"), pytest.raises(ValueError, match="colours must be given"):
        batches(prefetch(loader(augment="alexnet"), normalization(9), CLASSES), 0)
