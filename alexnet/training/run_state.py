"""A training: the network, the data, and its position; saved to a run folder and restored from it.

The next steps of a training depend on its weights and velocities, the schedule's state, the count
of dropout masks, and the position (epoch, batch, step). Order, crops and mirrors of an epoch depend
on the seed and the epoch's number. A checkpoint holds all of these, so a run that is interrupted at
any step and resumed ends with the same bits as an unbroken run.
"""

import time
from dataclasses import replace

import numpy as np

import tinynet as tn
from alexnet.data import open_dataset
from alexnet.data.loader import Loader
from alexnet.data.normalization import Normalization, measure_normalization
from alexnet.errors import DataError, NotFinite, UsageError
from alexnet.evaluation.metrics import Metrics
from alexnet.network.build import build
from alexnet.network.specs import find_spec
from alexnet.training import diagnosis
from alexnet.training.options import Options
from alexnet.training.run_folder import RunFolder
from alexnet.training.schedules import SCHEDULES
from alexnet.weights.checkpoint import Checkpoint

# Writing 57 million weights and as many velocities takes seconds, as long as a short epoch.
SECONDS_BETWEEN_SAVES = 120


class Run:
    """A training, new or restored from a checkpoint. train_set is opened if it is None.

    epoch, batch, step   finished epochs, batches of this epoch, and steps of the whole run
    sums                 {"images", "loss", "top1"} of this epoch so far: the number of images, the
                         sum of their losses, the number of correct ones
    random_state         the state of tinynet.random before the next step
    best                 {"top1", "epoch"} of the best validation, or None
    validated            the Metrics of the newest epoch, or None before its end
    guessing_loss        the loss of guessing each class by its frequency among the training images
    Raises DataError or UsageError if options, data and checkpoint do not fit together.
    """

    def __init__(
        self,
        options: Options,
        folder: RunFolder,
        checkpoint: Checkpoint | None = None,
        train_set=None,
    ):
        self.options, self.folder = options, folder
        self.train_set = _open(options, "train") if train_set is None else train_set
        self.val_set = _open(options, "val")
        self.classes = list(self.train_set.classes)
        tn.seed(options.seed)
        self.model = _build(options, len(self.classes))
        self.batches, self.validation = self._loaders()
        self.optimizer = tn.optim.SGD(
            self.model.parameters(), options.lr, options.momentum, options.weight_decay,
            options.rule,
        )  # fmt: skip
        self.schedule = SCHEDULES[options.schedule](options.lr, options.epochs, len(self.batches))
        self.normalization = checkpoint.normalization if checkpoint else None
        self.epoch = self.batch = self.step = 0
        self.sums = {"images": 0, "loss": 0.0, "top1": 0}
        self.random_state = tn.random.get_state()
        self.best = None
        self.validated = None
        self.guessing_loss = diagnosis.guessing_loss(self.train_set.labels, len(self.classes))
        self._best_unwritten = None
        self._saved_at = time.monotonic()
        if checkpoint:
            self._restore(checkpoint)

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
        """Set the mean and the divisor of images: the spec's own numbers, or the mean of the
        training set and, with initial weights "he", its deviation."""
        spec_input = find_spec(self.options.spec).input
        divide = self.options.init == "he"
        if isinstance(spec_input.mean, str):
            self.normalization = measure_normalization(
                self.train_set, self.options.image_size, mean=spec_input.mean, divide=divide,
                stored_size=self.batches.stored_size, workers=self.options.workers,
            )  # fmt: skip
        else:
            numbers = (
                np.reshape(three, (3, 1, 1)) for three in (spec_input.mean, spec_input.divisor)
            )
            self.normalization = Normalization(*numbers)

    # --- counting ---

    @property
    def total_steps(self) -> int:
        """Steps until the end of the last epoch, or until --max-steps."""
        every = self.options.epochs * len(self.batches)
        return min(every, self.options.max_steps or every)

    def steps_left(self) -> int:
        """Steps that --max-steps and --epochs still allow."""
        return max(0, self.total_steps - self.step)

    def means(self) -> tuple[float, float]:
        """The training loss and top-1 accuracy of this epoch so far, means over its images."""
        return tuple(self.sums[name] / self.sums["images"] for name in ("loss", "top1"))

    def count_step(self, loss: float, ranks: np.ndarray, random_state: dict) -> None:
        """Count a step.

        ranks         of the batch's labels (evaluation/metrics.py)
        random_state  the state of tinynet.random after the step
        """
        self.batch += 1
        self.step += 1
        self.sums["images"] += len(ranks)
        self.sums["loss"] += loss * len(ranks)
        self.sums["top1"] += int((ranks < 1).sum())
        self.random_state = random_state

    def count_epoch(self, metrics: Metrics) -> None:
        """Count an epoch with these validation metrics."""
        dead = diagnosis.is_dead_start(self.means()[0], self.guessing_loss, metrics)
        self.schedule.epoch_ended(1 - metrics.top1, dead)
        self.epoch += 1
        self.batch = 0
        self.sums = dict.fromkeys(self.sums, 0)
        self.validated = metrics
        if self.best is None or metrics.top1 > self.best["top1"]:
            self._keep(metrics, self.epoch)

    def keep_if_first(self, metrics: Metrics) -> None:
        """If --max-steps ends before any epoch did, write this network as best.npz. Call it after
        save(): last.npz must not count it as the best, because a resumed run compares whole epochs.
        """
        if self.best is None:
            self._keep(metrics, self.epoch + 1)

    def _keep(self, metrics, epoch):
        self.best = {"top1": metrics.top1, "epoch": epoch}
        self._best_unwritten = self._checkpoint(velocities=None)

    # --- saving and restoring ---

    def save_is_due(self) -> bool:
        """Whether the last save() was SECONDS_BETWEEN_SAVES ago."""
        return time.monotonic() - self._saved_at >= SECONDS_BETWEEN_SAVES

    def save(self) -> None:
        """Write last.npz, and best.npz if there is a better network. Raises DiskError, and
        NotFinite instead of writing weights that are not finite."""
        self._checkpoint(self.optimizer.state_dict()).save(self.folder.last)
        self.write_best()
        self._saved_at = time.monotonic()

    def write_best(self) -> None:
        """Write best.npz if there is a better network than when it was last written."""
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
        return Checkpoint(
            build=self.model.build_arguments,
            classes=self.classes,
            stored_size=self.batches.stored_size,
            normalization=self.normalization,
            model=state,
            velocities=velocities,
            options=replace(self.options, max_steps=None).saved(),  # a limit for this command only
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
        """The end of an error message: the path of the last good checkpoint."""
        return f"the last good checkpoint is {self.folder.last}"

    def _restore(self, checkpoint):
        training = checkpoint.training
        if checkpoint.classes != self.classes or training["images"] != len(self.train_set):
            raise DataError(
                f"{self.options.data} has {len(self.classes)} classes and {len(self.train_set):,} "
                f"training images, the run began with {len(checkpoint.classes)} and "
                f"{training['images']:,}, or other names; give the data it began with"
            )
        checkpoint.fill(self.model, self.optimizer)
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
        return build(options.spec, classes, options.image_size, **options.changes())
    except ValueError as error:
        raise UsageError(str(error)) from error
