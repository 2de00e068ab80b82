"""tinynet: a deep-learning framework to read, from the engine to the kernels.

    import tinynet as tn

    weight = tn.Tensor(array, requires_grad=True)
    loss = tn.softmax_cross_entropy(tn.linear(x, weight), labels)
    loss.backward()
    weight.grad

A layer is one file in ops/ (its checks, forward and backward) and one file in each backend (its
arithmetic; in cupy two, the kernel and its launch). tensor.py and op.py are the engine.
"""

from tinynet import (
    gpu,
    nn,
    optim,
    parallel,
    protocols,  # noqa: F401  float(tensor), np.asarray(tensor), ...
    random,
)
from tinynet.backends import BackendError, available_backends, get_backend, use_backend
from tinynet.gradcheck import check_gradients
from tinynet.op import op
from tinynet.ops import comparisons, in_place  # noqa: F401  operators of Tensor
from tinynet.ops.abs import abs
from tinynet.ops.adaptive_avg_pool2d import adaptive_avg_pool2d
from tinynet.ops.argmax import argmax
from tinynet.ops.arithmetic import exp, log, matmul
from tinynet.ops.avg_pool2d import avg_pool2d
from tinynet.ops.batch_norm import batch_norm
from tinynet.ops.clip import clip
from tinynet.ops.concatenate import concatenate
from tinynet.ops.conv2d import conv2d
from tinynet.ops.conv_algorithm import conv_algorithm
from tinynet.ops.conv_transpose2d import conv_transpose2d
from tinynet.ops.dropout import dropout
from tinynet.ops.linear import linear
from tinynet.ops.local_response_norm import local_response_norm
from tinynet.ops.log_softmax import log_softmax
from tinynet.ops.max_pool2d import max_pool2d
from tinynet.ops.maximum import maximum, minimum
from tinynet.ops.pad import pad
from tinynet.ops.reductions import max, mean, sum
from tinynet.ops.relu import relu
from tinynet.ops.same_map_norm import same_map_norm
from tinynet.ops.shape import flatten, reshape, transpose
from tinynet.ops.sigmoid import sigmoid
from tinynet.ops.softmax_cross_entropy import Labels, softmax, softmax_cross_entropy
from tinynet.ops.sqrt import sqrt
from tinynet.ops.tanh import tanh
from tinynet.ops.where import where
from tinynet.random import seed
from tinynet.recording import no_grad
from tinynet.serialization import load, save
from tinynet.tensor import Tensor

__version__ = "0.1.0"

__all__ = [
    "BackendError", "Labels", "Tensor", "abs", "adaptive_avg_pool2d", "argmax",
    "available_backends", "avg_pool2d", "batch_norm", "check_gradients", "clip", "concatenate",
    "conv2d", "conv_algorithm", "conv_transpose2d", "dropout", "exp", "flatten", "get_backend",
    "gpu", "linear", "load", "local_response_norm", "log", "log_softmax", "matmul", "max",
    "max_pool2d", "maximum", "mean", "minimum", "nn", "no_grad", "op", "optim", "pad", "parallel",
    "random", "relu", "reshape", "same_map_norm", "save", "seed", "sigmoid", "softmax",
    "softmax_cross_entropy", "sqrt", "sum", "tanh", "transpose", "use_backend", "where",
]  # fmt: skip
