"""Stochastic gradient descent with momentum and weight decay, by two rules.

    paper    v = momentum v - weight_decay lr w - lr g       w = w + v
    PyTorch  v = momentum v + (g + weight_decay w)           w = w - lr v

The two are equal while lr is constant. After it changes, the paper's velocity still contains the
old rate.
Source: the paper, section 5; torch.optim.SGD.
"""


def sgd_paper(weights, gradients, velocities, lr, momentum, weight_decay):
    """One step of the paper's rule, in place.

    weights, gradients, velocities  lists of arrays; the i-th arrays of all have one shape
    lr, momentum, weight_decay      numbers
    """
    for weight, gradient, velocity in zip(weights, gradients, velocities, strict=True):
        velocity *= momentum
        velocity -= lr * (gradient + weight_decay * weight)
        weight += velocity


def sgd_pytorch(weights, gradients, velocities, lr, momentum, weight_decay):
    """One step of PyTorch's rule, in place. Arguments as in sgd_paper."""
    for weight, gradient, velocity in zip(weights, gradients, velocities, strict=True):
        velocity *= momentum
        velocity += gradient + weight_decay * weight
        weight -= lr * velocity
