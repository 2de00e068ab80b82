"""Model parallel training: each rank has a part of the network's units, by one of two ways.

    towers  the paper's: two ranks, a tower on each, and all images on both (network/towers.py)
    owt     one weird trick: convolutions on every rank for its share of the images, and of each
            fully connected layer some units (network/one_weird_trick.py)

A rank steps with its part. The network of one process stands beside it: validation computes with
it, image by image shared among the ranks, and checkpoints hold it, so that a run goes on in another
way or on one process. gather() puts the parts' weights into it.
"""

from alexnet.errors import UsageError
from alexnet.network.one_weird_trick import SCHEMES, OneWeirdTrick
from alexnet.network.towers import Towers
from alexnet.training import diagnosis
from alexnet.training.frozen import freeze
from alexnet.training.running_statistics import RunningStatistics

WAYS = ("data", "towers", "owt")


class ModelParallel:
    """The part of one rank, and its step.

    model   the network of one process, the same on every rank
    frozen  names of its frozen layers
    way     "towers" or "owt"
    scheme  of "owt": one of SCHEMES
    ranks   an engine (tinynet/parallel)
    sync    whether batch normalisation is over the images of all ranks
    part    the Part (network/parts.py) that is trained
    Raises UsageError where the network cannot be divided so.
    """

    def __init__(self, model, frozen, way, scheme, ranks, sync=False):
        self.way, self.scheme, self._ranks = way, scheme, ranks
        try:
            towers = way == "towers"
            self.part = Towers(model, ranks) if towers else OneWeirdTrick(model, ranks, scheme)
        except ValueError as error:
            raise UsageError(f"--parallel {way}: {error}") from error
        freeze(self.part, frozen)
        self._statistics = None if towers else RunningStatistics(self.part, ranks, sync)

    @property
    def has_every_image(self) -> bool:
        """Whether each rank takes all images of a batch, not its share."""
        return self.way == "towers"

    def take_step(self, model, optimizer, x, labels, lr):
        """Forward, loss, backward, update of this rank's part. Returns (loss, logits), both from
        before the update: the loss of the whole batch, the logits of the images in x.

        model      not read: the part is in its place
        optimizer  of the part's parameters
        x, labels  of this rank, as has_every_image says
        """
        loss, logits = self.part.gradients(x, labels)
        if self._statistics:
            self._statistics.average()
        if diagnosis.known_not_finite(loss):  # on every rank: the weights stay as they are
            return loss, logits
        optimizer.step(lr)
        return loss, logits

    def gather(self, model) -> None:
        """Put the weights of all ranks' parts into the network of one process. Every rank must."""
        model.load_state_dict(self._joined(self.part.state_dict()))

    def state_dict(self) -> dict:
        """The arrays of the part that every rank has whole, and that must stay the same."""
        state = self.part.state_dict()
        return {name: array for name, array in state.items() if name in self.part.whole}

    def fill(self, checkpoint, model, optimizer) -> None:
        """Load a checkpoint into the network of one process, and this rank's part of its weights
        and velocities into the part and its optimiser. Raises DataError if it does not fit."""
        checkpoint.fill(model)
        self.part.load_state_dict(self.part.split(model.state_dict()))
        state = checkpoint.velocities
        split = self.part.split(dict(zip(self._trained(), state.values(), strict=True)))
        optimizer.load_state_dict(dict(zip(state, split.values(), strict=True)))

    def gather_velocities(self, state: dict) -> dict:
        """The optimiser's state_dict of one process, from every rank's. Every rank must ask."""
        joined = self._joined(dict(zip(self._trained(), state.values(), strict=True)))
        return dict(zip(state, joined.values(), strict=True))

    def _trained(self):
        return [name for name, p in self.part.named_parameters() if p.requires_grad]

    def _joined(self, state):
        return self.part.join(self._ranks.share(state))


def check_way(way: str | None, scheme: str | None, ranks: int) -> None:
    """Raise UsageError for --parallel and --owt-scheme that do not fit this many ranks."""
    if way in ("towers", "owt") and ranks == 1:
        count = 2 if way == "towers" else 4
        raise UsageError(
            f"--parallel {way} divides the network among ranks, and this is one process; "
            f"mpiexec -n {count} python -m alexnet.train ... starts {count}"
        )
    if scheme and way != "owt":
        raise UsageError(f"--owt-scheme {scheme} goes with --parallel owt")


__all__ = ["SCHEMES", "WAYS", "ModelParallel", "check_way"]
