"""Fully connected layer: y = x weight^T + bias, one dot product for each image and output.

N images, IN and OUT features. The weight has a row for each output.
"""

import numpy as np


def linear(x, weight, bias, y):
    """y[n, o] = bias[o] + sum over i of x[n, i] weight[o, i].

    x (N, IN), weight (OUT, IN), bias (OUT,) or None, y (N, OUT)
    """
    np.matmul(x, weight.T, out=y)
    if bias is not None:
        y += bias


def linear_backward_input(dy, weight, dx):
    """dx[n, i] = sum over o of dy[n, o] weight[o, i]. dy (N, OUT), weight (OUT, IN), dx (N, IN)"""
    np.matmul(dy, weight, out=dx)


def linear_backward_weight(dy, x, dweight):
    """dweight[o, i] = sum over n of dy[n, o] x[n, i]. dy (N, OUT), x (N, IN), dweight (OUT, IN)"""
    np.matmul(dy.T, x, out=dweight)


def linear_backward_bias(dy, dbias):
    """dbias[o] = sum over n of dy[n, o]. dy (N, OUT), dbias (OUT,)"""
    dbias[...] = dy.sum(axis=0, dtype=np.float64)
