"""The images of a dataset whose activations are nearest to another image's.

    distance(a, b) = sqrt(sum over i of (a_i - b_i) squared)

The differences are taken element by element in float64. A product, |a|^2 + |b|^2 - 2 a b, would
lose the digits of small distances between long vectors.

Source: the paper, section 6.1 and figure 4 (right), with the last hidden layer's activations.
"""

import math
import os
from collections import defaultdict
from collections.abc import Collection
from typing import NamedTuple

import numpy as np

ROWS = 64  # of features are compared at once: 2 MiB of float64 differences at 4,096 columns


def nearest(
    features: np.ndarray, query: np.ndarray, count: int, leave_out: Collection[int] = ()
) -> list[tuple[int, float]]:
    """Up to `count` pairs (row, Euclidean distance), nearest first, ties in the order of the rows.

    features   (N, D), finite
    query      (D,)
    leave_out  rows that do not count
    """
    squares = np.empty(len(features))
    for start in range(0, len(features), ROWS):
        difference = np.subtract(features[start : start + ROWS], query, dtype=np.float64)
        squares[start : start + ROWS] = np.einsum("ij,ij->i", difference, difference)
    left_out = set(leave_out)
    order = np.argsort(squares, kind="stable")[: count + len(left_out)].tolist()
    return [(row, math.sqrt(squares[row])) for row in order if row not in left_out][:count]


class Neighbour(NamedTuple):
    """One image of a dataset.

    index     in the dataset
    image     its path; of a dataset without files, its index
    label     the name of its class
    distance  from the other image
    """

    index: int
    image: str | int
    label: str
    distance: float


class Neighbourhood:
    """A dataset with its activations, in which neighbours are looked for.

    data      as alexnet.data describes; `paths` where its images are files
    features  float32 (len(data), D): dataset_activations of the last hidden layer
    """

    def __init__(self, data, features: np.ndarray):
        self.data, self._features = data, features
        self._places = defaultdict(list)  # of a file: its rows; links make more than one
        for row, path in enumerate(getattr(data, "paths", ())):
            self._places[_identity(path)].append(row)

    def of(self, path: str, query: np.ndarray, count: int) -> list[Neighbour]:
        """Up to `count` images of the dataset, nearest first, without the file `path` itself.

        query  (D,): the activations of the image in `path`
        """
        data, own = self.data, self._places.get(_identity(path), ())
        return [
            Neighbour(
                row,
                data.paths[row] if hasattr(data, "paths") else row,
                data.classes[data.labels[row]],
                distance,
            )
            for row, distance in nearest(self._features, query, count, own)
        ]


def _identity(path):
    """What two names of one file share; the path of a file that is gone."""
    try:
        status = os.stat(path)
    except OSError:
        return path
    return status.st_dev, status.st_ino
