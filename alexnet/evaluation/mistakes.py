"""Which classes a network takes for which, and the images of which it is wrongly sure."""

import numpy as np


def confusion(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """int64 (classes, classes): entry [i, j] is the number of images of class i that were taken
    for class j.

    labels, predicted  (N,) integers below classes
    """
    pairs = np.asarray(labels) * classes + predicted
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def most_confused(matrix: np.ndarray, count: int) -> list[tuple[int, int, int]]:
    """Up to `count` triples (class, predicted class, images), most images first. Ties come in the
    order of the classes.

    matrix  of confusion()
    """
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong.ravel(), kind="stable")[:count]
    pairs = (divmod(int(place), len(matrix)) for place in order)
    return [(i, j, int(wrong[i, j])) for i, j in pairs if wrong[i, j]]


def most_wrong(
    labels: np.ndarray, predicted: np.ndarray, confidence: np.ndarray, count: int
) -> list[int]:
    """Up to `count` indices of images that were classified wrongly: those with the largest
    confidence first, ties in the order of the images. Arguments: as in Metrics, each (N,)."""
    wrong = np.flatnonzero(np.asarray(labels) != predicted)
    return wrong[np.argsort(-confidence[wrong], kind="stable")][:count].tolist()
