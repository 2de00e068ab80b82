"""Batch normalisation where each rank has some images of a batch."""

from tinynet import nn


class RunningStatistics:
    """The running means and variances of a network whose ranks have different images.

    model  the same batch normalisations on every rank
    ranks  an engine (tinynet/parallel)
    sync   True: mean and variance of all ranks' images, so the running ones are the same on every
           rank. False: of each rank's own; average() makes the running ones the same
    """

    def __init__(self, model, ranks, sync: bool):
        self._ranks = ranks
        norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d) and m.training]
        if sync:
            for norm in norms:
                norm.ranks = ranks
        apart = [] if sync else norms
        self._running = [t for norm in apart for t in (norm.running_mean, norm.running_var)]

    def average(self) -> None:
        """Let them be the mean over the ranks, since a checkpoint holds one set of them."""
        if not self._running:
            return
        first = self._running[0]
        flat = first._kernels.xp.empty(sum(t.size for t in self._running), first.dtype)
        for tensor, part in self._parts(flat):
            part[...] = tensor.data
        self._ranks.all_reduce(flat, "running statistics").wait()
        flat /= self._ranks.size
        for tensor, part in self._parts(flat):
            tensor.data[...] = part
            tensor.raise_version()

    def _parts(self, flat):
        """Pairs of a tensor and its part of the flat array."""
        start = 0
        for tensor in self._running:
            yield tensor, flat[start : start + tensor.size]
            start += tensor.size
