"""Rectified linear unit: f(x) = max(x, 0). The kernels are in relu.cu.

Source: the paper, section 3.1.
"""

from pathlib import Path

from .device.launch import elements

CU = Path(__file__).with_suffix(".cu")


def relu(gpu, x, y):
    """y = max(x, 0), element by element. x, y: any shape, the same. NaN stays NaN."""
    gpu.launch(CU, "relu", elements(x.size), x, y, x.size)


def relu_backward(gpu, dy, y, dx):
    """dx = dy where y > 0, else 0, but dy where y is NaN. dy, y, dx: any shape, the same."""
    gpu.launch(CU, "relu_backward", elements(dy.size), dy, y, dx, dy.size)
