"""Fully connected layer: y = x weight^T + bias. cuBLAS computes the products,
linear.cu the bias.

N images, IN and OUT features. The weight has a row for each output.
"""

from pathlib import Path

from .device.launch import LANES, MAPS, maps

CU = Path(__file__).with_suffix(".cu")


def linear(gpu, x, weight, bias, y):
    """y[n, o] = bias[o] + sum over i of x[n, i] weight[o, i].

    x (N, IN), weight (OUT, IN), bias (OUT,) or None, y (N, OUT)
    """
    gpu.product(x[None], weight.T[None], y[None])
    if bias is not None:
        images, outputs = y.shape
        gpu.launch(CU, "add_bias", maps(images, outputs), bias, y, images, outputs)


def linear_backward_input(gpu, dy, weight, dx):
    """dx[n, i] = sum over o of dy[n, o] weight[o, i]. dy (N, OUT), weight (OUT, IN), dx (N, IN)"""
    gpu.product(dy[None], weight[None], dx[None])


def linear_backward_weight(gpu, dy, x, dweight):
    """dweight[o, i] = sum over n of dy[n, o] x[n, i]. dy (N, OUT), x (N, IN), dweight (OUT, IN)"""
    gpu.product(dy.T[None], x[None], dweight[None])


def linear_backward_bias(gpu, dy, dbias):
    """dbias[o] = sum over n of dy[n, o]. dy (N, OUT), dbias (OUT,)"""
    images, outputs = dy.shape
    grid = (-(-outputs // LANES),), (LANES, MAPS)
    gpu.launch(CU, "sum_of_rows", grid, dy, dbias, images, outputs)
