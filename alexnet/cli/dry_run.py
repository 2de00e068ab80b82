"""--dry-run: what a run would take, before it is begun.

A few steps, two batches of validation, one save and one load, with the run's own data, network and
disk. Nothing of it stays. Of several ranks all take the steps and validate, each with its share;
rank 0 writes, reads and prints.
"""

import itertools
import math
import statistics
import tempfile
import time
from collections.abc import Callable

import tinynet as tn
from alexnet.errors import RUN_ELSEWHERE, NotFinite, UsageError, writing
from alexnet.evaluation.metrics import evaluate
from alexnet.training import memory
from alexnet.training.durations import save_interval, seconds_of
from alexnet.training.features import batches_for
from alexnet.training.progress import clock
from alexnet.training.run_folder import DRY_RUN, RunFolder
from alexnet.training.run_state import Run
from alexnet.training.saving import Saving
from alexnet.training.watch import counted_steps
from alexnet.weights import checkpoint

SECONDS = 2  # of steps that are measured: at least one


def dry_run(run: Run, step: Callable) -> None:
    """Measure, and print memory and time. The weights of this Run are changed, its folder is not.

    step  takes a step: take_step of train.py, or a tn.gpu.CudaGraph of it; every rank must
    Raises the errors that the run itself would raise: NotFinite, DataError, DiskError, and
    UsageError where the memory is full.
    """
    try:
        _measure(run, step)
    except MemoryError as error:
        raise UsageError(memory.remedy(run, error)) from error


def _measure(run, step):
    began = time.monotonic()
    if run.normalization is None:
        run.choose_inputs()
    training, validation = batches_for(run, watched=lambda batches: batches)
    start = time.monotonic() - began
    batches = _without_end(training, run.epoch)
    first, loss = _step(run, step, batches)
    steps = []
    while run.ranks.spread(sum(steps) < SECONDS):
        steps.append(_step(run, step, batches)[0])
    each = statistics.median(steps)
    traffic = run.ranks.traffic
    sent = traffic.total / counted_steps(traffic, 1 + len(steps))
    run.gather_weights()
    batches = _without_end(validation, 0)
    _validate(run, batches)
    validated = _validate(run, batches)
    size, written, read = _save_and_load(run)
    lines = [
        # The kernels that it compiled are in the cache when the run begins.
        f"first step {first:.1f} s, loss {loss:.3f}",
        f"a step {each:.3f} s, {run.batches.batch_size / each:.0f} images/s",
        f"validation {validated:.3f} s a batch, {len(run.validation)} batches",
        f"last.npz {memory.in_words(size)}, written in {written:.2f} s, read in {read:.2f} s",
    ]
    if run.ranks.size > 1:
        lines.insert(2, f"sent {memory.in_words(sent)} a step by each of {run.ranks.size} ranks")
    memories = run.ranks.share(_memory())
    print("dry run   " + ("\n" + " " * 10).join(lines))
    print("memory    " + ("\n" + " " * 10).join(_by_rank(memories, run.ranks.hosts)))
    print(f"time      {_time(run, start, each, validated * len(run.validation), written)}")
    print("nothing is kept; without --dry-run the run begins")


def _without_end(batches, epoch):
    """The batches of this epoch and of those after it."""
    return itertools.chain.from_iterable(map(batches.epoch, itertools.count(epoch)))


def _step(run, step, batches):
    """(seconds, loss) of a step, with the wait for its batch."""
    began = time.monotonic()
    x, labels = next(batches)
    loss, _ = step(run.head, run.optimizer, x, labels, run.schedule.rate(run.step))
    loss = float(loss)  # waits for a GPU
    if not math.isfinite(loss):
        raise NotFinite(
            f"the loss is {loss}: try a smaller rate, --lr {run.options.lr / 10:g}; nothing is kept"
        )
    return time.monotonic() - began, loss


def _validate(run, batches):
    """The seconds that a batch of validation takes."""
    began = time.monotonic()
    evaluate(run.head, itertools.islice(batches, 1), len(run.classes), run.ranks)
    return time.monotonic() - began


def _save_and_load(run):
    """(bytes, seconds of writing, seconds of reading) of a checkpoint on the run's own disk; of a
    rank that writes none, zeros."""
    options = run.options
    if run.ranks.rank != 0:
        run.save()
        return 0, 0.0, 0.0
    with writing(run.folder.path, RUN_ELSEWHERE):
        place = tempfile.TemporaryDirectory(prefix=DRY_RUN, dir=run.folder.path)
    with place as path:
        run.saving = Saving(RunFolder(path), options.save_interval, options.keep)
        run.save()
        began, last = time.monotonic(), RunFolder(path).last
        run.fill(checkpoint.load(last))
        return last.stat().st_size, run.saving.seconds, time.monotonic() - began


def _by_rank(memories, hosts):
    """A line for each rank's memory; one for one process."""
    if len(memories) == 1:
        return memories
    pairs = zip(hosts, memories, strict=True)
    return [f"rank {rank} on {host}: {words}" for rank, (host, words) in enumerate(pairs)]


def _memory():
    peak = memory.peak()
    words = [] if peak is None else [f"at most {memory.in_words(peak)} in this process"]
    gpu = tn.gpu.device()
    if gpu is not None:
        pool, used, whole = map(memory.in_words, gpu.memory())
        words.append(f"{pool} in CuPy's pool; in all {used} of the GPU's {whole} are in use")
    return ", ".join(words) or "not told by this system"


def _time(run, start, step, validation, save):
    """The estimate in words, from seconds: before the steps, of a step, a validation, a save."""
    steps = run.steps_left()
    validations = -(-steps // len(run.batches))
    # A new run reads the files of its validation images once before it begins.
    reading = validation if run.step == 0 and hasattr(run.val_set, "names") else 0
    seconds = start + reading + steps * step + validations * validation
    every_steps, every_seconds = save_interval(run.options.save_interval)
    saves = 1 + int(steps // every_steps if every_steps else seconds // every_seconds)
    seconds += saves * save
    text = (
        f"about {clock(seconds)}: {steps:,} steps {clock(steps * step)}, {validations} validations "
        f"{clock(validations * validation)}, {saves} saves {clock(saves * save)}"
    )
    limit = run.options.max_time
    if limit and seconds > seconds_of(limit):
        commands = math.ceil(seconds / seconds_of(limit))
        text += f"; with --max-time {limit} about {commands} commands"
    return text
