"""Three classifiers without convolutions, and their accuracy on a data set.

If one of them solved a data set, a network trained on it would prove nothing.

    logistic regression on pixels   p = softmax(W x + b), x all pixels: one template for each class
    colour histogram                the same p, x the square roots of the shares of 8 x 8 x 8
                                    colours, without their places
    nearest neighbour on pixels     the label of the training image with the least |a - b|

Logistic regression minimises  mean -log p[label] + penalty / 2 * |W|^2  with L-BFGS. The penalty
with the best validation accuracy counts, which favours the classifier.

Source: Bishop, Pattern Recognition and Machine Learning (2006), sections 4.3.4 and 2.5.2; the
colour histogram is Swain and Ballard, Color indexing (IJCV 1991).
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

LIMIT = 0.40  # no probe may reach this accuracy on the synthetic validation set
PIXEL_PENALTIES = (1e-5, 1e-4, 1e-3)
HISTOGRAM_PENALTIES = (1e-5, 1e-4, 1e-3)


class Result(NamedTuple):
    name: str
    train: float  # accuracy on the images it was trained on, 0 to 1
    val: float  # accuracy on the validation images
    detail: str


def probe(train, val, size: int) -> list[Result]:
    """The three Results for a training and a validation set, objects with .labels and .read. Images
    are read at this size."""
    labels = (train.labels, val.labels)
    images = _images(train, size), _images(val, size)
    histograms = _standardised(*map(colour_histogram, images))
    pixels = _standardised(*(x.reshape(len(x), -1).astype(np.float32) for x in images))
    # NumPy and SciPy each have a BLAS of their own, whose waiting threads slow the other's.
    with threadpool_limits(1, user_api="blas"):
        nearest_labels = train.labels[nearest(*pixels)]
        return [
            _best_penalty("logistic regression on pixels", pixels, labels, PIXEL_PENALTIES),
            _best_penalty("colour histogram", histograms, labels, HISTOGRAM_PENALTIES),
            Result(
                "nearest neighbour on pixels", 1.0, _share(nearest_labels == val.labels), "by rote"
            ),
        ]


def report(train, val, size: int) -> bool:
    """Print the results of probe. Returns whether every classifier stays below LIMIT."""
    print(train.description, val.description, sep="\n")
    print(
        f"{size} x {size} pixels; top-1 accuracy in %, {100 / len(train.classes):.0f} by chance\n"
    )
    print(f"{'':30}{'training':>10}{'validation':>12}")
    results = probe(train, val, size)
    for name, on_train, on_val, detail in results:
        print(f"{name:30}{100 * on_train:10.1f}{100 * on_val:12.1f}   {detail}")
    passed = all(result.val < LIMIT for result in results)
    print(f"\n{'All' if passed else 'NOT all'} below {100 * LIMIT:.0f} % on validation.")
    return passed


def logistic_regression(x, labels, penalty, start=None, iterations=100):
    """One matrix (features + 1, classes) of weights and, in its last row, biases.

    x        float32 (N, features), standardised
    labels   int64 (N,), from 0
    start    the matrix to begin with; None: zeros
    """
    classes = int(labels.max()) + 1
    shape = (x.shape[1] + 1, classes)
    rows = np.arange(len(x))

    def loss_and_gradient(flat):
        matrix = flat.reshape(shape)
        logits = _logits(x, matrix)
        logits -= logits.max(axis=1, keepdims=True)
        p = np.exp(logits)
        p /= p.sum(axis=1, keepdims=True)
        loss = -np.mean(np.log(np.maximum(p[rows, labels], 1e-30)))
        loss += 0.5 * penalty * np.sum(matrix[:-1] ** 2)
        p[rows, labels] -= 1
        p /= len(x)
        gradient = np.concatenate((x.T @ p, p.sum(axis=0, keepdims=True)))
        gradient[:-1] += penalty * matrix[:-1]
        return float(loss), gradient.ravel().astype(np.float64)

    start = np.zeros(shape) if start is None else start
    options = {"maxiter": iterations, "ftol": 1e-6}
    return minimize(
        loss_and_gradient, start.ravel(), jac=True, method="L-BFGS-B", options=options
    ).x.reshape(shape)


def colour_histogram(images):
    """float32 (N, 512): the square root of the share of each of 8 x 8 x 8 colours.

    images  uint8 (N, S, S, 3)
    The root evens out the variances of rare and of common colours.
    """
    histogram = np.empty((len(images), 512), np.float32)
    for row, image in zip(histogram, images, strict=True):
        red, green, blue = (image >> 5).reshape(-1, 3).T.astype(np.int64)
        row[:] = np.bincount(red * 64 + green * 8 + blue, minlength=512)
    return np.sqrt(histogram / images[0, :, :, 0].size)


def nearest(train, val):
    """For each row of val, the index of the nearest row of train. Both: float32 (N, features).

    |a - b|^2 = |a|^2 - 2 a.b + |b|^2, where |a|^2 is the same for every candidate b.
    """
    squares = np.einsum("ij,ij->i", train, train)
    chunks = [val[i : i + 500] for i in range(0, len(val), 500)]
    return np.concatenate([np.argmin(squares - 2 * (chunk @ train.T), axis=1) for chunk in chunks])


def _best_penalty(name, features, labels, penalties):
    """The Result with the best penalty. features, labels: pairs (training, validation)."""
    results, matrix = [], None
    for penalty in sorted(penalties, reverse=True):  # start from a stronger penalty's solution
        matrix = logistic_regression(features[0], labels[0], penalty, matrix)
        correct = (
            _logits(x, matrix).argmax(axis=1) == y for x, y in zip(features, labels, strict=True)
        )
        results.append(Result(name, *map(_share, correct), f"penalty {penalty:g}"))
    best = max(results, key=lambda result: result.val)
    tried = ", ".join(f"{penalty:g}" for penalty in penalties)
    return best._replace(detail=f"{best.detail} (best of {tried})")


def _share(correct):
    return float(np.mean(correct))


def _logits(x, matrix):
    matrix = matrix.astype(np.float32)
    return x @ matrix[:-1] + matrix[-1]


def _images(dataset, size):
    return np.stack([dataset.read(index, size) for index in range(len(dataset.labels))])


def _standardised(train, val):
    """Both minus the training mean, scaled so that a training row's mean square length is 1.

    All features have one scale, so a penalty means the same at every image size. Overwrites train.
    """
    mean = train.mean(axis=0)
    train -= mean
    length = np.sqrt(np.mean(np.einsum("ij,ij->i", train, train), dtype=np.float64))
    train /= np.float32(length)
    return train, (val - mean) / np.float32(length)
