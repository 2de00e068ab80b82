"""A training: the network, the data, and where it is; saved to a run folder and taken up again.

What a training does next follows from: weights, velocities, the schedule's state, the count of
dropout masks, and the place (epoch, batch, step). Order, crops and mirrors of an epoch follow from
the seed and its number. So a checkpoint of these makes a resumed run the unbroken one, bit for bit,
wherever it was broken off.
"""

import time
from dataclasses import asdict, replace

import numpy as np

import alexnet
import tinynet as tn
from alexnet import checkpoint
from alexnet.commands import NotFinite, UsageError
from alexnet.data import DataError, open_dataset
from alexnet.data.loader import Loader, measure_normalization
from alexnet.data.transforms import Normalization
from alexnet.model import find_spec
from alexnet.recipes import Options
from alexnet.run_folder import RunFolder
from alexnet.schedules import SCHEDULES
from alexnet.scores import Scores

# Writing a network of 57 million weights and velocities takes seconds, an epoch may take as few.
SECONDS_BETWEEN_SAVES = 120


class Run:
    """A training, at its beginning or taken up at a checkpoint.

    epoch, batch, step   how many are over: epochs, batches of this epoch, steps in all
    sums                 over this epoch so far: images, loss, top-1 hits
    random_state         tinynet.random's, before the next step
    best                 {"top1", "epoch"} of the best validation, or None
    Raises DataError and UsageError where options, data and checkpoint do not fit together.
    """

    def __init__(self, options: Options, folder: RunFolder, begun: checkpoint.Checkpoint = None):
        self.options, self.folder = options, folder
        self.train_set, self.val_set = (_open(options, split) for split in ("train", "val"))
        self.classes = list(self.train_set.classes)
        tn.seed(options.seed)
        self.model = _build(options, len(self.classes))
        self.batches, self.validation = self._loaders()
        self.optimizer = tn.optim.SGD(
            self.model.parameters(), options.lr, options.momentum, options.weight_decay,
            options.rule,
        )  # fmt: skip
        self.schedule = SCHEDULES[options.schedule](options.lr, options.epochs, len(self.batches))
        self.normalization = begun.normalization if begun else None
        self.epoch = self.batch = self.step = 0
        self.sums = {"images": 0, "loss": 0.0, "top1": 0}
        self.random_state = tn.random.get_state()
        self.best = None
        self._best_unwritten = None
        self._saved_at = time.monotonic()
        if begun:
            self._take_up(begun)

    def _loaders(self):
        options = self.options
        images = min(options.batch_size, len(self.train_set))
        batches = Loader(
            self.train_set, images, options.image_size, augment=options.augment, shuffle=True,
            drop_last=True, workers=options.workers, seed=options.seed,
        )  # fmt: skip
        validation = Loader(
            self.val_set, options.batch_size, options.image_size, workers=options.workers,
            stored_size=batches.stored_size,
        )  # fmt: skip
        return batches, validation

    def measure_normalization(self) -> None:
        """Find what to subtract from images and to divide them by: the spec's own numbers, or those
        of the training set."""
        wanted = find_spec(self.options.spec).input
        divide = self.options.init == "he"
        if isinstance(wanted.mean, str):
            self.normalization = measure_normalization(
                self.train_set, self.options.image_size, mean=wanted.mean, divide=divide,
                stored_size=self.batches.stored_size, workers=self.options.workers,
            )  # fmt: skip
        else:
            numbers = (np.reshape(three, (3, 1, 1)) for three in (wanted.mean, wanted.divisor))
            self.normalization = Normalization(*numbers)

    # --- moving on ---

    @property
    def total_steps(self) -> int:
        """Steps until the end of the last epoch, or until --max-steps."""
        every = self.options.epochs * len(self.batches)
        return min(every, self.options.max_steps or every)

    def steps_left(self) -> int:
        """Steps that --max-steps and --epochs still allow."""
        return max(0, self.total_steps - self.step)

    def step_done(self, loss: float, rank: np.ndarray, random_state: dict) -> None:
        """Count a step. rank: that of each image's label, from alexnet.scores; random_state:
        tinynet.random's after the step."""
        self.batch += 1
        self.step += 1
        self.sums["images"] += len(rank)
        self.sums["loss"] += loss * len(rank)
        self.sums["top1"] += int((rank < 1).sum())
        self.random_state = random_state

    def epoch_done(self, scores: Scores) -> None:
        """Count an epoch whose validation had these scores."""
        self.epoch += 1
        self.batch = 0
        self.sums = dict.fromkeys(self.sums, 0)
        self.schedule.epoch_ended(1 - scores.top1)
        if self.best is None or scores.top1 > self.best["top1"]:
            self._keep(scores, self.epoch)

    def keep_if_first(self, scores: Scores) -> None:
        """Keep the network of an unfinished epoch for best.npz, so that there is one. Not before
        save(): for the run that goes on, the first is that of the whole epoch."""
        if self.best is None:
            self._keep(scores, self.epoch + 1)

    def _keep(self, scores, epoch):
        self.best = {"top1": scores.top1, "epoch": epoch}
        self._best_unwritten = self._checkpoint(velocities=None)

    # --- saving and taking up ---

    def save_is_due(self) -> bool:
        """Whether the last save() was a good while ago."""
        return time.monotonic() - self._saved_at >= SECONDS_BETWEEN_SAVES

    def save(self) -> None:
        """Write last.npz, and best.npz if there is a better one. Raises DiskError, and NotFinite
        instead of writing weights that are not finite."""
        self._checkpoint(self.optimizer.state_dict()).save(self.folder.last)
        self.write_best()
        self._saved_at = time.monotonic()

    def write_best(self) -> None:
        """Write best.npz, if there is a better one than is written."""
        if self._best_unwritten:
            self._best_unwritten.save(self.folder.best)
            self._best_unwritten = None

    def _checkpoint(self, velocities):
        state = self.model.state_dict()
        wrong = [name for name, array in state.items() if not np.isfinite(array).all()]
        if wrong:
            raise NotFinite(
                f"after step {self.step} {wrong[0]} is not finite; try a smaller rate, --lr "
                f"{self.options.lr / 10:g}; {self.last_good()}"
            )
        return checkpoint.Checkpoint(
            build=self.model.options,
            classes=self.classes,
            stored_size=self.batches.stored_size,
            normalization=self.normalization,
            model=state,
            velocities=velocities,
            options=asdict(replace(self.options, max_steps=None)),  # asked anew each time
            training={
                "epoch": self.epoch,
                "batch": self.batch,
                "step": self.step,
                "sums": dict(self.sums),
                "best": self.best,
                "images": len(self.train_set),
                "random": self.random_state,
                "schedule": [self.options.schedule, self.schedule.state()],
            },
        )

    def last_good(self) -> str:
        """Where the last good checkpoint is, in words."""
        return f"the last good checkpoint is {self.folder.last}"

    def _take_up(self, begun):
        training = begun.training
        if begun.classes != self.classes or training["images"] != len(self.train_set):
            raise DataError(
                f"{self.options.data} has {len(self.classes)} classes and {len(self.train_set):,} "
                f"training images, the run began with {len(begun.classes)} and "
                f"{training['images']:,}, or other names; give the data it began with"
            )
        begun.fill(self.model, self.optimizer)
        self.epoch, self.batch, self.step = (training[name] for name in ("epoch", "batch", "step"))
        self.sums, self.best = training["sums"], training["best"]
        tn.random.set_state(training["random"])
        self.random_state = training["random"]
        name, state = training["schedule"]
        if name == self.options.schedule:
            self.schedule.set_state(state)
        if self.epoch >= self.options.epochs:
            raise UsageError(
                f"{self.folder.path} has all its {self.epoch} epochs; to go on, say --epochs "
                f"{2 * self.epoch}"
            )


def _open(options, split):
    return open_dataset(
        options.data, split, seed=options.seed, skip_bad_images=options.skip_bad_images
    )


def _build(options, classes):
    try:
        return alexnet.build(options.spec, classes, options.image_size, **options.changes())
    except ValueError as error:
        raise UsageError(str(error)) from error
