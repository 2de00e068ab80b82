"""Fully connected layer: y = x weight^T + bias, one dot product for each image and output.

Each thread computes its share of the output with single-threaded BLAS. BLAS's own threads wait for
one another many times within a product. When other threads, such as the image loaders, need a
processor, these waits grow (measured: a product took thirty times as long).

BLAS first copies the weights into its own order. For up to FEW images the copy takes longer than
the product: then plain dot products read each weight once, in place.

N images, IN and OUT features. The weight has a row for each output.
"""

import numpy as np

from .blas import product
from .compilation import loops
from .threads import run_on_threads, shares

FEW = 8  # images
PIECE = 512  # images whose gradients are added in dy's dtype


def linear(x, weight, bias, y):
    """y[n, o] = bias[o] + sum over i of x[n, i] weight[o, i].

    x (N, IN), weight (OUT, IN), bias (OUT,) or None, y (N, OUT)
    Each thread takes its share of the outputs.
    """
    if len(x) <= FEW:
        run_on_threads(_dot_products, [(x, weight, i, j, y) for i, j in shares(len(weight))])
    else:
        run_on_threads(product, [(x, weight[i:j].T, 0, y[:, i:j]) for i, j in shares(len(weight))])
    if bias is not None:
        y += bias


def linear_backward_input(dy, weight, dx):
    """dx[n, i] = sum over o of dy[n, o] weight[o, i]. dy (N, OUT), weight (OUT, IN), dx (N, IN)

    Each thread takes its share of the inputs.
    """
    run_on_threads(
        product, [(dy, weight[:, i:j], 0, dx[:, i:j]) for i, j in shares(weight.shape[1])]
    )


def linear_backward_weight(dy, x, dweight):
    """dweight[o, i] = sum over n of dy[n, o] x[n, i]. dy (N, OUT), x (N, IN), dweight (OUT, IN)

    Each thread takes its share of the outputs.
    """
    run_on_threads(product, [(dy[:, i:j].T, x, 0, dweight[i:j]) for i, j in shares(len(dweight))])


def linear_backward_bias(dy, dbias):
    """dbias[o] = sum over n of dy[n, o]. dy (N, OUT), dbias (OUT,)

    Each PIECE in dy's dtype, the pieces in float64.
    """
    total = np.zeros(len(dbias))
    for first in range(0, len(dy), PIECE):
        total += np.sum(dy[first : first + PIECE], axis=0)
    dbias[...] = total


@loops
def _dot_products(x, weight, first, last, y):
    """y[n, o] = sum over i of x[n, i] weight[o, i] for the outputs first to last - 1."""
    for o in range(first, last):
        row = weight[o]
        for n in range(len(x)):
            image = x[n]
            total = x.dtype.type(0)
            for i in range(len(row)):
                total += image[i] * row[i]
            y[n, o] = total
