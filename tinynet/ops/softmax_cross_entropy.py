"""Softmax, and the cross-entropy loss of a classifier."""

import numpy as np

from tinynet.op import op
from tinynet.ops.checks import check_floating


@op
def softmax(ctx, logits):
    """exp(logits[n, c]) / sum over j of exp(logits[n, j]): each row as probabilities.

    logits  (N, classes)  float32 or float64
    Returns a tensor like logits.
    """
    _check_logits("softmax", logits)
    y = ctx.empty_like(logits)
    ctx.kernels.softmax(logits, y)

    def backward(dy):
        dx = ctx.empty_like(dy)
        ctx.kernels.softmax_backward(dy, y, dx)
        return dx

    return y, backward


@op
def softmax_cross_entropy(ctx, logits, labels):
    """The mean over the batch of log(sum over j of exp(logits[n, j])) - logits[n, labels[n]].

    logits  (N, classes)  float32 or float64
    labels  (N,)          integers from 0 to classes - 1: an array or a Tensor
    Returns a tensor of shape (). Raises ValueError where a label is out of range or shapes differ,
    TypeError where labels are no integers.
    Source: the paper, section 3.5 (multinomial logistic regression).
    """
    _check_logits("softmax_cross_entropy", logits)
    labels = _checked_labels(ctx, logits, labels)
    probabilities = ctx.empty_like(logits)
    losses = ctx.empty(logits.shape[:1], logits.dtype)
    ctx.kernels.softmax_cross_entropy(logits, labels, probabilities, losses)

    def backward(dy):
        dlogits = ctx.empty_like(probabilities)
        ctx.kernels.softmax_cross_entropy_backward(probabilities, labels, dy, dlogits)
        return dlogits, None

    return losses.mean(), backward


def _check_logits(name, logits):
    check_floating(name, "logits", logits)
    if logits.ndim != 2 or min(logits.shape) < 1:
        raise ValueError(
            f"{name}: logits have shape {logits.shape}; (N, classes) fits, both at least 1"
        )


def _checked_labels(ctx, logits, labels):
    """labels as the backend's int64 array, checked on the host."""
    if isinstance(labels, ctx.xp.ndarray) and not isinstance(labels, np.ndarray):
        labels = ctx.kernels.to_numpy(labels)
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iu":
        raise TypeError(
            f"softmax_cross_entropy: labels are {labels.dtype}; class numbers as integers fit"
        )
    count, classes = logits.shape
    if labels.shape != (count,):
        raise ValueError(
            f"softmax_cross_entropy: labels have shape {labels.shape}, logits {logits.shape}; "
            f"labels of shape ({count},) fit"
        )
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(wrong):
        raise ValueError(
            f"softmax_cross_entropy: labels[{wrong[0]}] is {labels[wrong[0]]}; with logits "
            f"{logits.shape} a label is from 0 to {classes - 1}"
        )
    return ctx.kernels.from_numpy(labels.astype(np.int64))
