"""The default backend, for processors: the steps of the reference backend as loops in memory order,
compiled by Numba and shared among threads, and BLAS for products."""

import numpy as xp

from tinynet.backends.host_memory import empty, workspace

from . import environment  # before all that import Numba
from .adaptive_avg_pool2d import adaptive_avg_pool2d, adaptive_avg_pool2d_backward
from .avg_pool2d import avg_pool2d, avg_pool2d_backward
from .batch_norm import (
    batch_norm,
    batch_norm_backward,
    batch_norm_backward_frozen,
    batch_norm_statistics,
)
from .conv2d import conv2d, conv2d_backward_bias, conv2d_backward_input, conv2d_backward_weight
from .dropout import dropout
from .linear import linear, linear_backward_bias, linear_backward_input, linear_backward_weight
from .local_response_norm import local_response_norm, local_response_norm_backward
from .max_pool2d import max_pool2d, max_pool2d_backward
from .relu import relu, relu_backward
from .same_map_norm import same_map_norm, same_map_norm_backward
from .sgd import sgd_paper, sgd_pytorch
from .softmax_cross_entropy import (
    softmax,
    softmax_backward,
    softmax_cross_entropy,
    softmax_cross_entropy_backward,
)
from .tanh import tanh, tanh_backward
from .threads import set_threads
from .winograd import winograd, winograd_backward_input, winograd_backward_weight, winograd_pays

name = __name__.rpartition(".")[2]  # the folder's, so a copy of it has its own
asynchronous = False  # a kernel is complete when it returns


def from_numpy(array):
    """The array itself, in C order."""
    return xp.asarray(array, order="C")


def to_numpy(array):
    """The array itself."""
    return array
