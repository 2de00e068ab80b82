"""Stochastic gradient descent with momentum and weight decay, by two rules.

    paper    v = momentum v - weight_decay lr w - lr g       w = w + v
    PyTorch  v = momentum v + (g + weight_decay w)           w = w - lr v

The two are equal while lr is constant. After it changes, the paper's velocity still contains the
old rate.
Source: the paper, section 5; torch.optim.SGD.
"""

from numba import prange

from .compilation import parallel_loops
from .threads import parallel


@parallel
def sgd_paper(weights, gradients, velocities, lr, momentum, weight_decay):
    """One step of the paper's rule, in place.

    weights, gradients, velocities  lists of arrays; the i-th arrays of all have one shape
    lr, momentum, weight_decay      numbers
    One iteration of the parallel loop: one weight, read and written once.
    """
    for weight, gradient, velocity in zip(weights, gradients, velocities, strict=True):
        numbers = [weight.dtype.type(number) for number in (lr, momentum, weight_decay)]
        _paper(weight.reshape(-1), gradient.reshape(-1), velocity.reshape(-1), *numbers)


@parallel
def sgd_pytorch(weights, gradients, velocities, lr, momentum, weight_decay):
    """One step of PyTorch's rule, in place. Arguments and iterations as in sgd_paper."""
    for weight, gradient, velocity in zip(weights, gradients, velocities, strict=True):
        numbers = [weight.dtype.type(number) for number in (lr, momentum, weight_decay)]
        _pytorch(weight.reshape(-1), gradient.reshape(-1), velocity.reshape(-1), *numbers)


@parallel_loops
def _paper(weight, gradient, velocity, lr, momentum, weight_decay):
    for i in prange(weight.size):
        velocity[i] = momentum * velocity[i] - lr * (gradient[i] + weight_decay * weight[i])
        weight[i] += velocity[i]


@parallel_loops
def _pytorch(weight, gradient, velocity, lr, momentum, weight_decay):
    for i in prange(weight.size):
        velocity[i] = momentum * velocity[i] + (gradient[i] + weight_decay * weight[i])
        weight[i] -= lr * velocity[i]
