"""Softmax and the cross-entropy loss, the last layer of a classifier. The kernels are in
softmax_cross_entropy.cu.

    p[n, c] = exp(z[n, c]) / sum over j of exp(z[n, j])       z: the logits
    loss[n] = -log p[n, label]  =  log(sum over j of exp(z[n, j])) - z[n, label]

Each row's largest logit is subtracted first: it cancels in both formulas, and no exp overflows.
Source: the paper, section 3.5 (multinomial logistic regression).
"""

from pathlib import Path

from .device.launch import blocks

CU = Path(__file__).with_suffix(".cu")


def softmax(gpu, logits, y):
    """y = each row's exponentials divided by their sum. logits, y (N, classes)"""
    images, classes = logits.shape
    gpu.launch(CU, "softmax", blocks(images), logits, y, classes)


def softmax_backward(gpu, dy, y, dx):
    """dx[n, c] = y[n, c] (dy[n, c] - sum over j of dy[n, j] y[n, j]). All (N, classes)"""
    images, classes = dy.shape
    gpu.launch(CU, "softmax_backward", blocks(images), dy, y, dx, classes)


def softmax_cross_entropy(gpu, logits, labels, probabilities, losses):
    """probabilities = softmax(logits); losses[n] = -log of the label's probability.

    logits, probabilities  (N, classes)
    labels                 (N,)  int64
    losses                 (N,)
    """
    images, classes = logits.shape
    gpu.launch(
        CU, "softmax_cross_entropy", blocks(images),
        logits, labels, probabilities, losses, classes,
    )  # fmt: skip


def softmax_cross_entropy_backward(gpu, probabilities, labels, dloss, dlogits):
    """dlogits[n, c] = dloss / N * (probabilities[n, c] - (c == labels[n])).

    probabilities, dlogits  (N, classes)
    labels                  (N,)  int64
    dloss                   ()    the derivative by the mean of the losses
    """
    images, classes = dlogits.shape
    gpu.launch(
        CU, "softmax_cross_entropy_backward", blocks(images),
        probabilities, labels, dloss, dlogits, images, classes,
    )  # fmt: skip
