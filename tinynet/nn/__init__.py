"""Modules: layers that hold their parameters, and the models made of them."""

from tinynet.nn import init
from tinynet.nn.layers import (
    AdaptiveAvgPool2d,
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    Linear,
    LocalResponseNorm,
    MaxPool2d,
    ReLU,
    SameMapNorm,
    Sigmoid,
    Tanh,
)
from tinynet.nn.module import Module, Parameter
from tinynet.nn.sequential import Sequential

__all__ = [
    "AdaptiveAvgPool2d", "AvgPool2d", "BatchNorm2d", "Conv2d", "Dropout", "Flatten", "Linear",
    "LocalResponseNorm", "MaxPool2d", "Module", "Parameter", "ReLU", "SameMapNorm", "Sequential",
    "Sigmoid", "Tanh", "init",
]  # fmt: skip
