"""python -m alexnet.train [DATA]: train an AlexNet by stochastic gradient descent with momentum.

    for each batch:  logits = model(images)              forward
                     loss = cross-entropy(logits, labels)
                     loss.backward()                     gradients
                     v = 0.9 v - 0.0005 lr w - lr g      optimizer.step(lr)
                     w = w + v

take_step takes a step, train_epoch loops over the batches of an epoch, and train loops over the
epochs. training/run_state.py has their Run (network, data, position), training/recipes.py the
defaults, cli/train_flags.py the flags, and training/progress.py the progress line.

Source: the paper, section 5.
"""

import math
import sys
import time
from itertools import islice

import tinynet as tn
from alexnet.cli import config_file, ending, launcher
from alexnet.cli.dry_run import dry_run
from alexnet.cli.find_rate import find_rate
from alexnet.cli.interrupts import Interrupted, Interrupts
from alexnet.cli.open_run import open_run
from alexnet.cli.train_flags import need_one_process, train_parser
from alexnet.errors import DataError, DiskError, NotFinite, UsageError
from alexnet.evaluation.metrics import evaluate, ranks
from alexnet.training import diagnosis, memory, report
from alexnet.training.config_text import config_text
from alexnet.training.curves import Curves
from alexnet.training.data_parallel import DataParallel
from alexnet.training.durations import seconds_of
from alexnet.training.features import batches_for
from alexnet.training.options import kind_of
from alexnet.training.pending import Pending, Result
from alexnet.training.progress import Progress
from alexnet.training.recipes import RECIPES
from alexnet.training.run_state import Run
from alexnet.training.watch import as_table, watch_layers


def take_step(model, optimizer, x, labels, lr):
    """Forward, loss, backward, update. Returns (loss, logits), both from before the update.

    x       the images, a Tensor (N, 3, S, S)
    labels  tn.Labels
    lr      the learning rate, a number or a Tensor ()
    """
    logits = model(x)
    loss = tn.softmax_cross_entropy(logits, labels)
    if diagnosis.known_not_finite(loss):  # keep the weights: they show the layer at fault
        return loss, logits
    optimizer.zero_grad()
    loss.backward()
    optimizer.step(lr)
    return loss, logits


def train_epoch(run: Run, step, batches, progress: Progress, interrupts: Interrupts) -> None:
    """Take a step with each batch.

    step     take_step, or the step of one of several ranks (training/data_parallel.py,
             model_parallel.py), or a tn.gpu.CudaGraph of it
    batches  an iterable of (x, labels)
    Raises NotFinite after a step whose loss is not finite, Interrupted at the end of the step in
    which Ctrl-C was pressed or --max-time ended (cli/interrupts.py), and DataError or OSError where
    an image cannot be read.
    """
    pending = Pending()  # on a GPU a result stays unread for a step, so that the GPU never waits

    def read(everything):
        for result in pending.take(everything):
            record(run, progress, result)

    try:
        for x, labels in batches:
            lr = run.schedule.rate(run.step + len(pending))
            loss, logits = step(run.head, run.optimizer, x, labels, lr)
            pending.add(loss, logits, x, labels, lr)

            stopping = interrupts.asked
            saving = run.saving.is_due(run.step + len(pending))
            read(everything=stopping or saving)
            if stopping:
                raise Interrupted
            if saving:
                run.save()
    except (DataError, OSError):  # an image cannot be read; the steps before it are whole
        if run.ranks.size == 1:  # else the other ranks are in another step
            read(everything=True)
        raise
    read(everything=True)


def record(run: Run, progress: Progress, result: Result) -> None:
    """Count a step, show it, and write its line of log.jsonl. Raises NotFinite if its loss is not
    finite."""
    loss, label_ranks = float(result.loss()), ranks(result.logits(), result.labels.host)
    if progress.pace:  # of several processes, each has its share of the batch
        label_ranks = progress.pace.of_all_ranks(label_ranks, progress.say)
    if not math.isfinite(loss):
        raise NotFinite(diagnosis.describe_not_finite(run, loss, result.x))
    run.count_step(loss, label_ranks, result.random_state)
    images_per_second = progress.step(loss, label_ranks, result.lr)
    run.folder.add_line(
        epoch=run.epoch + 1, step=run.step, train_loss=loss,
        train_top1=float((label_ranks < 1).mean()), images_per_second=images_per_second,
        lr=result.lr,
    )  # fmt: skip
    if diagnosis.is_step_to_judge(run.step, run.options.dead_start_steps, len(run.batches)):
        _report_dead_start(run, progress, result.x)


def train(
    run: Run, progress: Progress, interrupts: Interrupts, curves: Curves, watch: bool = False
) -> None:
    """Train from the run's position to the end of its last epoch, or to --max-steps. With `watch`
    each epoch ends with figures of every layer. Raises NotFinite, Interrupted, DataError, DiskError
    and OSError."""
    step = _step_of(run)
    training, validation = batches_for(run, interrupts.between)
    while run.epoch < run.options.epochs:
        batches = training.epoch(run.epoch, start_batch=run.batch)
        train_epoch(run, step, islice(batches, run.steps_left()), progress, interrupts)
        if run.batch == 0:  # --max-steps ended with the previous epoch
            break
        if run.saving.is_due_before_validation():
            run.save()
        if interrupts.asked_within(progress.validation_seconds):  # one that would not end in time
            raise Interrupted
        run.gather_weights()  # what follows looks at the whole network
        layers = {"watch": watch_layers(run, training)} if watch else {}
        metrics = _validate(run, progress, interrupts, validation, layers)
        is_whole = run.batch == len(run.batches)  # else --max-steps ended inside this epoch
        if is_whole:
            run.count_epoch(metrics)
        run.keep_if_best(metrics)
        curves.draw_if_due()
        if not is_whole:
            break
    run.save()


def _step_of(run):
    step = take_step
    if run.divided:
        step = run.divided.take_step
    elif run.ranks.size > 1:
        step = DataParallel(
            run.model, run.network.layers, run.batches.batch_size, run.ranks,
            run.options.sync_batch_norm,
        ).take_step  # fmt: skip
    return tn.gpu.CudaGraph(step) if run.options.cuda_graph else step


def _validate(run, progress, interrupts, validation, layers):
    """The metrics on the validation images, shown and written to log.jsonl, beside figures of the
    layers."""
    progress.validating()
    batches = interrupts.between(validation.epoch(0))
    metrics = evaluate(run.head, batches, len(run.classes), run.ranks)
    if not math.isfinite(metrics.loss):
        raise NotFinite(
            f"the validation loss after step {run.step} is {metrics.loss}: {diagnosis.remedy(run)}"
        )
    loss, top1 = run.means()
    run.folder.add_line(
        epoch=run.epoch + 1, step=run.step, train_loss=loss, train_top1=top1,
        val_loss=metrics.loss, val_top1=metrics.top1, val_top5=metrics.top5,
        **layers,
    )  # fmt: skip
    progress.validated(metrics)
    for figures in layers.values():
        progress.show(as_table(figures))
    return metrics


def _report_dead_start(run, progress, x):
    loss = progress.mean_loss()
    if diagnosis.is_dead_start(loss, run.guessing_loss, run.validated):
        usual_lr = RECIPES[kind_of(run.options.data)].lr
        progress.say(diagnosis.describe_dead_start(run, x, loss, usual_lr))


# --- the command ----------------------------------------------------------------------------------


def main(argv=None) -> int:
    """The command; returns its exit code (alexnet/cli/ending.py)."""
    began = time.monotonic()
    if argv is None:  # the process is this command
        began -= report.seconds_since_start()

    def command():
        args = config_file.parse(train_parser(), argv)
        return train_on(tn.parallel.start(args.backend), args, began)

    return ending.run(command, "alexnet.train", on_ranks=True)


def train_on(ranks, args, began) -> int:
    """The command with these flags, on one rank of an engine (tinynet/parallel). Returns its exit
    code.

    began  the command, on time.monotonic()'s clock
    """
    if ranks.size > 1:
        need_one_process(args)
    if args.lr_find:
        return find_rate(args, take_step)
    with open_run(args, ranks) as run:
        report.print_recipe(run)
        if args.dry_run:
            dry_run(run, _step_of(run))
            return 0
        if run.normalization is None:
            _begin(run)
        curves, first = Curves(run.folder), run.step
        interrupts = Interrupts(lambda: _seconds_left(run, began), ranks)
        launcher.say_at_the_end(lambda: f"to go on: {report.resume_command(run)}")
        with interrupts, Progress(run) as progress:
            try:
                train(run, progress, interrupts, curves, watch=args.watch)
            except Interrupted:
                run.save()
                if interrupts.cause is not None:
                    curves.draw()
                    return _say_stopped(run, interrupts.cause)
                report.print_time_over(run, first)
            except (DataError, OSError):
                _save_after_error(run)
                raise
            except MemoryError as error:
                raise UsageError(f"{memory.remedy(run, error)}; {run.last_good()}") from error
        report.print_end(run, curves.draw())
    return 0


def _seconds_left(run, began):
    """The seconds that --max-time leaves this command for steps: the last save needs some."""
    limit = run.options.max_time
    left = seconds_of(limit) - (time.monotonic() - began) if limit else math.inf
    return left - run.saving.seconds


def _say_stopped(run, cause):
    """Say what stopped the run, and how to go on. Returns the exit code."""
    code, how = ending.stopped(cause)
    if run.folder.is_written:
        ending.say(
            f"alexnet.train: {how} after step {run.step}, which is saved; to go on: "
            f"{report.resume_command(run)}"
        )
    return code


def _save_after_error(run):
    """Save the steps before an image that cannot be read. Whether that succeeds or not, the error
    of the image stays the last line on stderr. Several ranks would have to save together, and only
    one has this error: their last checkpoint stays."""
    if run.ranks.size > 1:
        return
    try:
        run.save()
    except (DiskError, NotFinite) as error:
        ending.say(f"alexnet.train: step {run.step} could not be saved: {error}")
    else:
        ending.say(
            f"alexnet.train: step {run.step} is saved; to go on once the images can be read: "
            f"{report.resume_command(run)}"
        )


def _begin(run):
    run.choose_inputs()
    if hasattr(run.val_set, "names"):  # files
        print(f"reading the {len(run.val_set):,} validation images once ...", flush=True)
        run.check_validation_images()
    run.folder.begin(run.options.saved(), run.classes, config_text(run.options))
    run.save()  # a full disk is an error now, not after an epoch


if __name__ == "__main__":
    sys.exit(main())
