"""Batch normalisation of activation maps."""

import numpy as np

from tinynet.graph import type_name
from tinynet.op import op
from tinynet.ops.checks import check_activation, check_parameter, number
from tinynet.tensor import Tensor


def batch_norm(x, weight, bias, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    """y = weight (x - mean) / sqrt(variance + eps) + bias, channel by channel.

    x             (N, C, H, W)  float32 or float64
    weight, bias  (C,), or None: 1 and 0
    running_mean, running_var  (C,), tensors without gradient; of an array, a tensor in its memory
    training      True: mean and variance are computed from x over N, H, W. The running ones move
                  towards them by the fraction momentum, running_var towards variance M / (M - 1)
                  with M = N H W, as in PyTorch. False: mean and variance are the running ones
    momentum, eps  numbers, momentum from 0 to 1, eps at least 0
    Returns a tensor like x.
    Raises ValueError where shapes or numbers do not fit, or for training on one value a channel.
    Source: Ioffe and Szegedy, Batch normalization (2015), algorithm 1.
    """
    running = (
        _running("running_mean", running_mean, training),
        _running("running_var", running_var, training),
    )
    momentum = number("batch_norm", "momentum", momentum)
    if not 0 <= momentum <= 1:
        raise ValueError(f"batch_norm: momentum must be from 0 to 1, got {momentum!r}")
    eps = number("batch_norm", "eps", eps)
    if eps < 0:
        raise ValueError(f"batch_norm: eps must be at least 0, got {eps!r}")
    return _batch_norm(x, weight, bias, running, bool(training), momentum, eps)


def _running(argument, value, training):
    """The tensor, or a tensor of the array; in its memory if training is to change the array."""
    if isinstance(value, Tensor):
        return value
    if hasattr(value, "dtype"):
        tensor = Tensor(value)
        if not training or tensor._data is value or tensor._data.base is value:
            return tensor
    raise TypeError(
        f"batch_norm: {argument} is a {type_name(value)} that training cannot change in place; "
        "a Tensor fits, or an array of the backend in C order"
    )


@op
def _batch_norm(ctx, x, weight, bias, running, training, momentum, eps):
    """running: the two running tensors. They are no arguments of their own, since backward does not
    read them: a second forward pass may change them before it."""
    check_activation("batch_norm", x)
    channels = (x.shape[1],)
    has_weight, has_bias = weight is not None, bias is not None
    weight = weight if has_weight else ctx.xp.full(channels, 1, x.dtype)
    bias = bias if has_bias else ctx.xp.full(channels, 0, x.dtype)
    running_mean, running_var = (t.data for t in running)
    for argument, array in (
        ("weight", weight), ("bias", bias),
        ("running_mean", running_mean), ("running_var", running_var),
    ):  # fmt: skip
        check_parameter("batch_norm", argument, array, channels, x, "one for each channel")
    _check_running(ctx, running)

    if training:
        count = x.size // max(x.shape[1], 1)
        if count < 2:
            raise ValueError(
                f"batch_norm: x {x.shape} has {count} value a channel, and one value has no "
                "variance; training needs at least 2: a larger batch, larger maps, or model.eval()"
            )
        mean, variance = ctx.empty(channels, x.dtype), ctx.empty(channels, x.dtype)
        ctx.kernels.batch_norm_statistics(x, mean, variance)
        running_mean *= 1 - momentum
        running_mean += momentum * mean
        running_var *= 1 - momentum
        running_var += momentum * count / (count - 1) * variance
        for tensor in running:
            tensor.raise_version()
        kernel = ctx.kernels.batch_norm_backward
    else:
        # Copies: a later training step changes the running ones in place.
        mean, variance = running_mean.copy(), running_var.copy()
        kernel = ctx.kernels.batch_norm_backward_frozen

    y = ctx.empty_like(x)
    ctx.kernels.batch_norm(x, weight, bias, mean, variance, eps, y)

    def backward(dy):
        dx, dweight, dbias = ctx.empty_like(x), ctx.empty_like(weight), ctx.empty_like(weight)
        kernel(dy, x, weight, mean, variance, eps, dx, dweight, dbias)
        return dx, dweight if has_weight else None, dbias if has_bias else None

    return y, backward


def _check_running(ctx, running):
    for tensor in running:
        if tensor.requires_grad:
            raise ValueError(
                "batch_norm: running_mean and running_var have no gradient; detach() them"
            )
        if tensor.backend != ctx.kernels.name:
            raise TypeError(
                f"batch_norm: x is on {ctx.kernels.name}, the running statistics on "
                f"{tensor.backend}; make them under one: tn.use_backend(...)"
            )
        if ctx.xp is np and not tensor.data.flags.writeable:
            raise ValueError(
                "batch_norm: running_mean and running_var lie in read-only arrays; make them of "
                "array.copy()"
            )
