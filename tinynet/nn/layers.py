"""Layers: each holds the arguments of its op, and its parameters where it has any.

The op of a layer documents its formula (tinynet/ops). Conv2d and Linear start with PyTorch's
default: weight and bias uniform from -1 / sqrt(fan_in) to 1 / sqrt(fan_in), where fan_in is how
many inputs an output reads. The numbers follow from tinynet.seed and a count of the parameters
drawn since (init.py).
"""

import numpy as np

from tinynet.nn import init
from tinynet.nn.module import Module, Parameter
from tinynet.ops.adaptive_avg_pool2d import adaptive_avg_pool2d
from tinynet.ops.avg_pool2d import avg_pool2d
from tinynet.ops.batch_norm import batch_norm
from tinynet.ops.checks import integer, pair
from tinynet.ops.conv2d import conv2d
from tinynet.ops.dropout import dropout
from tinynet.ops.linear import linear
from tinynet.ops.local_response_norm import local_response_norm
from tinynet.ops.max_pool2d import max_pool2d
from tinynet.ops.pad import pad
from tinynet.ops.relu import relu
from tinynet.ops.same_map_norm import same_map_norm
from tinynet.ops.shape import flatten
from tinynet.ops.sigmoid import sigmoid
from tinynet.ops.tanh import tanh
from tinynet.ops.windows import overhang
from tinynet.tensor import Tensor


class Conv2d(Module):
    """Convolution: weight (out_channels, in_channels / groups, rows, columns), bias or None.

    draw       whether initial weights are drawn; False leaves 0, for code that sets them itself
    ceil_mode  round the output's size, (rows + 2 padding - kernel) / stride + 1, up, as
               cuda-convnet does: zeros below the maps and to their right fill the last windows
    """

    def __init__(
        self, in_channels, out_channels, kernel, stride=1, padding=0, groups=1, bias=True,
        dtype=np.float32, draw=True, ceil_mode=False,
    ):  # fmt: skip
        self.in_channels = in_channels = integer("Conv2d", "in_channels", in_channels, least=1)
        self.out_channels = out_channels = integer("Conv2d", "out_channels", out_channels, least=1)
        self.groups = groups = integer("Conv2d", "groups", groups, least=1)
        if in_channels % groups or out_channels % groups:
            raise ValueError(
                f"Conv2d: groups={groups} does not divide {in_channels} input and "
                f"{out_channels} output channels"
            )
        self.kernel = pair("Conv2d", "kernel", kernel, least=1)
        self.stride = pair("Conv2d", "stride", stride, least=1)
        self.padding = pair("Conv2d", "padding", padding, least=0)
        self.ceil_mode = ceil_mode
        shape = (out_channels, in_channels // groups, *self.kernel)
        self.weight = Parameter(np.zeros(shape, dtype), copy=False)
        self.bias = Parameter(np.zeros(out_channels, dtype)) if bias else None
        if draw:
            init.default(self)

    def forward(self, x):
        if self.ceil_mode and len(x.shape) == 4:
            x = self.filled(x)
        return conv2d(x, self.weight, self.bias, self.stride, self.padding, self.groups)

    def filled(self, x):
        """The maps with zeros where their last windows hang over."""
        bottom, right = (
            overhang(x.shape[2 + axis], self.kernel[axis], self.stride[axis], self.padding[axis])
            for axis in (0, 1)
        )
        return pad(x, bottom=bottom, right=right) if bottom or right else x


class Linear(Module):
    """Fully connected: weight (out_features, in_features), bias or None.

    draw  whether initial weights are drawn; False leaves 0, for code that sets them itself
    """

    def __init__(self, in_features, out_features, bias=True, dtype=np.float32, draw=True):
        self.in_features = integer("Linear", "in_features", in_features, least=0)
        self.out_features = integer("Linear", "out_features", out_features, least=0)
        shape = (self.out_features, self.in_features)
        self.weight = Parameter(np.zeros(shape, dtype), copy=False)
        self.bias = Parameter(np.zeros(self.out_features, dtype)) if bias else None
        if draw:
            init.default(self)

    def forward(self, x):
        return linear(x, self.weight, self.bias)


class ReLU(Module):
    """max(x, 0)."""

    def forward(self, x):
        return relu(x)


class Tanh(Module):
    """tanh(x)."""

    def forward(self, x):
        return tanh(x)


class Sigmoid(Module):
    """1 / (1 + exp(-x))."""

    def forward(self, x):
        return sigmoid(x)


class MaxPool2d(Module):
    """The largest value of each window."""

    def __init__(self, window, stride=None, padding=0, ceil_mode=False):
        self.window = pair("MaxPool2d", "window", window, least=1)
        self.stride = self.window if stride is None else pair("MaxPool2d", "stride", stride, 1)
        self.padding = pair("MaxPool2d", "padding", padding, least=0)
        self.ceil_mode = ceil_mode

    def forward(self, x):
        return max_pool2d(x, self.window, self.stride, self.padding, self.ceil_mode)


class AvgPool2d(Module):
    """The mean of each window."""

    def __init__(
        self, window, stride=None, padding=0, ceil_mode=False, count_include_pad=True
    ):  # fmt: skip
        self.window = pair("AvgPool2d", "window", window, least=1)
        self.stride = self.window if stride is None else pair("AvgPool2d", "stride", stride, 1)
        self.padding = pair("AvgPool2d", "padding", padding, least=0)
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def forward(self, x):
        return avg_pool2d(
            x, self.window, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        )


class AdaptiveAvgPool2d(Module):
    """The mean of each window, with windows that give an output of this size."""

    def __init__(self, size):
        self.size = pair("AdaptiveAvgPool2d", "size", size, least=1)

    def forward(self, x):
        return adaptive_avg_pool2d(x, self.size)


class LocalResponseNorm(Module):
    """Each activation divided by the energy of its neighbours in the channel axis."""

    def __init__(self, size=5, alpha=1e-4, beta=0.75, k=2.0, divide_by_size=False, groups=1):
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k
        self.divide_by_size, self.groups = divide_by_size, groups

    def forward(self, x):
        return local_response_norm(
            x, self.size, self.alpha, self.beta, self.k, self.divide_by_size, self.groups
        )


class SameMapNorm(Module):
    """Each activation divided by the energy of its neighbours in the same map."""

    def __init__(self, size=5, alpha=1e-3, beta=0.75, k=1.0):
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, x):
        return same_map_norm(x, self.size, self.alpha, self.beta, self.k)


class BatchNorm2d(Module):
    """Each channel normalised over the batch: weight 1 and bias 0 at first (with affine=False both
    None), running_mean and running_var (buffers) for test.

    ranks  None: over the images of this process. An engine (tinynet/parallel): over those of all
           ranks. Parallel training sets it
    """

    def __init__(self, channels, momentum=0.1, eps=1e-5, dtype=np.float32, affine=True):
        self.channels = channels = integer("BatchNorm2d", "channels", channels, least=1)
        self.momentum, self.eps, self.ranks = momentum, eps, None
        self.weight = Parameter(np.ones(channels, dtype)) if affine else None
        self.bias = Parameter(np.zeros(channels, dtype)) if affine else None
        self.running_mean = Tensor(np.zeros(channels, dtype))
        self.running_var = Tensor(np.ones(channels, dtype))

    def forward(self, x):
        return batch_norm(
            x, self.weight, self.bias, self.running_mean, self.running_var, self.training,
            self.momentum, self.eps, self.ranks,
        )  # fmt: skip


class Dropout(Module):
    """Elements set to zero with probability drop, in training; scale as in tinynet.dropout.

    part  None, or where the layer's input lies in the activation of all ranks, as tinynet.dropout
          takes it. Parallel training sets it
    """

    def __init__(self, drop=0.5, scale="train"):
        self.drop, self.scale, self.part = drop, scale, None

    def forward(self, x):
        return dropout(x, self.drop, self.training, self.scale, part=self.part)


class Flatten(Module):
    """(N, C, H, W) to (N, C H W)."""

    def forward(self, x):
        return flatten(x)
