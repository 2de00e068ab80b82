"""alexnet.train --lr-find: sweep the rate, show the curve, suggest a rate. It makes no run."""

import argparse
import shlex
import tempfile
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace

import tinynet as tn
from alexnet.cli import flags
from alexnet.cli.counting import counted
from alexnet.cli.open_run import open_run
from alexnet.cli.output_file import keep_images, written_whole
from alexnet.data.names import printable
from alexnet.errors import UsageError
from alexnet.pictures.predictions import need_matplotlib
from alexnet.training import rate_finder, report
from alexnet.training.features import batches_for
from alexnet.training.options import flags_of

PICTURE = "lr-find.png"


def find_rate(args: Namespace, take_step: Callable) -> int:
    """The command with --lr-find; returns its exit code. Raises UsageError, DataError, NotFinite
    and DiskError.

    args       of train_parser()
    take_step  of train.py
    """
    picture, steps = _picture(args), args.max_steps or rate_finder.STEPS
    if steps < rate_finder.LEAST_STEPS:
        raise UsageError(
            f"--lr-find --max-steps {steps} leaves out too many rates; {rate_finder.LEAST_STEPS} "
            "steps or more fit"
        )
    with tempfile.TemporaryDirectory() as folder:  # a Run wants one; nothing is written there
        with open_run(Namespace(**vars(args) | {"out": f"{folder}/run"})) as run:
            keep_images(picture, run.train_set)
            report.print_recipe(run, leave_out=("training", "run"))
            print(
                f"sweep     {steps} steps of {run.batches.batch_size} images, lr from "
                f"{rate_finder.FIRST:g} to {rate_finder.LAST:g}; no weights are kept",
                flush=True,
            )
            run.choose_inputs()
            training, _ = batches_for(run, iter)
            step = tn.gpu.CudaGraph(take_step) if run.options.cuda_graph else take_step
            taken = rate_finder.sweep(run, step, training, steps)
            found = rate_finder.smooth(list(counted(taken, steps, "steps")), steps)
            _show(found, run, picture)
    return 0


def _picture(args):
    """The file of the picture."""
    if args.resume:
        raise UsageError(
            "--lr-find starts from new weights, --resume goes on with those of a run; to find a "
            f"rate for these, --pretrained {shlex.quote(args.resume)} in place of --resume"
        )
    if args.watch or args.tensorboard:
        raise UsageError("--watch and --tensorboard are about a run, and --lr-find makes none")
    if args.out:
        need_matplotlib()
    try:
        return flags.new_file_ending(".png")(args.out or PICTURE)
    except argparse.ArgumentTypeError as error:
        raise UsageError(f"--lr-find writes its picture to --out: {error}") from error


def _show(found, run, picture):
    print("\n".join(["    rate      loss", *rate_finder.lines(found)]))
    try:
        need_matplotlib()
    except UsageError as error:  # --out was not said
        print(f"({error})")
    else:
        with written_whole(picture) as file:
            rate_finder.draw(found, file)
        print(f"the curve is in {printable(picture)}")
    start, best = found.start(), found.best()
    rate, smallest = found.suggestion(), found.smoothed[best]
    if rate is None:
        print(
            f"no rate to suggest: the loss began at {start:.3f} and fell to {smallest:.3f} at "
            "best; --max-steps takes more steps, --init he has larger first weights"
        )
        return
    print(
        f"suggested rate: {rate:g}, a tenth of {found.rates[best]:.2g}, up to which the smoothed "
        f"loss is smallest ({start:.3f} at the start, {smallest:.3f} there)"
    )
    if found.end == "learned":
        fewer = max(len(found.rates) // 2, rate_finder.LEAST_STEPS)
        print(
            "  the images were learned by heart before a rate was too large, so a larger one may "
            f"do as well; with fewer steps, --max-steps {fewer}, the sweep gets further"
        )
    elif found.end == "last":
        print("  no rate of the sweep was too large, so a larger one may do as well")
    options = replace(run.options, lr=rate, max_steps=None)
    print(f"  python -m alexnet.train {printable(flags_of(options, len(run.train_set)))}")
