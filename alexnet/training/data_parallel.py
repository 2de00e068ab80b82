"""Data parallel training: all ranks have the same weights, and each its share of a batch's images.

    the batch       | images of rank 0 | images of rank 1 | ... |
    forward, loss   |  loss of rank 0  |  loss of rank 1  | ... |   the mean over the own images,
                                                                    times their share of the batch
    backward        gradients of the own images; summed over the ranks while backward goes on
    update          the same on every rank, so weights stay the same

The sum of the ranks' losses is the mean loss of the whole batch, and the sums of their gradients
are its gradients. So any number of ranks takes the same steps, to rounding.

What a layer draws or measures from a batch:

    dropout             every rank draws its rows of the whole batch's mask
    batch normalisation each rank has mean and variance of its own images, with --sync-batch-norm
                        those of all; the running ones are the mean over the ranks after each step
"""

import math

import numpy as np

import tinynet as tn
from alexnet.training import diagnosis
from tinynet import nn


class DataParallel:
    """The step of one of several ranks.

    model   the same on every rank
    layers  its plan
    batch   images of all ranks together in a step
    ranks   an engine (tinynet/parallel)
    sync    whether batch normalisation is over the images of all ranks
    """

    def __init__(self, model, layers, batch, ranks, sync=False):
        self._ranks = ranks
        own = tn.parallel.share_of(batch, ranks.rank, ranks.size)
        self._share = (own.stop - own.start) / batch
        self._gradients = tn.parallel.GradientSum(model.named_parameters(), ranks)
        norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d) and m.training]
        if sync:
            for norm in norms:
                norm.ranks = ranks
        apart = [] if sync else norms  # their running statistics differ from rank to rank
        self._running = [t for norm in apart for t in (norm.running_mean, norm.running_var)]
        for layer in layers:
            if layer.kind == "Dropout":
                model[layer.name].part = (own.start, 0, math.prod(layer.outputs))

    def take_step(self, model, optimizer, x, labels, lr):
        """Forward, loss, backward, sums over the ranks, update. Returns (loss, logits), both from
        before the update: the loss of the whole batch, the logits of the own images.

        x       the images of this rank, a Tensor (N, 3, S, S)
        labels  their tn.Labels
        lr      the learning rate
        """
        logits = model(x)
        loss = tn.softmax_cross_entropy(logits, labels) * self._share
        whole = tn.Tensor(loss.data.copy())
        total = self._ranks.all_reduce(whole.data, "loss")
        optimizer.zero_grad()
        loss.backward(when_whole=self._gradients.add)
        total.wait()
        self._gradients.wait()
        self._average_running_statistics()
        if diagnosis.known_not_finite(whole):  # on every rank: the weights stay as they are
            return whole, logits
        optimizer.step(lr)
        return whole, logits

    def _average_running_statistics(self):
        """Rank by rank they follow the own images; a checkpoint holds one set of them."""
        if not self._running:
            return
        arrays = [tensor.data for tensor in self._running]
        xp = self._running[0]._kernels.xp
        flat = xp.concatenate(arrays)
        self._ranks.all_reduce(flat, "running statistics").wait()
        flat /= self._ranks.size
        parts = xp.split(flat, np.cumsum([len(array) for array in arrays])[:-1])
        for tensor, part in zip(self._running, parts, strict=True):
            tensor.data[...] = part
            tensor.raise_version()
