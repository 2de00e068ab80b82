"""python -m alexnet.train [DATA]: train an AlexNet by stochastic gradient descent with momentum.

    for each batch:  logits = model(images)              forward
                     loss = cross-entropy(logits, labels)
                     loss.backward()                     gradients
                     v = 0.9 v - 0.0005 lr w - lr g      optimizer.step()
                     w = w + v

The step is `take_step` below, the loop `train`. What they work on is in run.py, what a run does
when nobody says otherwise in recipes.py, the flags are in train_flags.py, what is printed in
progress.py and report.py. A GPU is given its steps without waiting for it: steps.py.
Source: the paper, section 5.
"""

import math
import shlex
import sys
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path

import tinynet as tn
from alexnet import (
    checkpoint,
    commands,
    curves,
    diagnosis,
    options,
    recipes,
    report,
    train_flags,
)
from alexnet.commands import Interrupted, Interrupts, NotFinite, UsageError
from alexnet.data.feed import feed
from alexnet.progress import Progress
from alexnet.run import Run
from alexnet.run_folder import RunFolder
from alexnet.scores import evaluate, ranks
from alexnet.steps import Steps


def take_step(model, optimizer, x, labels, lr):
    """Forward, loss, backward, update. Returns (loss, logits), of before the update.

    x       the images, a Tensor (N, 3, S, S)
    labels  tn.Labels
    lr      the rate, a number or a Tensor ()
    On a processor a loss that is not finite moves nothing, so that its cause can be found. To look
    at it on a GPU would mean to wait for it.
    """
    logits = model(x)
    loss = tn.softmax_cross_entropy(logits, labels)
    if loss.backend != "cupy" and not math.isfinite(loss.item()):
        return loss, logits
    for group in optimizer.groups:
        group["lr"] = lr
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss, logits


def train(run: Run, progress: Progress, interrupts: Interrupts) -> None:
    """Train from where the run is to its last epoch, or to --max-steps.

    Raises NotFinite for a step whose loss is not finite, and Interrupted at the end of the batch
    in which Ctrl-C was pressed.
    """
    steps = Steps(run, take_step)
    batches = feed(run.batches, run.normalization, len(run.classes))
    validation = feed(run.validation, run.normalization, len(run.classes))
    while run.epoch < run.options.epochs:
        epoch = islice(batches.epoch(run.epoch, start_batch=run.batch), run.steps_left())
        for done in steps.through(interrupts.between(epoch)):
            loss, rank = done.loss(), ranks(done.logits(), done.labels.host)
            if not math.isfinite(loss):
                raise NotFinite(_not_finite(run, loss, done.x))
            run.step_done(loss, rank, done.random_state)
            progress.step(loss, rank, done.lr)
            _judge_start(run, progress, done.x)

        if run.batch == 0:  # --max-steps was reached with the epoch before
            break
        scores = _validate(run, progress, interrupts, validation)
        if run.batch < len(run.batches):  # --max-steps: --resume goes on inside the epoch
            run.save()
            run.keep_if_first(scores)
            return
        run.epoch_done(scores)
    run.save()


def _validate(run, progress, interrupts, validation):
    progress.validating()
    batches = interrupts.between(validation.epoch(0))
    scores = evaluate(run.model, batches, len(run.classes))
    if not math.isfinite(scores.loss):
        raise NotFinite(
            f"the loss of the validation after step {run.step} is {scores.loss}: {_remedy(run)}"
        )
    progress.validated(scores)
    return scores


def _not_finite(run, loss, x):
    if run.options.backend == "cupy":
        where = (
            "the weights have moved since, so the layer cannot be told; it is named when "
            f"--resume {shlex.quote(str(run.folder.path))} --backend numba comes there"
        )
    else:
        where = diagnosis.first_not_finite(run.model, x, run.random_state)
    return f"the loss of step {run.step + 1} is {loss}: {where}; {_remedy(run)}"


def _remedy(run):
    return f"try a smaller rate, --lr {run.options.lr / 10:g}; {run.last_good()}"


def _judge_start(run, progress, x):
    """Report a dead start, when it is time to judge."""
    if run.step != run.options.dead_start_steps:
        return
    loss = progress.mean_loss()
    if diagnosis.is_dead_start(loss, len(run.classes)):
        progress.say(diagnosis.describe_dead_start(run.model, x, loss, run.step, run.options))


# --- the command ----------------------------------------------------------------------------------


def main(argv=None) -> int:
    """The command; returns its exit code (alexnet/commands.py)."""
    given = train_flags.parser().parse_args(argv)
    return commands.run(lambda: _command(given), "alexnet.train")


def _command(given):
    run = _resume(given) if given.resume else _begin(given)
    report.print_recipe(run)
    if run.normalization is None:
        print("measuring what to normalise the images with ...", flush=True)
        run.measure_normalization()
        run.save()  # a disk that cannot take a checkpoint shows now, not after an epoch
    try:
        with Interrupts() as interrupts, Progress(run) as progress:
            train(run, progress, interrupts)
    except Interrupted:
        run.save()
        print(
            f"alexnet.train: interrupted after step {run.step}, which is saved; to go on: "
            f"python -m alexnet.train --resume {shlex.quote(str(run.folder.path))}",
            file=sys.stderr,
        )
        return 130
    finally:
        run.write_best()
    report.print_end(run, drawn=curves.draw(run.folder))
    return 0


def _begin(given):
    backend = options.use_machine(given.backend, given.threads, given.precision)
    _check_capture(given.capture, backend)
    decided = recipes.decide(given, backend)
    kind = recipes.kind_of(decided.data)
    name = Path(decided.data).name if kind == "folder" else kind
    folder = RunFolder.create(given.out, f"{decided.spec}-{name}")
    try:
        run = Run(decided, folder)
    except BaseException:  # data or options that do not fit: no trace is left
        folder.leave()
        raise
    folder.begin(asdict(decided), run.classes)
    return run


def _check_capture(capture, backend):
    if capture and backend != "cupy":
        raise UsageError(
            f"--capture records a CUDA graph, backend {backend} has none; leave it out, or "
            "--backend cupy"
        )


def _resume(given):
    if given.out:
        raise UsageError("--out does not go with --resume, which goes on in the run's own folder")
    path = Path(given.resume)
    file = path / "last.npz" if path.is_dir() else path
    begun = checkpoint.load(file)
    if begun.velocities is None:
        raise UsageError(
            f"{file} holds no velocities, so training cannot go on from it; --resume "
            f"{file.parent} goes on from last.npz"
        )
    saved = recipes.Options(**begun.options)
    wanted = given.backend or saved.backend
    if tn.get_backend(wanted).name != "cupy":  # what only a GPU has is not taken along
        saved = replace(saved, precision="float32", capture=False)
    backend = options.use_machine(
        wanted, given.threads or saved.threads, given.precision or saved.precision
    )
    _check_capture(given.capture, backend)
    folder = RunFolder(file.parent)
    run = Run(recipes.decide_again(saved, given, backend), folder, begun)
    folder.cut_log(run.step)
    folder.begin(asdict(run.options), run.classes)
    return run


if __name__ == "__main__":
    sys.exit(main())
