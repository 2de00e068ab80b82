"""Softmax and the cross-entropy loss, the last layer of a classifier.

    p[n, c] = exp(z[n, c]) / sum over j of exp(z[n, j])       z: the logits
    loss[n] = -log p[n, label]  =  log(sum over j of exp(z[n, j])) - z[n, label]

Each row's largest logit is subtracted first: it cancels in both formulas, and no exp overflows.
In the forward pass threads share the rows, because the exponentials take nearly all the time. One
thread sums a row, so the bits are the same at any number of threads. The backward pass is a plain
loop: 128 rows of 1,000 classes take 12 microseconds.
Source: the paper, section 3.5 (multinomial logistic regression).
"""

import math

from numba import prange

from .compilation import loops, parallel_loops
from .threads import parallel


@parallel
def softmax(logits, y):
    """y = each row's exponentials divided by their sum. logits, y (N, classes)

    One iteration of the parallel loop: one row.
    """
    _softmax(logits, y)


def softmax_backward(dy, y, dx):
    """dx[n, c] = y[n, c] (dy[n, c] - sum over j of dy[n, j] y[n, j]). All (N, classes)"""
    _softmax_backward(dy, y, dx)


@parallel
def softmax_cross_entropy(logits, labels, probabilities, losses):
    """probabilities = softmax(logits); losses[n] = -log of the label's probability.

    logits, probabilities  (N, classes)
    labels                 (N,)  int64
    losses                 (N,)
    One iteration of the parallel loop: one row.
    """
    _softmax_cross_entropy(logits, labels, probabilities, losses)


def softmax_cross_entropy_backward(probabilities, labels, dloss, dlogits):
    """dlogits[n, c] = dloss / N * (probabilities[n, c] - (c == labels[n])).

    probabilities, dlogits  (N, classes)
    labels                  (N,)  int64
    dloss                   ()    the derivative by the mean of the losses
    """
    _softmax_cross_entropy_backward(probabilities, labels, probabilities.dtype.type(dloss), dlogits)


@parallel_loops
def _softmax(logits, y):
    for n in prange(len(logits)):
        _softmax_row(logits[n], y[n])


@loops
def _softmax_row(logits, y):
    """y = softmax of one row. Returns the largest logit and the sum of the exponentials."""
    largest = logits[0]
    for c in range(1, len(logits)):
        largest = max(largest, logits[c])
    total = logits.dtype.type(0)
    for c in range(len(logits)):
        y[c] = math.exp(logits[c] - largest)
        total += y[c]
    for c in range(len(logits)):
        y[c] /= total
    return largest, total


@loops
def _softmax_backward(dy, y, dx):
    rows, classes = y.shape
    for n in range(rows):
        total = y.dtype.type(0)
        for c in range(classes):
            total += dy[n, c] * y[n, c]
        for c in range(classes):
            dx[n, c] = y[n, c] * (dy[n, c] - total)


@parallel_loops
def _softmax_cross_entropy(logits, labels, probabilities, losses):
    for n in prange(len(logits)):
        largest, total = _softmax_row(logits[n], probabilities[n])
        losses[n] = math.log(total) - (logits[n, labels[n]] - largest)


@loops
def _softmax_cross_entropy_backward(probabilities, labels, dloss, dlogits):
    rows, classes = probabilities.shape
    share = dloss / probabilities.dtype.type(rows)
    for n in range(rows):
        for c in range(classes):
            dlogits[n, c] = share * probabilities[n, c]
        dlogits[n, labels[n]] = share * (probabilities[n, labels[n]] - 1)
