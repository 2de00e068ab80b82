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

import tinynet as tn
from alexnet.training import diagnosis
from alexnet.training.running_statistics import RunningStatistics


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
        self._statistics = RunningStatistics(model, ranks, sync)
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
        self._statistics.average()
        if diagnosis.known_not_finite(whole):  # on every rank: the weights stay as they are
            return whole, logits
        optimizer.step(lr)
        return whole, logits
