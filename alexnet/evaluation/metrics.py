"""Mean loss, top-k accuracy, and accuracy of each class.

A label's rank is the number of classes with a larger logit; top-k counts ranks below k. Ties rank
the lower class first, so constant outputs score chance. NaN ranks above the label, so a broken
network scores 0.
"""

from collections.abc import Iterable
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import numpy as np

import tinynet as tn


def ranks(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """int64 (N,): the rank of each image's label, from 0 to classes - 1. If the label's logit is
    NaN, the rank is the number of classes.

    logits  (N, classes) floats
    labels  (N,) integers
    """
    own = logits[np.arange(len(labels)), labels][:, None]
    earlier = np.arange(logits.shape[1]) < np.asarray(labels)[:, None]
    before = ~(logits <= own) | ((logits == own) & earlier)
    return before.sum(axis=1)


def top_k(classes: int, k: int = 5) -> int:
    """k, or the number of classes if that is smaller."""
    return min(k, classes)


def log_probabilities(logits: np.ndarray) -> np.ndarray:
    """float64 (N, classes): log softmax, l - log(sum of exp(l)) in each row. NaN where a logit is
    not finite.  logits: (N, classes) floats"""
    with np.errstate(invalid="ignore"):  # inf - inf
        shifted = logits - logits.max(axis=1, keepdims=True).astype(np.float64)
        return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class EachImage:
    """What a network makes of each image.

    ranks          int64 (N,)       of its class (ranks())
    classes        int64 (N, k)     the k most probable classes, most probable first
    probabilities  float64 (N, k)   of them
    k is 5, or the number of classes if that is smaller.
    """

    ranks: np.ndarray
    classes: np.ndarray
    probabilities: np.ndarray

    @property
    def predicted(self) -> np.ndarray:
        """int64 (N,): the most probable class of each image."""
        return self.classes[:, 0]

    @property
    def confidence(self) -> np.ndarray:
        """float64 (N,): the probability of that class."""
        return self.probabilities[:, 0]


@dataclass(frozen=True)
class Metrics:
    """The mean loss and the accuracies, 0 to 1, of a network on some images. With fewer than five
    classes top5 is top-(classes). each is None unless asked for."""

    loss: float
    top1: float
    top5: float
    images: np.ndarray  # int64 (classes,): the number of images of each class
    correct: np.ndarray  # int64 (classes,): the number of them classified correctly
    each: EachImage | None = None


class Tally:
    """The counts from which Metrics follow, batch by batch.

    each_image  also keep what is known of each image
    """

    def __init__(self, classes: int, each_image: bool = False):
        self._k = top_k(classes)
        self._losses, self._counts = 0.0, np.zeros((3, classes), np.int64)
        self._each = [] if each_image else None

    def add(self, loss: float, logits: np.ndarray, labels: np.ndarray) -> None:
        """Count a batch.

        loss    the mean over the batch
        logits  (N, classes); labels  int64 (N,)
        """
        self._losses += loss * len(labels)
        rank = ranks(logits, labels)
        chosen = rank >= 0, rank < 1, rank < self._k
        for row, which in zip(self._counts, chosen, strict=True):
            row += np.bincount(labels[which], minlength=len(row))
        if self._each is not None:
            order = np.argsort(-logits, axis=1, kind="stable")[:, : self._k]
            likely = np.take_along_axis(log_probabilities(logits), order, axis=1)
            self._each.append((rank, order, np.exp(likely)))

    def join(self, ranks) -> None:
        """Add the counts of all ranks (tinynet/parallel), so that each has the whole's."""
        sums = np.array([self._losses, *self._counts.reshape(-1)])
        ranks.all_reduce(sums, "metrics").wait()  # whole numbers below 2^53 are exact
        self._losses = sums[0]
        self._counts = sums[1:].astype(np.int64).reshape(self._counts.shape)

    def metrics(self) -> Metrics:
        """The Metrics of all batches."""
        images, correct, within_k = self._counts
        total = images.sum()
        each = None
        if self._each is not None:
            each = EachImage(*(np.concatenate(parts) for parts in zip(*self._each, strict=True)))
        top1, top5 = float(correct.sum() / total), float(within_k.sum() / total)
        return Metrics(self._losses / total, top1, top5, images, correct, each)


@contextmanager
def in_test_mode(model, record=False):
    """with in_test_mode(model): the model computes in test mode and records no graph, unless record
    is True. Each of its modules has its own mode again afterwards: a batch norm may be frozen while
    others train."""
    before = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with nullcontext() if record else tn.no_grad():
            yield
    finally:
        for module, training in before:
            module.training = training


def evaluate(model, batches: Iterable, classes: int, ranks=None) -> Metrics:
    """The Metrics of a model in test mode; the modes of its modules are restored afterwards.

    batches     pairs of images, a Tensor (N, 3, S, S), and tn.Labels
    ranks       an engine (tinynet/parallel) whose ranks each have a part of the images: the Metrics
                are those of all images, on every rank. None: the batches have all images
    """
    tally = Tally(classes)
    with in_test_mode(model):
        for x, labels in batches:
            if len(labels) == 0:  # a last batch that is too small for every rank
                continue
            logits = model(x)
            loss = tn.softmax_cross_entropy(logits, labels).item()
            tally.add(loss, logits.numpy(), labels.host)
    if ranks is not None:
        tally.join(ranks)
    return tally.metrics()
