"""The first and last lines of alexnet.train: the recipe of the run, and commands to try next."""

import os
import shlex
import time
from dataclasses import replace

import tinynet as tn
from alexnet.network.variants import CHANGES
from alexnet.training.options import flags_of, kind_of
from alexnet.training.progress import clock

_imported = time.time()


def print_recipe(run) -> None:
    """Print the data, the network, the options, the machine and the folder of a run."""
    o = run.options
    plain = {name: None for name in CHANGES} | {"width": 1.0}
    changes = [f"{n} {value}" for n, value in o.changes().items() if value != plain[n]]
    weights = sum(parameter.size for parameter in run.model.parameters())
    place = f", from step {run.step + 1}" if run.step else ""
    stop = f", at most {o.max_steps:,} steps" if o.max_steps else ""
    lines = {
        "data": f"{run.train_set.description}\n{run.val_set.description}",
        "network": f"{o.spec}, {weights:,} parameters, images {o.image_size} x {o.image_size}"
        + "".join(f", {change}" for change in changes),
        "training": f"{o.epochs} epochs of {len(run.batches):,} steps{stop}{place}, batch "
        f"{run.batches.batch_size}, augment {o.augment}\n"
        f"lr {o.lr:g} ({o.schedule}), momentum {o.momentum:g}, weight decay {o.weight_decay:g} "
        f"(rule {o.rule})",
        "machine": f"backend {o.backend}, {_computation(o)}, workers {o.workers}, seed {o.seed}",
        "run": str(run.folder.path),
    }
    for name, text in lines.items():
        print(f"{name:10}" + text.replace("\n", "\n" + " " * 10), flush=True)


def _computation(o):
    """The threads or the GPU, in words."""
    gpu = tn.gpu.device()
    if gpu is None:
        return f"threads {o.threads or 'all'}"
    recorded = ", steps recorded" if o.cuda_graph else ""
    return f"{gpu.name}, {o.precision}{recorded}"


def print_end(run, drawn: bool) -> None:
    """Print the files of the run, commands to try next, the best accuracy, and the total time.

    drawn  whether curves.png was drawn
    """
    folder, o = run.folder, run.options
    files = "log.jsonl, last.npz, best.npz" + (", curves.png" if drawn else "")
    print(f"written to {folder.path}: {files}")
    if not drawn:
        print("  (pip install matplotlib, and a run also draws its curves)")
    print("what to try next:")
    for command, why in _next_commands(run):
        print(f"  {command}\n      {why}")
    best = f"best validation top-1 {run.best['top1']:.1%} (epoch {run.best['epoch']}/{o.epochs})"
    print(f"{best}; total time since python started {clock(seconds_since_start())}")


def _next_commands(run):
    o, quote = run.options, shlex.quote
    best = quote(str(run.folder.best))
    if run.epoch < o.epochs:
        again = f"python -m alexnet.train --resume {quote(str(run.folder.path))}"
        yield again, f"go on to the end of epoch {o.epochs}"
    kind = kind_of(o.data)
    if kind == "folder":
        yield f"python -m alexnet.evaluate {best}", "accuracy of each class"
        image = quote(run.val_set.paths[0])
    else:
        yield f"python -m alexnet.evaluate {best} --split test", "on images not used so far"
        image = "IMAGE.jpg"
    yield f"python -m alexnet.predict {best} {image}", "what it sees in an image file"
    if run.epoch == o.epochs:
        longer = replace(o, epochs=2 * o.epochs)
        yield (
            f"python -m alexnet.train {flags_of(longer, len(run.train_set))}",
            "the same for longer",
        )
    if kind == "synthetic":
        yield "python -m alexnet.train FOLDER", "your own images: FOLDER/<class>/*.jpg"


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
