"""Averaged predictions: of the ten crops of an image, and of several networks.

    p = mean over k of softmax(logits of k)

The paper averages the softmax outputs of ten crops (section 4.1), and of five and seven networks
(section 6, table 2). The mean is taken of logarithms, in float64: log p is finite where every p_k
of float32 has become 0, so the loss -log p of a network that is wrongly sure is finite too.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from alexnet.evaluation.metrics import Metrics, Tally, in_test_mode, log_probabilities


@dataclass(frozen=True)
class Network:
    """A network whose classes may have another order than those of the data.

    model    gives logits (N, classes)
    outputs  int64 (classes,): which of the model's outputs is each class of the data
    """

    model: object
    outputs: np.ndarray

    def logits(self, views: Iterable) -> list[np.ndarray]:
        """(N, classes) for each view, in the data's order of classes."""
        with in_test_mode(self.model), np.errstate(over="ignore", invalid="ignore"):
            # A GPU queues the kernels of all views before the first output is waited for.
            outputs = [self.model(x) for x in views]
            return [each.numpy()[:, self.outputs] for each in outputs]


@dataclass(frozen=True)
class Result:
    """The Metrics of one network, or of all together.

    network  its place, or None for the average of all
    crops    1: the centre crop. 10: the mean of ten
    """

    network: int | None
    crops: int
    metrics: Metrics


def averaged(logits: Sequence[np.ndarray]) -> np.ndarray:
    """Logits (N, classes) whose softmax is the mean of the softmax of each: the logits themselves
    if there is one, else float64 log p.  logits: one or more arrays (N, classes)"""
    if len(logits) == 1:
        return logits[0]
    total = log_probabilities(logits[0])
    with np.errstate(invalid="ignore"):  # NaN
        for each in logits[1:]:
            total = np.logaddexp(total, log_probabilities(each))
    return total - np.log(len(logits))


def measure(
    networks: Sequence[Network], batches: Iterable, classes: int, centre: int = 0
) -> list[Result]:
    """The Results of each network, then of the average of all if there is more than one: of the
    centre crop, then of all crops if there are more. The last one has Metrics.each.

    batches  one or more; each holds for every network a pair: views, each a Tensor (N, 3, S, S) of
             one crop of the batch's images as this network sees them, and tn.Labels
             (alexnet.data.prefetch)
    classes  of the data
    centre   the place of the centre crop among the views
    Crops and networks are computed in turn, so they take the memory of one.
    """
    tallies = None
    for batch in batches:
        pairs = zip(networks, batch, strict=True)
        logits = [network.logits(views) for network, (views, _) in pairs]
        labels = batch[0][1].host
        chosen = _selections(logits, centre)
        if tallies is None:
            tallies = [Tally(classes, place == len(chosen) - 1) for place in range(len(chosen))]
        for tally, (_, _, selected) in zip(tallies, chosen, strict=True):
            mean = averaged(selected)
            own = log_probabilities(mean)[np.arange(len(labels)), labels]
            tally.add(-float(own.mean()), mean, labels)
    return [
        Result(network, crops, tally.metrics())
        for tally, (network, crops, _) in zip(tallies, chosen, strict=True)
    ]


def _selections(logits, centre):
    """Triples (network, crops, arrays): of which arrays each Result is the average.

    logits  for each network a list of arrays, one a crop
    """
    groups = [(place, [each]) for place, each in enumerate(logits)]
    if len(logits) > 1:
        groups.append((None, logits))
    chosen = []
    for network, members in groups:
        chosen.append((network, 1, [crops[centre] for crops in members]))
        if len(members[0]) > 1:
            chosen.append((network, len(members[0]), [a for crops in members for a in crops]))
    return chosen
