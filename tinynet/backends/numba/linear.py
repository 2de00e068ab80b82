"""Fully connected layer: y = x weight^T + bias, one dot product for each image and output.

Each thread computes its share of the output, by BLAS on that one thread. BLAS's own threads wait
for one another many times within a product, which costs dearly when something else, such as
the readers of images, wants a processor: thirty times the product's time was seen.

N images, IN and OUT features. The weight has a row for each output.
"""

import numpy as np
from numba import prange

from tinynet.backends.numba.blas import product
from tinynet.backends.numba.compilation import parallel_loops
from tinynet.backends.numba.threads import one_blas_thread, parallel, threads


@parallel
def linear(x, weight, bias, y):
    """y[n, o] = bias[o] + sum over i of x[n, i] weight[o, i].

    x (N, IN), weight (OUT, IN), bias (OUT,) or None, y (N, OUT)
    One turn of the parallel loop: one thread's share of the outputs.
    """
    with one_blas_thread:
        _linear(x, weight, y, threads())
    if bias is not None:
        y += bias


@parallel
def linear_backward_input(dy, weight, dx):
    """dx[n, i] = sum over o of dy[n, o] weight[o, i]. dy (N, OUT), weight (OUT, IN), dx (N, IN)

    One turn of the parallel loop: one thread's share of the inputs.
    """
    with one_blas_thread:
        _linear_backward_input(dy, weight, dx, threads())


@parallel
def linear_backward_weight(dy, x, dweight):
    """dweight[o, i] = sum over n of dy[n, o] x[n, i]. dy (N, OUT), x (N, IN), dweight (OUT, IN)

    One turn of the parallel loop: one thread's share of the outputs.
    """
    with one_blas_thread:
        _linear_backward_weight(dy, x, dweight, threads())


def linear_backward_bias(dy, dbias):
    """dbias[o] = sum over n of dy[n, o]. dy (N, OUT), dbias (OUT,)"""
    np.sum(dy, axis=0, out=dbias)


@parallel_loops
def _linear(x, weight, y, shares):
    outputs = len(weight)
    for s in prange(shares):
        i, j = outputs * s // shares, outputs * (s + 1) // shares
        if i < j:
            product(x, weight[i:j].T, 0, y[:, i:j])


@parallel_loops
def _linear_backward_input(dy, weight, dx, shares):
    inputs = weight.shape[1]
    for s in prange(shares):
        i, j = inputs * s // shares, inputs * (s + 1) // shares
        if i < j:
            product(dy, weight[:, i:j], 0, dx[:, i:j])


@parallel_loops
def _linear_backward_weight(dy, x, dweight, shares):
    outputs = len(dweight)
    for s in prange(shares):
        i, j = outputs * s // shares, outputs * (s + 1) // shares
        if i < j:
            product(dy[:, i:j].T, x, 0, dweight[i:j])
