"""Batches: the same for any number of workers, in order, bounded in number, no leaked threads."""

import gc
import os
import threading
import time

import numpy as np
import pytest

from alexnet.data import open_dataset
from alexnet.data.augment import random_draws
from alexnet.data.crops import add_border, stored_size
from alexnet.data.loader import Loader
from alexnet.errors import DataError
from tests.alexnet.data.noise import Noise
from tinynet.random import permutation

DATA = os.environ.get("ALEXNET_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="ALEXNET_DATA is not set")


class Small(Noise):
    """Noise images of one native size that are read in batches."""

    native_size = 16

    def read_batch(self, indices, size):
        assert size == 16
        return np.stack([self.read(int(index), size) for index in indices])


def epoch(dataset, number=2, start_batch=0, **options):
    options = {"batch_size": 5, "image_size": 16, "augment": "crop", "shuffle": True} | options
    return list(Loader(dataset, **options).epoch(number, start_batch))


def assert_same(batches, others):
    assert len(batches) == len(others)
    for (images, labels), (other_images, other_labels) in zip(batches, others, strict=True):
        np.testing.assert_array_equal(images, other_images)
        np.testing.assert_array_equal(labels, other_labels)


def join(batches):
    return tuple(np.concatenate(parts) for parts in zip(*batches, strict=True))


def loader_threads():
    return [t for t in threading.enumerate() if t.name.startswith("loader")]


@pytest.mark.parametrize("kind", [Noise, Small])
@pytest.mark.parametrize("augment", ["none", "crop", "alexnet"])
def test_batches_do_not_depend_on_the_number_of_workers(kind, augment):
    expected = epoch(kind(), workers=0, augment=augment)
    for workers in (1, 2, 5):
        assert_same(expected, epoch(kind(), workers=workers, augment=augment))


def test_an_images_crop_does_not_depend_on_batch_size_or_order():
    images, labels = join(epoch(Noise(), batch_size=5, shuffle=False))
    others, _ = join(epoch(Noise(), batch_size=23, shuffle=False))
    np.testing.assert_array_equal(images, others)
    shuffled, shuffled_labels = join(epoch(Noise(), batch_size=7))
    order = permutation(23, seed=0, draw=2)
    np.testing.assert_array_equal(shuffled, images[order])
    np.testing.assert_array_equal(shuffled_labels, labels[order])


def test_batches_are_uint8_channels_first_and_contiguous_with_int64_labels():
    for images, labels in epoch(Noise(), batch_size=23):
        assert images.shape == (23, 3, 16, 16) and images.dtype == np.uint8
        assert images.flags.c_contiguous and labels.dtype == np.int64


def test_each_image_comes_once_an_epoch_and_epochs_differ():
    dataset = Noise()
    plain = epoch(dataset, shuffle=False, augment="none")
    np.testing.assert_array_equal(join(plain)[1], dataset.labels)
    assert dataset.read_count == 23
    first, second = (join(epoch(dataset, number, augment="none"))[0] for number in (0, 1))
    assert (first != second).any()
    key = [sorted(image.tobytes() for image in images) for images in (first, second)]
    assert key[0] == key[1]


def test_the_last_batch_is_smaller_or_left_out():
    assert [len(labels) for _, labels in epoch(Noise())] == [5, 5, 5, 5, 3]
    assert [len(labels) for _, labels in epoch(Noise(), drop_last=True)] == [5, 5, 5, 5]
    assert len(Loader(Noise(), 5, 16)) == 5 and len(Loader(Noise(), 5, 16, drop_last=True)) == 4
    assert len(Loader(Noise(20), 5, 16)) == 4


@pytest.mark.parametrize("workers", [0, 2])
def test_start_batch_continues_where_an_epoch_was_left(workers):
    whole = epoch(Noise(), workers=workers)
    for start in (0, 3, 5):
        assert_same(whole[start:], epoch(Noise(), start_batch=start, workers=workers))


def test_larger_images_are_cropped_from_the_stored_size():
    (images, _), *_ = epoch(Noise(), shuffle=False)
    draws = random_draws(23, 2, seed=0, epoch=2)  # crops of 16 pixels from 18
    for n in range(5):
        stored = Noise().read(n, 18)
        row, column = draws.offsets[n]
        expected = stored[row : row + 16, column : column + 16]
        expected = expected[:, ::-1] if draws.mirrored[n] else expected
        np.testing.assert_array_equal(images[n], expected.transpose(2, 0, 1))


def test_small_images_are_cropped_from_a_reflected_border():
    (images, _), *_ = epoch(Small(), shuffle=False)
    draws = random_draws(23, 4, seed=0, epoch=2)  # the border has 16 // 8 pixels
    for n in range(5):
        bordered = add_border(Small().read(n, 16)[None], 2)[0]
        row, column = draws.offsets[n]
        expected = bordered[row : row + 16, column : column + 16]
        expected = expected[:, ::-1] if draws.mirrored[n] else expected
        np.testing.assert_array_equal(images[n], expected.transpose(2, 0, 1))


def test_evaluation_reads_the_image_size_or_the_middle_of_the_stored_size():
    (images, _), *_ = epoch(Noise(), augment="none", shuffle=False)
    np.testing.assert_array_equal(images[1], Noise().read(1, 16).transpose(2, 0, 1))
    (images, _), *_ = epoch(Noise(), augment="none", shuffle=False, stored_size=stored_size(16))
    middle = Noise().read(1, 18)[1:17, 1:17]
    np.testing.assert_array_equal(images[1], middle.transpose(2, 0, 1))


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_a_broken_image_is_raised_at_its_batch(workers):
    batches = Loader(Noise(broken=[11]), 5, 16, workers=workers).epoch(0)
    assert next(batches)[1].tolist() == [0, 1, 2, 0, 1]
    next(batches)
    with pytest.raises(DataError, match=r"image11.jpg"):
        next(batches)
    assert not loader_threads()


def test_threads_end_with_the_epoch_and_with_a_consumer_that_leaves():
    loader = Loader(Noise(400), 5, 16, workers=3)
    for _ in loader.epoch(0):
        assert loader_threads()
        break
    gc.collect()
    assert not loader_threads()
    list(loader.epoch(1))
    assert not loader_threads()
    with pytest.raises(KeyboardInterrupt):
        for _ in loader.epoch(0):
            raise KeyboardInterrupt
    gc.collect()
    batches = loader.epoch(0)
    next(batches)
    batches.close()
    assert not loader_threads()


def test_threads_stop_in_the_middle_of_a_batch_when_the_consumer_leaves():
    class SlowAfterTheFirstBatch(Noise):
        def read(self, index, size):
            time.sleep(0.02 if index >= 40 else 0)
            return super().read(index, size)

    dataset = SlowAfterTheFirstBatch(400)
    batches = Loader(dataset, 40, 8, workers=2).epoch(0)
    next(batches)
    batches.close()
    assert dataset.read_count < 40 + 30  # two whole batches would be 80 reads
    assert not loader_threads()


def test_read_ahead_is_bounded():
    dataset = Noise(1000)
    batches = Loader(dataset, 5, 8, workers=2).epoch(0)
    next(batches)
    previous = -1
    while dataset.read_count != previous:
        previous = dataset.read_count
        time.sleep(0.05)
    assert dataset.read_count == 5 * 4  # two batches a worker, including the first
    batches.close()


def test_workers_read_in_their_own_threads_and_not_in_the_callers():
    dataset = Noise()
    epoch(dataset, workers=0)
    assert dataset.readers == {threading.current_thread()}
    dataset = Noise()
    epoch(dataset, workers=2)
    assert threading.current_thread() not in dataset.readers


def test_waiting_is_counted():
    class Slow(Noise):
        def read(self, index, size):
            time.sleep(0.002)
            return super().read(index, size)

    for workers in (0, 1):
        loader = Loader(Slow(), 5, 8, workers=workers)
        list(loader.epoch(0))
        assert loader.waited > 0.04  # 23 images in one thread
    patient = Loader(Noise(), 5, 8, workers=2)
    for _ in patient.epoch(0):
        time.sleep(0.05)
    assert patient.waited < 0.2


@pytest.mark.parametrize(
    "options, message",
    [
        ({"augment": "colour"}, "augment must be one of none, crop, alexnet"),
        ({"batch_size": 0}, "batch_size and image_size must be 1 or more"),
        ({"workers": -1}, "workers 0 or more"),
        ({"stored_size": 15}, "stored_size 15 is below image_size 16"),
        ({"batch_size": 24, "drop_last": True}, "make no batch of 24"),
        ({"start_batch": 6}, "start_batch must be from 0 to 5"),
    ],
)
def test_arguments_that_do_not_fit_are_errors(options, message):
    with pytest.raises(ValueError, match=message):
        epoch(Noise(), **options)


@needs_data
def test_real_photos_come_out_the_same_from_any_number_of_workers():
    dataset = open_dataset(os.path.join(DATA, "clothing10"), "val")
    batches = [
        next(Loader(dataset, 32, 67, augment="crop", shuffle=True, workers=workers).epoch(0))
        for workers in (0, 2)
    ]
    assert_same(batches[:1], batches[1:])
