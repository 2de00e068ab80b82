"""Hyperbolic tangent, the activation that the paper compares ReLU with. The kernels are in tanh.cu.

Source: the paper, section 3.1 and figure 1.
"""

from pathlib import Path

from .device.launch import elements

CU = Path(__file__).with_suffix(".cu")


def tanh(gpu, x, y):
    """y = tanh(x), element by element. x, y: any shape, the same."""
    gpu.launch(CU, "tanh", elements(x.size), x, y, x.size)


def tanh_backward(gpu, dy, y, dx):
    """dx = dy (1 - y^2), from tanh' = 1 - tanh^2. dy, y, dx: any shape, the same."""
    gpu.launch(CU, "tanh_backward", elements(dy.size), dy, y, dx, dy.size)
