"""How good a network is: mean loss, top-k accuracy, accuracy of each class.

A label's rank is how many classes the network holds more likely; top-k counts ranks below k. Ties
rank the lower class first, so constant outputs score chance. NaN ranks above the label, so a broken
network scores 0.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

import tinynet as tn


def ranks(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """int64 (N,): the rank of each image's label, 0 to classes - 1; classes where its logit is NaN.

    logits  (N, classes) floats
    labels  (N,) integers
    """
    own = logits[np.arange(len(labels)), labels][:, None]
    earlier = np.arange(logits.shape[1]) < np.asarray(labels)[:, None]
    before = ~(logits <= own) | ((logits == own) & earlier)
    return before.sum(axis=1)


def top_k(classes: int, k: int = 5) -> int:
    """k, or the number of classes where they are fewer."""
    return min(k, classes)


@dataclass(frozen=True)
class Metrics:
    """How good a network is on some images. Accuracies are from 0 to 1. With fewer than five
    classes, top5 is top-(classes)."""

    loss: float
    top1: float
    top5: float
    images: np.ndarray  # int64 (classes,): how many images each class has
    correct: np.ndarray  # int64 (classes,): how many of them are classified correctly


def evaluate(model, batches: Iterable, classes: int) -> Metrics:
    """The Metrics of a model in test mode.

    batches  of images, Tensors (N, 3, S, S), and tn.Labels
    Afterwards the model is in training mode or in test mode, as before.
    """
    losses, counts = 0.0, np.zeros((3, classes), np.int64)
    k = top_k(classes)
    before = model.training
    model.eval()
    try:
        with tn.no_grad():
            for x, labels in batches:
                logits = model(x)
                losses += tn.softmax_cross_entropy(logits, labels).item() * len(labels)
                rank = ranks(logits.numpy(), labels.host)
                for row, chosen in zip(counts, (rank >= 0, rank < 1, rank < k), strict=True):
                    row += np.bincount(labels.host[chosen], minlength=classes)
    finally:
        model.train(before)
    images, correct, within_k = counts
    total = images.sum()
    return Metrics(
        losses / total, float(correct.sum() / total), float(within_k.sum() / total), images, correct
    )
