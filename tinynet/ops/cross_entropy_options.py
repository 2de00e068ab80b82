"""The options of softmax_cross_entropy: soft labels, smoothing, class weights, ignored labels.

    share[n, c]   = weight[c] ((1 - smoothing) target[n, c] + smoothing / classes)
    loss[n]       = - sum over c of share[n, c] log p[n, c]                p = softmax(logits)
    dlogits[n, c] = dloss[n] (p[n, c] sum over j of share[n, j] - share[n, c])

target is the soft labels, or 1 at the label and 0 elsewhere. "mean" divides the sum of the losses
by the sum of the labels' weights, for soft labels by N. An ignored label counts in neither.
Source: PyTorch's cross_entropy; smoothing: Szegedy and others, Rethinking the Inception
architecture (2016), section 7.
"""

from tinynet.graph import type_name
from tinynet.ops.checks import number
from tinynet.ops.log_softmax import log_probabilities
from tinynet.ops.sums import sum_along
from tinynet.tensor import describe

NAME = "softmax_cross_entropy"
REDUCTIONS = ("mean", "sum", "none")


def cross_entropy(ctx, logits, labels, weight, kept, reduction, smoothing):
    """The loss and its closure.

    logits     (N, classes)
    labels     (N,) int64, or soft labels (N, classes)
    weight     (classes,) or None
    kept       (N,) bools, false where a label is ignored, or None
    reduction  one of REDUCTIONS
    smoothing  a number
    """
    xp, dtype = ctx.xp, logits.dtype
    count, classes = logits.shape
    is_soft, zero = labels.ndim == 2, dtype.type(0)
    target = labels if is_soft else (labels[:, None] == xp.arange(classes)).astype(dtype)
    share = target * (1 - smoothing) + smoothing / classes
    share = share if weight is None else share * weight
    logs = log_probabilities(xp, logits, axis=1)
    # A label says nothing about the other classes: their logits may be -inf, their logs too.
    losses = -sum_along(share * (logs if is_soft else xp.where(share == 0, zero, logs)), axis=1)
    if kept is not None:
        losses = xp.where(kept, losses, zero)

    divisor = 1
    if reduction == "mean":
        divisor = count
        if not is_soft and (weight is not None or kept is not None):
            weights = target if weight is None else target * weight
            divisor = (weights if kept is None else xp.where(kept[:, None], weights, zero)).sum()

    def backward(dy):
        dlosses = dy.reshape(-1, 1) / divisor
        dlogits = dlosses * (xp.exp(logs) * sum_along(share, 1, keepdims=True) - share)
        if kept is not None:
            dlogits = xp.where(kept[:, None], dlogits, zero)
        dlabels = None
        if is_soft and ctx.needs_grad[1]:
            dlabels = -dlosses * (1 - smoothing) * (logs if weight is None else logs * weight)
        return dlogits, dlabels

    return losses if reduction == "none" else losses.sum() / divisor, backward


def check_soft_labels(logits, labels, ignore_index):
    """Soft labels must be like the logits, and none of them is ignored."""
    if ignore_index is not None:
        raise ValueError(f"{NAME}: ignore_index goes with class numbers, not with soft labels")
    if labels.shape != logits.shape or labels.dtype != logits.dtype:
        raise ValueError(
            f"{NAME}: soft labels are {describe(labels)}, logits {describe(logits)}; they must be "
            "alike"
        )


def check_options(ctx, logits, weight, reduction, label_smoothing):
    """The options must be of their kind and range, and weight a constant like a row of logits."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"{NAME}: reduction must be one of {REDUCTIONS}, got {reduction!r}")
    if not 0 <= number(NAME, "label_smoothing", label_smoothing) <= 1:
        raise ValueError(f"{NAME}: label_smoothing must be from 0 to 1, got {label_smoothing!r}")
    if weight is None:
        return
    classes = logits.shape[1:]
    if not isinstance(weight, ctx.xp.ndarray) or weight.dtype != logits.dtype:
        kind = describe(weight) if hasattr(weight, "dtype") else type_name(weight)
        raise TypeError(
            f"{NAME}: weight is {kind}; a Tensor or an array {logits.dtype} {classes} fits"
        )
    if weight.shape != classes:
        raise ValueError(
            f"{NAME}: weight has shape {weight.shape}; {classes} fits (one for each class)"
        )
    if ctx.needs_grad[2]:
        raise ValueError(f"{NAME}: weight has no gradient; give weight.detach()")
