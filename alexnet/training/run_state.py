"""A training: the network, the data, and its position; saved to a run folder and restored from it.

The next steps of a training depend on its weights and velocities, the schedule's state, the count
of dropout masks, and the position (epoch, batch, step). Order, crops and mirrors of an epoch depend
on the seed and the epoch's number. A checkpoint holds all of these, so a run that is interrupted at
any step and resumed ends with the same bits as an unbroken run.

best.npz holds the network with the best validation ever measured in this run, and says itself which
one: it is written as soon as it is measured, and is never older than last.npz. One validation is
not part of an unbroken run: the one in the middle of an epoch, where --max-steps ended. last.npz
leaves it out.
"""

from dataclasses import replace

import numpy as np

import tinynet as tn
from alexnet.data.principal_colours import PrincipalColours
from alexnet.errors import RUN_ELSEWHERE, DataError, NotFinite, UsageError
from alexnet.evaluation.metrics import Metrics
from alexnet.training import diagnosis, resuming
from alexnet.training.agreement import check_same_weights, open_on_ranks
from alexnet.training.features import check_memory
from alexnet.training.frozen import parameter_groups
from alexnet.training.loaders import loaders_of
from alexnet.training.model_parallel import SCHEMES, ModelParallel
from alexnet.training.options import Options
from alexnet.training.pretrained import Pretrained
from alexnet.training.run_folder import RunFolder
from alexnet.training.run_inputs import choose_inputs
from alexnet.training.run_network import RunNetwork
from alexnet.training.saved import check_training
from alexnet.training.saving import Saving
from alexnet.training.schedules import schedule_of
from alexnet.weights import checkpoint as checkpoints
from alexnet.weights.checkpoint import Checkpoint


class Run:
    """A training: new, started from a pretrained network, or restored from a checkpoint. train_set
    is opened if it is None.

    epoch, batch, step   finished epochs, batches of this epoch, and steps of the whole run;
                         first_step: at which this command began
    sums                 {"images", "loss", "top1"} of this epoch so far: the number of images, the
                         sum of their losses, the number of correct ones
    random_state         the state of tinynet.random before the next step
    best                 {"top1", "epoch"} of the best whole epoch, or None
    in_best              {"top1", "epoch", "step", "batch"} of the network in best.npz, or None;
                         batch is 0 at the end of an epoch
    network              a RunNetwork; model, head, frozen and rate_factors are its own
    ranks                the processes that train it together, an engine (tinynet/parallel): rank 0
                         writes, all have the same state
    divided              how the network is divided among them, a ModelParallel; None: it is not
    saving               when save() is due, and how long it took: a Saving
    remarks              what a resumed run should tell: lines of text
    validated            the Metrics of the newest epoch, or None before its end
    guessing_loss        the loss of guessing each class by its frequency among the samples
    Raises DataError or UsageError if options, data and checkpoint do not fit together.
    """

    def __init__(
        self,
        options: Options,
        folder: RunFolder,
        checkpoint: Checkpoint | None = None,
        train_set=None,
        pretrained: Pretrained | None = None,
        ranks=None,
        parallel: str = "data",
        scheme: str = SCHEMES[0],
    ):
        self.options, self.folder = options, folder
        self.ranks = tn.parallel.Single() if ranks is None else ranks
        self.train_set = self._open("train") if train_set is None else train_set
        self.val_set = self._open("val")
        self.classes = list(self.train_set.classes)
        tn.seed(options.seed)
        self.network, self.pretrained = RunNetwork.of(options, self.classes, pretrained), pretrained
        self.model, self.head = self.network.model, self.network.head
        self.frozen, self.rate_factors = self.network.frozen, self.network.rate_factors
        self.divided = None
        if parallel != "data":
            self.divided = ModelParallel(
                self.model, self.frozen, parallel, scheme, self.ranks, options.sync_batch_norm
            )
        self.batches, self.validation = loaders_of(
            options, self.train_set, self.val_set, self.ranks, self.divided
        )
        sharing = 1 if options.sync_batch_norm else self.batches.ranks
        self.network.check_batch_norm(self.batches.batch_size // sharing)
        check_memory(self)
        groups = parameter_groups(
            self.divided.part if self.divided else self.model,
            self.rate_factors, options.bias_lr, options.decay_biases,
        )  # fmt: skip
        self.optimizer = tn.optim.SGD(
            groups, options.lr, options.momentum, options.weight_decay, options.rule
        )
        self.schedule = schedule_of(options, len(self.batches))
        self.normalization = self.colours = None
        self.epoch = self.batch = self.step = self.first_step = 0
        self.sums = {"images": 0, "loss": 0.0, "top1": 0}
        self.random_state = tn.random.get_state()
        self.best = self.in_best = self.validated = None
        self.remarks = []
        labels = self.train_set.labels
        labels = np.unique(labels) if options.balance else labels  # then each is equally frequent
        self.guessing_loss = diagnosis.guessing_loss(labels, len(self.classes))
        self._lists = {
            "train": resuming.image_list(self.train_set), "val": resuming.image_list(self.val_set)
        }  # fmt: skip
        self.saving = Saving(folder, options.save_interval, options.keep, self.ranks)
        if checkpoint:
            self._restore(checkpoint)

    def _open(self, split):
        options = self.options
        return open_on_ranks(
            self.ranks, options.data, split, seed=options.seed,
            skip_bad_images=options.skip_bad_images,
        )  # fmt: skip

    def choose_inputs(self) -> None:
        """Set the mean and the divisor of images, and their change of colour (run_inputs.py). Rank
        0 measures them."""
        inputs = choose_inputs(self) if self.ranks.rank == 0 else None
        self.normalization, self.colours = self.ranks.spread(inputs)

    def check_validation_images(self) -> None:
        """Read every validation image once: a broken one is an error now, not after an epoch.
        Raises DataError."""
        for _ in self.validation.epoch(0):
            pass

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
            self.best = {"top1": metrics.top1, "epoch": self.epoch}

    def keep_if_best(self, metrics: Metrics) -> None:
        """Write best.npz if this network, with these validation metrics, is better than the one in
        it. As good is enough for a whole epoch after a part of one, so that runs with and without
        that part end with the same file. Raises DiskError."""
        if not self.folder.is_written:
            return
        if self.in_best:
            top1, is_part = self.in_best["top1"], self.in_best["batch"] > 0
            if metrics.top1 < top1 or (metrics.top1 == top1 and (self.batch or not is_part)):
                return
        best = {"top1": metrics.top1, "epoch": self.epoch + (self.batch > 0)}
        self._checkpoint(velocities=None, best=best).save(self.folder.best, RUN_ELSEWHERE)
        self.in_best = best | {"step": self.step, "batch": self.batch}

    # --- saving and restoring ---

    def save(self) -> None:
        """Write last.npz. Raises DiskError, and NotFinite instead of writing weights that are not
        finite. Every rank must save."""
        velocities = self.optimizer.state_dict()
        if self.divided:
            self.divided.gather(self.model)
            velocities = self.divided.gather_velocities(velocities)
        self.saving.save(self._checkpoint(velocities, self.best))

    def gather_weights(self) -> None:
        """Let the model have the weights of all ranks, where it is divided. Every rank must. Raises
        UsageError if weights that should be the same on all ranks are not."""
        check_same_weights(self.ranks, self.divided or self.model)
        if self.divided:
            self.divided.gather(self.model)

    def fill(self, checkpoint: Checkpoint) -> None:
        """Load the weights and velocities of a checkpoint. Raises DataError if it does not fit."""
        if self.divided:
            self.divided.fill(checkpoint, self.model, self.optimizer)
        else:
            checkpoint.fill(self.model, self.optimizer)

    def _checkpoint(self, velocities, best):
        state = self.model.state_dict()
        wrong = [name for name, array in state.items() if not np.isfinite(array).all()]
        if wrong:
            remedy = diagnosis.remedy(self)
            raise NotFinite(f"after step {self.step} {wrong[0]} is not finite; {remedy}")
        return Checkpoint(
            build=self.model.build_arguments,
            classes=self.classes,
            stored_size=self.batches.stored_size,
            normalization=self.normalization,
            model=state,
            velocities=velocities,
            frozen=self.frozen,
            # These are limits for this command only.
            options=replace(self.options, max_steps=None, max_time=None).saved(),
            training={
                "epoch": self.epoch,
                "batch": self.batch,
                "step": self.step,
                "sums": dict(self.sums),
                "best": best,
                "images": len(self.train_set),
                "lists": self._lists,
                "random": self.random_state,
                "schedule": [self.options.schedule, self.schedule.state()],
            }
            | ({"colours": self.colours.saved()} if self.colours else {}),
        )

    def last_good(self) -> str:
        """The end of an error message: the path of the last good checkpoint."""
        return f"the last good checkpoint is {self.folder.last}"

    def _restore(self, checkpoint):
        check_training(checkpoint)
        training = checkpoint.training
        self.remarks += resuming.list_remarks(
            checkpoint, self.options, self.classes, len(self.train_set),
            self.batches.stored_size, self._lists,
        )  # fmt: skip
        self.normalization = checkpoint.normalization
        if "colours" in training:
            self.colours = PrincipalColours.from_saved(training["colours"])
        self.fill(checkpoint)
        # The same step as before, unless images were left out since and an epoch has fewer now.
        self.saving.step = training["step"]
        self.epoch, self.batch = training["epoch"], min(training["batch"], len(self.batches))
        self.step = self.epoch * len(self.batches) + self.batch
        self.first_step = self.step
        self.sums = dict(training["sums"])
        if self.batch < training["batch"]:  # the counts stay whole numbers
            for name, total in self.sums.items():
                part = total * self.batch / training["batch"]
                self.sums[name] = part if name == "loss" else int(part)
        self.best = training["best"]
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
        self.remarks += resuming.rate_remarks(
            checkpoint, self.options, self.schedule, len(self.batches)
        )
        if self.folder.is_written:
            self._read_best()

    def _read_best(self):
        """Read from best.npz which network it holds. If the process was killed after it was
        written, it is newer than last.npz."""
        try:
            best = checkpoints.load(self.folder.best)
            check_training(best)
        except DataError as error:
            if self.best:
                self.remarks.append(f"{error}; the next validation makes another best.npz")
            return
        training = best.training
        if training["best"]:
            self.in_best = training["best"] | {name: training[name] for name in ("step", "batch")}
