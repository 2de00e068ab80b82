"""The first and last lines of alexnet.train: the recipe of the run, and commands to try next."""

import itertools
import os
import shlex
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import tinynet as tn
from alexnet.data.names import printable
from alexnet.network.layer_names import as_ranges
from alexnet.network.variants import in_words
from alexnet.training.data_remarks import data_remarks
from alexnet.training.durations import SAVE_INTERVAL
from alexnet.training.frozen import bias_rate
from alexnet.training.model_parallel import SCHEMES
from alexnet.training.options import flags_of, kind_of
from alexnet.training.progress import clock
from tinynet.parallel import words_of_launch

_imported = time.time()


def command_of(ranks) -> str:
    """The command with which these ranks were started."""
    launched = f"{words_of_launch(ranks.size)} " if ranks.size > 1 else ""
    return f"{launched}python -m alexnet.train"


def resume_command(run) -> str:
    """The command that goes on with a run."""
    way = ""
    if run.divided:
        way = f" --parallel {run.divided.way}"
        way += f" --owt-scheme {run.divided.scheme}" if run.divided.scheme != SCHEMES[0] else ""
    return f"{command_of(run.ranks)} --resume {shlex.quote(str(run.folder.path))}{way}"


def print_recipe(run, leave_out: Sequence[str] = ()) -> None:
    """Print the data, the network, the options, the machine and the folder of a run.

    leave_out  names of lines
    """
    o = run.options
    weights = sum(parameter.size for parameter in run.model.parameters())
    place = f", from step {run.step + 1}" if run.step else ""
    stop = f", at most {o.max_steps:,} steps" if o.max_steps else ""
    lines = {
        "data": f"{run.train_set.description}\n{run.val_set.description}",
        "network": f"{o.spec}, {weights:,} parameters, images {o.image_size} x {o.image_size}"
        + "".join(f", {change}" for change in in_words(o.changes()))
        + _frozen(run),
        "training": f"{o.epochs} epochs of {len(run.batches):,} steps{stop}{place}, batch "
        f"{run.batches.batch_size}, augment {o.augment}"
        f"{', every class equally often' if o.balance else ''}\n"
        f"lr {o.lr:g} ({_schedule(o)}), momentum {o.momentum:g}, weight decay {o.weight_decay:g} "
        f"(rule {o.rule})" + _biases(o) + _rates(run),
        "machine": f"backend {o.backend}, {_computation(o, run.ranks.size)}, workers {o.workers}, "
        f"seed {o.seed}" + _ranks(run),
        "run": str(run.folder.path) + _saves(o),
    }
    if run.normalization is None and (remarks := data_remarks(run)):  # a new run, once
        lines["images"] = "\n".join(remarks)
    if o.recipe:
        lines["recipe"] = f"{o.recipe}, as published; flags beside it win"
    if run.network.started_from:
        lines["weights"] = "\n".join(run.network.started_from)
    if run.remarks:
        lines["resumed"] = "\n".join(run.remarks)
    for name, text in lines.items():
        if name in leave_out:
            continue
        text = ("\n" + " " * 10).join(map(printable, text.split("\n")))
        print(f"{name:10}{text}", flush=True)


def _ranks(run):
    """A line on the ranks, or ""."""
    size = run.ranks.size
    if size == 1:
        return ""
    hosts = Counter(run.ranks.hosts)
    places = ", ".join(f"{count} on {printable(host)}" for host, count in hosts.items())
    least, more = divmod(run.batches.batch_size, size)
    images = f"{least} to {least + 1}" if more else str(least)
    each = f"{images} images of a batch"
    if run.divided:
        scheme = f"some units of each fully connected layer, scheme {run.divided.scheme}"
        is_towers = run.divided.has_every_image
        each = "one tower, and all images" if is_towers else f"{each}, and {scheme}"
    return f"\n{size} ranks ({places}), each with {each}"


def _frozen(run):
    """A line that names the frozen layers and counts the other parameters, or ""."""
    if not run.frozen:
        return ""
    frozen = ", ".join(as_ranges(run.frozen, run.network.layers))
    trained = sum(parameter.size for parameter in run.model.parameters() if parameter.requires_grad)
    return f"\n{trained:,} of them trained; frozen: {frozen}"


def _schedule(o):
    """The schedule, in words."""
    words = [o.schedule + (f" after epochs {o.milestones}" if o.milestones else "")]
    words += [f"warmup {o.warmup:g} epochs"] if o.warmup else []
    return ", ".join(words)


def _biases(o):
    """A line on what is different for biases, or ""."""
    factor, constant = bias_rate(o.bias_lr)
    words = [] if factor == 1 else [f"{factor:g} lr"]
    words += [] if constant is None else [f"lr {constant:g} throughout"]
    words += [] if o.decay_biases else ["no weight decay"]
    return f"\nbiases: {', '.join(words)}" if words else ""


def _rates(run):
    """A line that names the layers with a rate of their own, or ""."""
    rates = [
        f"{factor:g} lr in {part}"
        for factor, pairs in itertools.groupby(run.rate_factors.items(), key=lambda pair: pair[1])
        for part in as_ranges([name for name, _ in pairs], run.network.layers)
    ]
    return f"\nrates: {', '.join([*rates, 'lr in the others'])}" if rates else ""


def _saves(o):
    """What is special about the saves, and the limit of time, in words, or ""."""
    unit = " steps" if o.save_interval.isdigit() else ""
    words = [] if o.save_interval == SAVE_INTERVAL else [f"saved every {o.save_interval}{unit}"]
    words += [f"keeps {o.keep} former checkpoints"] if o.keep else []
    words += [f"stops after {o.max_time}"] if o.max_time else []
    return "".join(f", {word}" for word in words)


def _computation(o, size):
    """The threads or the GPU of one of `size` ranks, in words."""
    gpu = tn.gpu.device()
    if gpu is None:
        return f"threads {o.threads or ('all' if size == 1 else 'divided')}"
    recorded = ", steps recorded" if o.cuda_graph else ""
    return f"{gpu.name}, {o.precision}{recorded}"


def print_time_over(run, first: int) -> None:
    """Print that --max-time is over.

    first  the run's step when the command began
    """
    print(f"stopped by --max-time {run.options.max_time} after step {run.step}, which is saved")
    if run.step == first:
        print("  (no step was taken: validating takes longer, and begins anew in each command)")


def print_end(run, no_picture: str) -> None:
    """Print the files of the run, commands to try next, what best.npz holds, and the total time.

    no_picture  why curves.png was not drawn, or ""
    """
    folder = run.folder
    names = ["log.jsonl", "last.npz", "best.npz"][: 3 if run.in_best else 2]
    names += [] if no_picture else ["curves.png"]
    kept = [path.name for path in folder.kept().values()]
    names += kept if len(kept) < 3 else [f"{kept[0]} to {kept[-1]}"]
    print(f"written to {printable(folder.path)}: {', '.join(names)}")
    if no_picture:
        print(f"  ({no_picture})")
    print("what to try next:")
    for command, why in _next_commands(run):
        print(f"  {printable(command)}\n      {why}")
    total = f"total time since python started {clock(seconds_since_start())}"
    print("; ".join([*_in_best(run), total]))


def _in_best(run):
    """What best.npz holds, if there is one."""
    if run.in_best:
        best = run.in_best
        when = f"{'in' if best['batch'] else 'after'} epoch {best['epoch']}, step {best['step']}"
        yield f"best.npz: best validation top-1 {best['top1']:.1%} {when}"


def _next_commands(run):
    o = run.options
    if run.epoch < o.epochs:
        yield resume_command(run), f"go on to the end of epoch {o.epochs}"
    if run.in_best:
        yield from _uses_of(run)
    if run.epoch == o.epochs:
        longer = replace(o, epochs=2 * o.epochs, max_time=None)
        flags = flags_of(longer, len(run.train_set))
        yield f"{command_of(run.ranks)} {flags}", "the same for longer"
    if kind_of(o.data) == "synthetic":
        yield "python -m alexnet.train FOLDER", "your own images: FOLDER/<class>/*.jpg"


def _uses_of(run):
    """Commands that use best.npz."""
    best = shlex.quote(str(run.folder.best))
    if kind_of(run.options.data) == "folder":
        yield f"python -m alexnet.evaluate {best}", "accuracy of each class"
        image = run.val_set.paths[0]
        # The folder of a pack may be gone.
        image = shlex.quote(image) if os.path.exists(image) else "IMAGE.jpg"
    else:
        yield f"python -m alexnet.evaluate {best} --split test", "on images not used so far"
        image = "IMAGE.jpg"
    yield f"python -m alexnet.predict {best} {image}", "what it sees in an image file"


def seconds_since_start() -> float:
    """Seconds since this process began, including the start of Python. Without /proc, which only
    Linux has: seconds since the import of this module."""
    try:
        with open("/proc/self/stat") as file:
            began = file.read().rpartition(")")[2].split()[19]  # in ticks since the machine started
        now = time.clock_gettime(time.CLOCK_BOOTTIME)
        return now - int(began) / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError):
        return time.time() - _imported
