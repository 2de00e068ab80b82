"""Stochastic gradient descent with momentum and weight decay, by two rules. The kernels are in
sgd.cu; one launch moves up to TABLE parameters.

    paper    v = momentum v - weight_decay lr w - lr g       w = w + v
    PyTorch  v = momentum v + (g + weight_decay w)           w = w - lr v

The two are equal while lr is constant. After it changes, the paper's velocity still contains the
old rate.
Source: the paper, section 5; torch.optim.SGD.
"""

import math
from itertools import accumulate
from pathlib import Path

from .device.launch import BLOCK, ITEMS_PER_THREAD, TABLE, sizes

CU = Path(__file__).with_suffix(".cu")


def sgd_paper(gpu, weights, gradients, velocities, lr, momentum, weight_decay):
    """One step of the paper's rule, in place.

    weights, gradients, velocities  lists of arrays; the i-th arrays of all have one shape
    lr                              a number, or an array () that holds it when the kernel runs
    momentum, weight_decay          numbers
    """
    _step(gpu, "sgd_paper", weights, gradients, velocities, lr, momentum, weight_decay)


def sgd_pytorch(gpu, weights, gradients, velocities, lr, momentum, weight_decay):
    """One step of PyTorch's rule, in place. Arguments as in sgd_paper."""
    _step(gpu, "sgd_pytorch", weights, gradients, velocities, lr, momentum, weight_decay)


def _step(gpu, kernel, weights, gradients, velocities, lr, momentum, weight_decay):
    if isinstance(lr, float):
        lr = gpu.xp.full((), lr, weights[0].dtype)
    for first in range(0, len(weights), TABLE):
        part = slice(first, first + TABLE)
        counts = [weight.size for weight in weights[part]]
        ends = list(accumulate(math.ceil(count / (ITEMS_PER_THREAD * BLOCK)) for count in counts))
        gpu.launch(
            CU, kernel, ((ends[-1],), (BLOCK,)),
            weights[part], gradients[part], velocities[part], sizes(counts), sizes(ends),
            lr, float(momentum), float(weight_decay),
        )  # fmt: skip
