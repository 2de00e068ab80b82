"""Batch normalisation of activation maps, by the statistics of one process's images or of all
ranks' images (tinynet/parallel).

Ranks exchange a few numbers a channel, never activations. Forward each rank sends the mean, the
variance and the number M of its values, from which follow those of all values:

    M = sum of M_r,  mean = sum of M_r / M mean_r
    variance = sum of M_r / M (variance_r + (mean_r - mean)^2)

Backward each sends its sums of dy and of dy xhat. As the loss of the whole is the sum of the ranks'
losses, every rank's y depends on every rank's x through mean and variance:

    dx = weight / sqrt(variance + eps) * (dy - (sum of dy) / M - xhat (sum of dy xhat) / M)

with sums over all ranks, while a rank's dweight and dbias are its own sums.
Source: Chan, Golub, LeVeque, Updating formulae and a pairwise algorithm for computing sample
variances (1979), for the variance.
"""

import numpy as np

from tinynet.graph import type_name
from tinynet.op import op
from tinynet.ops.checks import check_activation, check_parameter, number
from tinynet.tensor import Tensor


def batch_norm(
    x, weight, bias, running_mean, running_var, training, momentum=0.1, eps=1e-5, ranks=None
):  # fmt: skip
    """y = weight (x - mean) / sqrt(variance + eps) + bias, channel by channel.

    x             (N, C, H, W)  float32 or float64
    weight, bias  (C,), or None: 1 and 0
    running_mean, running_var  (C,), tensors without gradient; of an array, a tensor in its memory
    training      True: mean and variance are computed from x over N, H, W. The running ones move
                  towards them by the fraction momentum, running_var towards variance M / (M - 1)
                  with M = N H W, as in PyTorch. False: mean and variance are the running ones
    momentum, eps  numbers, momentum from 0 to 1, eps at least 0
    ranks         None, or an engine (tinynet/parallel): in training N are the images of all ranks,
                  each of which calls this with images of its own, as many as it has. A gradient of
                  weight or bias is the rank's part of their sum
    Returns a tensor like x.
    Raises ValueError where shapes or numbers do not fit, or for training on one value a channel,
    TypeError for ranks that are none.
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
    if ranks is not None and not hasattr(ranks, "all_gather"):
        raise TypeError(
            f"batch_norm: ranks is a {type_name(ranks)}; an engine of tinynet.parallel fits, or "
            "None: this process alone"
        )
    return _batch_norm(x, weight, bias, running, bool(training), momentum, eps, ranks)


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
def _batch_norm(ctx, x, weight, bias, running, training, momentum, eps, ranks):
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

    exchanges = training and ranks is not None
    if training:
        count = x.size // x.shape[1]
        if count < 2 and (ranks is None or ranks.size == 1):  # two ranks have two values
            raise ValueError(
                f"batch_norm: x {x.shape} has {count} value a channel, and one value has no "
                "variance; training needs at least 2: a larger batch, larger maps, or model.eval()"
            )
        mean, variance = ctx.empty(channels, x.dtype), ctx.empty(channels, x.dtype)
        ctx.kernels.batch_norm_statistics(x, mean, variance)
        if exchanges:
            mean, variance, count = _statistics_of_all(ctx.xp, ranks, mean, variance, count)
        running_mean *= 1 - momentum
        running_mean += momentum * mean
        running_var *= 1 - momentum
        running_var += momentum * count / (count - 1) * variance
        for tensor in running:
            tensor.raise_version()
    else:
        # Copies: a later training step changes the running ones in place.
        mean, variance = running_mean.copy(), running_var.copy()

    y = ctx.empty_like(x)
    ctx.kernels.batch_norm(x, weight, bias, mean, variance, eps, y)

    if training and not exchanges:
        kernel = ctx.kernels.batch_norm_backward
    else:
        kernel = ctx.kernels.batch_norm_backward_frozen

    def backward(dy):
        dx, dweight, dbias = ctx.empty_like(x), ctx.empty_like(weight), ctx.empty_like(weight)
        kernel(dy, x, weight, mean, variance, eps, dx, dweight, dbias)
        if exchanges:
            means = _means_of_all(ctx.xp, ranks, dweight, dbias, count)
            means = (weight / ctx.xp.sqrt(variance + eps) * means).astype(x.dtype)
            through_mean = ctx.empty_like(x)  # and through variance: means[0] xhat + means[1]
            ctx.kernels.batch_norm(x, means[0], means[1], mean, variance, eps, through_mean)
            dx -= through_mean
        return dx, dweight if has_weight else None, dbias if has_bias else None

    return y, backward


def _statistics_of_all(xp, ranks, mean, variance, count):
    """(mean, variance, count) of all ranks' values from those of each, in float64 on the way."""
    own, channels = xp.empty(2 * len(mean) + 1, np.float64), len(mean)
    own[:channels], own[channels:-1], own[-1] = mean, variance, count
    every = ranks.all_gather(own, "batch_norm")  # (size, 2 channels + 1)
    means, variances, counts = every[:, :channels], every[:, channels:-1], every[:, -1:]
    total = counts.sum()
    centre = (counts * means).sum(axis=0) / total
    spread = (counts * (variances + (means - centre) ** 2)).sum(axis=0) / total
    return centre.astype(mean.dtype), spread.astype(mean.dtype), total


def _means_of_all(xp, ranks, dweight, dbias, count):
    """The means of dy xhat and of dy over all ranks' values, float64 (2, C)."""
    sums = xp.empty((2, len(dbias)), np.float64)
    sums[0], sums[1] = dweight, dbias
    ranks.all_reduce(sums, "batch_norm").wait()
    return sums / count


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
