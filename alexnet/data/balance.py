"""Samples in which every class is equally often, however many images it has.

A training draws samples 0, 1, 2, ... over all its epochs. Sample j is of class j mod C, where C
counts the classes that have images. So each epoch has every class equally often, to within one,
and so have all epochs together. A class takes its images in the order of a stream of its own,

    permutation 0 of its images, permutation 1, permutation 2, ...

and so repeats none until all have been taken. An epoch is a window on these streams: it follows
from the seed and its number alone.

Source: Buda, Maki, Mazurowski, A systematic study of the class imbalance problem in convolutional
neural networks (2018), who compare remedies, and recommend oversampling of small classes. The
order of the draws is our choice.
"""

import numpy as np

from tinynet.random import CLASSES, bits


def balanced_samples(labels: np.ndarray, count: int, *, seed: int, epoch: int) -> np.ndarray:
    """int64 (count,): the places in the dataset of an epoch's samples, in the order of the draws.

    labels  int64 (N,), from 0
    count   samples an epoch
    """
    images_of = np.split(np.argsort(labels, kind="stable"), np.cumsum(np.bincount(labels))[:-1])
    present = [label for label, images in enumerate(images_of) if len(images)]
    first, samples = epoch * count, np.empty(count, np.int64)
    for number, label in enumerate(present):
        own = slice((number - first) % len(present), None, len(present))  # first + place is its own
        before = (first - number + len(present) - 1) // len(present)  # its samples so far
        turns = before + np.arange(len(samples[own]))
        samples[own] = images_of[label][_order(len(images_of[label]), turns, seed, label)]
    return samples


def _order(images, turns, seed, label):
    """The image, 0 ... images - 1, of each of these turns of a class. Permutation p has the turns
    p images ... (p + 1) images - 1, and sorts 64-bit random keys.

    turns  int64 (n,), n consecutive numbers
    """
    if not len(turns):
        return turns
    first, last = turns[0] // images, turns[-1] // images
    words = bits(
        2 * images * (last - first + 1), seed=seed, stream=CLASSES, draw=label,
        first=2 * images * first,
    ).astype(np.uint64)  # fmt: skip
    keys = (words[0::2] << np.uint64(32) | words[1::2]).reshape(-1, images)
    permutations = keys.argsort(axis=1, kind="stable")
    return permutations.reshape(-1)[turns - first * images]
