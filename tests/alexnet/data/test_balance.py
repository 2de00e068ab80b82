"""Balanced epochs: counts of classes and images by hand, and crops of images that come twice."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alexnet.data.augment import draws_of
from alexnet.data.balance import balanced_samples
from alexnet.data.loader import Loader
from tests.alexnet.data.noise import Noise
from tinynet.random import CLASSES, bits, permutation


class Unequal(Noise):
    """20 noise images: 12 of class 0, 1 of class 1, 7 of class 2."""

    def __init__(self):
        super().__init__(20)
        self.labels = np.array([0, 2, 0, 0, 1, 2, 2, 0, 0, 0, 2, 0, 2, 0, 0, 2, 0, 2, 0, 0])


def places_of(loader, epoch=0, start_batch=0):
    return [places.tolist() for places in loader.indices(epoch, start_batch)]


def test_three_epochs_of_classes_of_12_1_and_7_images_counted_by_hand():
    labels, epochs = Unequal().labels, []
    for epoch in range(3):
        epochs.append(balanced_samples(labels, 20, seed=3, epoch=epoch).tolist())
    # Draws 0 ... 59 are of classes 0, 1, 2, 0, ...: epoch 0 ends with class 1, epoch 1 with 0.
    assert [labels[place] for place in epochs[0]] == [0, 1, 2] * 6 + [0, 1]
    assert [Counter(labels[epoch].tolist()) for epoch in epochs] == [
        {0: 7, 1: 7, 2: 6}, {2: 7, 0: 7, 1: 6}, {1: 7, 2: 7, 0: 6},
    ]  # fmt: skip
    every = [place for epoch in epochs for place in epoch]
    large = [place for place in every if labels[place] == 0]  # 20 draws of 12 images
    assert sorted(large[:12]) == np.flatnonzero(labels == 0).tolist()
    assert len(set(large[12:])) == 8
    small = [place for place in every if labels[place] == 2]  # 20 draws of 7 images
    for start in (0, 7):
        assert sorted(small[start : start + 7]) == [1, 5, 6, 10, 12, 15, 17]
    assert len(set(small[14:])) == 6
    assert [place for place in every if labels[place] == 1] == [4] * 20
    assert large[:7] != small[:7] and small[:7] != small[7:14]


def test_the_order_of_a_class_sorts_the_words_of_its_stream():
    """Turns 7 ... 13 of class 2 are its second permutation: words 14 ... 27 of draw 2."""
    samples = np.concatenate(
        [balanced_samples(Unequal().labels, 20, seed=3, epoch=n) for n in range(3)]
    )
    words = bits(14, seed=3, stream=CLASSES, draw=2, first=14).astype(np.uint64)
    keys = words[0::2] * np.uint64(2**32) + words[1::2]
    images = np.array([1, 5, 6, 10, 12, 15, 17])
    assert samples[2::3][7:14].tolist() == images[np.argsort(keys)].tolist()


@given(
    sizes=st.lists(st.integers(0, 9), min_size=1, max_size=6).filter(any),
    count=st.integers(1, 40),
    epochs=st.integers(1, 4),
)
def test_every_class_and_every_image_of_a_class_is_equally_often(sizes, count, epochs):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    present = np.flatnonzero(sizes)
    samples = [balanced_samples(labels, count, seed=1, epoch=epoch) for epoch in range(epochs)]
    for epoch in samples:
        counts = np.bincount(labels[epoch], minlength=len(sizes))[present]
        assert counts.max() - counts.min() <= 1
    used = np.bincount(np.concatenate(samples), minlength=len(labels))
    for label in present:
        own = used[labels == label]
        assert own.max() - own.min() <= 1


def test_another_seed_and_another_epoch_have_another_order():
    orders = {
        tuple(balanced_samples(np.zeros(30, int), 30, seed=seed, epoch=epoch))
        for seed in (0, 1)
        for epoch in (0, 1)
    }
    assert len(orders) == 4


def loader(workers=0, **options):
    options = {"augment": "crop", "shuffle": True, "balance": True} | options
    return Loader(Unequal(), 6, 16, workers=workers, seed=3, **options)


def test_a_balanced_epoch_has_as_many_batches_and_shuffles_its_samples():
    dropped, whole = loader(drop_last=True), loader()
    assert [len(places) for places in places_of(dropped)] == [6, 6, 6]
    assert [len(places) for places in places_of(whole)] == [6, 6, 6, 2]
    # What drop_last leaves, 18 samples, is balanced.
    counts = np.bincount(Unequal().labels[np.concatenate(places_of(dropped))])
    assert counts.tolist() == [6, 6, 6]
    samples = balanced_samples(Unequal().labels, 18, seed=3, epoch=1)
    order = permutation(18, seed=3, draw=1)
    assert np.concatenate(places_of(dropped, 1)).tolist() == samples[order].tolist()


@pytest.mark.parametrize("start", [0, 1, 3])
def test_balanced_batches_do_not_depend_on_workers_or_on_where_an_epoch_goes_on(start):
    expected = list(loader().epoch(2))[start:]
    for workers in (0, 1, 3):
        batches = list(loader(workers).epoch(2, start))
        assert len(batches) == len(expected)
        for (images, labels), (other_images, other_labels) in zip(batches, expected, strict=True):
            np.testing.assert_array_equal(images, other_images)
            np.testing.assert_array_equal(labels, other_labels)
    assert places_of(loader(), 2, start) == places_of(loader(), 2)[start:]


def test_an_image_that_comes_twice_in_an_epoch_is_cut_out_in_two_ways():
    """The one image of class 1 comes seven times. Draws follow the number in the epoch."""
    batches = list(loader(shuffle=False, augment="alexnet").cropped(0))
    labels = np.concatenate([batch.labels for batch in batches])
    images = np.concatenate([batch.images for batch in batches])
    normals = np.concatenate([batch.draws.normals for batch in batches])
    offsets = np.concatenate([batch.draws.offsets for batch in batches])
    own = np.flatnonzero(labels == 1)
    assert own.tolist() == [1, 4, 7, 10, 13, 16, 19]
    assert len({image.tobytes() for image in images[own]}) > 3  # of 3 x 3 places, mirrored or not
    assert len({tuple(row) for row in normals[own].tolist()}) == 7
    draws = draws_of("alexnet", 20, 2, seed=3, epoch=0)
    np.testing.assert_array_equal(offsets, draws.offsets)
    np.testing.assert_array_equal(normals, draws.normals)
