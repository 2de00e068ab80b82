"""Mean loss, top-k accuracy, and accuracy of each class.

A label's rank is the number of classes with a larger logit; top-k counts ranks below k. Ties rank
the lower class first, so constant outputs score chance. NaN ranks above the label, so a broken
network scores 0.
"""

from collections.abc import Iterable
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


@dataclass(frozen=True)
class Metrics:
    """The mean loss and the accuracies, 0 to 1, of a network on some images. With fewer than five
    classes top5 is top-(classes). predicted and confidence are None unless asked for."""

    loss: float
    top1: float
    top5: float
    images: np.ndarray  # int64 (classes,): the number of images of each class
    correct: np.ndarray  # int64 (classes,): the number of them classified correctly
    predicted: np.ndarray | None = None  # int64 (N,): the most probable class of each image
    confidence: np.ndarray | None = None  # float32 (N,): the probability of that class


def evaluate(model, batches: Iterable, classes: int, each_image: bool = False) -> Metrics:
    """The Metrics of a model in test mode. The model's mode is restored afterwards.

    batches     pairs of images, a Tensor (N, 3, S, S), and tn.Labels
    each_image  also return the predicted class of each image and its confidence
    """
    losses, counts = 0.0, np.zeros((3, classes), np.int64)
    predicted, confidence = [], []
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
                if each_image:
                    predicted.append(logits.numpy().argmax(axis=1))
                    confidence.append(tn.softmax(logits).numpy().max(axis=1))
    finally:
        model.train(before)
    images, correct, within_k = counts
    total = images.sum()
    each = (np.concatenate(predicted), np.concatenate(confidence)) if each_image else ()
    top1, top5 = float(correct.sum() / total), float(within_k.sum() / total)
    return Metrics(losses / total, top1, top5, images, correct, *each)
