"""Softmax and the cross-entropy loss, the last layer of a classifier.

    p[n, c] = exp(z[n, c]) / sum over j of exp(z[n, j])       z: the logits
    loss[n] = -log p[n, label]  =  log(sum over j of exp(z[n, j])) - z[n, label]

Each row's largest logit is subtracted first: it cancels in both formulas, and no exp overflows.
Source: the paper, section 3.5 (multinomial logistic regression).
"""

import numpy as np


def softmax(logits, y):
    """y = each row's exponentials divided by their sum. logits, y (N, classes)"""
    np.exp(logits - logits.max(axis=1, keepdims=True), out=y)
    y /= y.sum(axis=1, keepdims=True)


def softmax_backward(dy, y, dx):
    """dx[n, c] = y[n, c] (dy[n, c] - sum over j of dy[n, j] y[n, j]). All (N, classes)"""
    dx[...] = y * (dy - (dy * y).sum(axis=1, keepdims=True))


def softmax_cross_entropy(logits, labels, probabilities, losses):
    """probabilities = softmax(logits); losses[n] = -log of the label's probability.

    logits, probabilities  (N, classes)
    labels                 (N,)  int64
    losses                 (N,)
    """
    shifted = logits - logits.max(axis=1, keepdims=True)
    np.exp(shifted, out=probabilities)
    total = probabilities.sum(axis=1, keepdims=True)
    probabilities /= total
    losses[...] = np.log(total[:, 0]) - shifted[np.arange(len(labels)), labels]


def softmax_cross_entropy_backward(probabilities, labels, dloss, dlogits):
    """dlogits[n, c] = dloss / N * (probabilities[n, c] - (c == labels[n])).

    probabilities, dlogits  (N, classes)
    labels                  (N,)  int64
    dloss                   ()    the derivative by the mean of the losses
    """
    dlogits[...] = probabilities
    dlogits[np.arange(len(labels)), labels] -= 1
    dlogits *= dloss / len(labels)
