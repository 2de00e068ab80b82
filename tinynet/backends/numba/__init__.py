"""The default backend, for processors: the steps of the reference backend as loops in memory order,
compiled by Numba and shared among threads, and BLAS for products."""

import numpy as xp

from tinynet.backends.host_memory import empty, workspace
from tinynet.backends.numba import environment  # before all that import Numba
from tinynet.backends.numba.adaptive_avg_pool2d import (
    adaptive_avg_pool2d,
    adaptive_avg_pool2d_backward,
)
from tinynet.backends.numba.avg_pool2d import avg_pool2d, avg_pool2d_backward
from tinynet.backends.numba.batch_norm import (
    batch_norm,
    batch_norm_backward,
    batch_norm_backward_frozen,
    batch_norm_statistics,
)
from tinynet.backends.numba.conv2d import (
    conv2d,
    conv2d_backward_bias,
    conv2d_backward_input,
    conv2d_backward_weight,
)
from tinynet.backends.numba.dropout import dropout
from tinynet.backends.numba.linear import (
    linear,
    linear_backward_bias,
    linear_backward_input,
    linear_backward_weight,
)
from tinynet.backends.numba.local_response_norm import (
    local_response_norm,
    local_response_norm_backward,
)
from tinynet.backends.numba.max_pool2d import max_pool2d, max_pool2d_backward
from tinynet.backends.numba.relu import relu, relu_backward
from tinynet.backends.numba.sgd import sgd_paper, sgd_pytorch
from tinynet.backends.numba.softmax_cross_entropy import (
    softmax,
    softmax_backward,
    softmax_cross_entropy,
    softmax_cross_entropy_backward,
)
from tinynet.backends.numba.tanh import tanh, tanh_backward
from tinynet.backends.numba.threads import set_threads
from tinynet.backends.numba.winograd import (
    winograd,
    winograd_backward_input,
    winograd_backward_weight,
    winograd_pays,
)

name = "numba"
asynchronous = False  # a kernel is complete when it returns


def from_numpy(array):
    """The array itself, in C order."""
    return xp.asarray(array, order="C")


def to_numpy(array):
    """The array itself."""
    return array
