"""Softmax, and the cross-entropy loss of a classifier."""

import numpy as np

from tinynet.backends import get_backend
from tinynet.graph import type_name
from tinynet.op import op
from tinynet.ops import cross_entropy_options as options
from tinynet.ops.checks import check_floating, integer
from tinynet.tensor import describe


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
def softmax_cross_entropy(
    ctx, logits, labels, weight=None, ignore_index=None, reduction="mean", label_smoothing=0.0
):
    """The mean over the batch of log(sum over j of exp(logits[n, j])) - logits[n, labels[n]].

    logits  (N, classes)  float32 or float64
    labels  (N,)          integers from 0 to classes - 1: an array, a Tensor, or Labels
            (N, classes)  soft labels: each row's shares of the classes, floats like the logits
    The options are PyTorch's (formulas: ops/cross_entropy_options.py):
    weight           (classes,) a factor for the loss of each class, or None; a constant
    ignore_index     labels with this number do not count; None: there are none (PyTorch: -100)
    reduction        "mean", with weight the weighted mean; "sum"; or "none": a loss for each row
    label_smoothing  from 0 to 1: this share of the label is spread over all classes
    Returns a tensor of shape (), with "none" (N,). A mean over no label is NaN.
    Raises ValueError where a label is out of range or shapes differ, TypeError where labels are not
    integers. An array on a GPU is read back to be checked, which waits for the GPU; Labels were
    checked before.
    Source: the paper, section 3.5 (multinomial logistic regression).
    """
    _check_logits("softmax_cross_entropy", logits)
    is_soft = getattr(labels, "ndim", 1) == 2 and labels.dtype.kind == "f"
    has_options = (
        weight is not None or ignore_index is not None or reduction != "mean" or label_smoothing
    )
    if is_soft or has_options:
        options.check_options(ctx, logits, weight, reduction, label_smoothing)
        kept = None
        if is_soft:
            options.check_soft_labels(logits, labels, ignore_index)
        else:
            labels = _checked_labels(ctx, logits, labels, ignore_index)
            kept = None if ignore_index is None else labels != ignore_index
        return options.cross_entropy(
            ctx, logits, labels, weight, kept, reduction, float(label_smoothing)
        )

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


class Labels:
    """Labels that were checked once, on the processor, so that a loss does not wait for the GPU to
    check them.

    host     (N,)  integers from 0 to classes - 1
    classes  the number of classes
    device   the same labels as the backend's array, int64 (N,), if they are there already; None:
             copy them. Its values are not read: they must be those of host
    Raises ValueError where a label is out of range or a shape does not fit, TypeError where labels
    or classes are not integers or device is another kind of array.
    """

    __slots__ = ("host", "classes", "data")

    def __init__(self, host, classes, device=None):
        self.host = np.asarray(host)
        self.classes = integer("Labels", "classes", classes, least=1)
        _check_labels(self.host, self.classes)
        if self.host.ndim != 1:
            raise ValueError(f"Labels: host has shape {self.host.shape}; (N,) fits")
        if device is None:
            device = get_backend().from_numpy(self.host.astype(np.int64))
        _check_device_labels(device, self.host.shape)
        self.data = device

    def __len__(self):
        return len(self.host)


def _checked_labels(ctx, logits, labels, ignore_index=None):
    """labels as the backend's int64 array, checked on the processor."""
    count, classes = logits.shape
    if ignore_index is not None:
        ignore_index = integer("softmax_cross_entropy", "ignore_index", ignore_index)
    if isinstance(labels, Labels):
        if labels.classes > classes:
            raise ValueError(
                f"softmax_cross_entropy: Labels of {labels.classes} classes, logits "
                f"{logits.shape}; Labels(..., classes={classes}) fit"
            )
        if not isinstance(labels.data, ctx.xp.ndarray):
            raise TypeError(
                "softmax_cross_entropy: the Labels lie on another backend than the logits, on "
                f"{ctx.kernels.name}; make them under it: tn.use_backend(...)"
            )
        labels = labels.data
    else:
        if isinstance(labels, ctx.xp.ndarray) and not isinstance(labels, np.ndarray):
            labels = ctx.kernels.to_numpy(labels)
        labels = np.asarray(labels)
        _check_labels(labels, classes, ignore_index)
        labels = ctx.kernels.from_numpy(labels.astype(np.int64))
    if labels.shape != (count,):
        raise ValueError(
            f"softmax_cross_entropy: labels have shape {labels.shape}, logits {logits.shape}; "
            f"labels of shape ({count},) fit"
        )
    return labels


def _check_device_labels(device, shape):
    backend = get_backend()
    if not isinstance(device, backend.xp.ndarray):
        raise TypeError(
            f"Labels: device is a {type_name(device)}; an array of backend {backend.name} fits"
        )
    if device.dtype != np.int64 or not device.flags.c_contiguous:
        raise TypeError(f"Labels: device is {device.dtype}; int64 in C order fits")
    if device.shape != shape:
        raise ValueError(f"Labels: device has shape {device.shape}, host {shape}; the same fits")


def _check_labels(labels, classes, ignore_index=None):
    if labels.dtype.kind not in "iu":
        raise TypeError(
            f"softmax_cross_entropy: labels are {describe(labels)}; class numbers as integers fit, "
            "or soft labels (N, classes) as a Tensor or an array of floats"
        )
    is_wrong = (labels < 0) | (labels >= classes)
    if ignore_index is not None:
        is_wrong &= labels != ignore_index
    wrong = np.argwhere(is_wrong)
    if len(wrong):
        place = tuple(wrong[0].tolist())
        raise ValueError(
            f"softmax_cross_entropy: labels[{', '.join(map(str, place))}] is {labels[place]}; "
            f"with {classes} classes a label is from 0 to {classes - 1}"
        )
