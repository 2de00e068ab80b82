"""python -m alexnet.pretrain DATA --out FILE.npz: learn the convolutions from images alone.

    for each convolution, from the first to the last:
        for each batch of images:  x = what the finished layers below make of them
                                   x' = what its auto-encoder gives back of x
                                   loss = mean of (x' - x)^2 / variance of x
                                   backward, update

No label is read. FILE holds the whole network: the trained convolutions, and all else as
alexnet.train with the same flags would draw it. alexnet.train DATA --pretrained FILE trains it
further, with labels: pre-training against overfitting, then fine-tuning. training/auto_encoder.py
has the auto-encoder.

Source: docs/facts.md, section 1, the fourth remedy.
"""

import math
import shlex
import sys
import tempfile
from argparse import Namespace
from itertools import islice
from pathlib import Path

import tinynet as tn
from alexnet.cli import ending
from alexnet.cli.counting import counted
from alexnet.cli.open_run import open_run
from alexnet.cli.output_file import keep_images
from alexnet.cli.pretrain_flags import pretrain_parser
from alexnet.cli.train_flags import train_parser
from alexnet.data.names import printable
from alexnet.data.prefetch import prefetch
from alexnet.errors import NotFinite
from alexnet.training import encoder_file, report
from alexnet.training.auto_encoder import AutoEncoder, stages

MOMENTUM = 0.9
MEASURED = 20  # batches that means and variances are measured on


def take_step(auto_encoder, optimizer, x):
    """Forward, loss, backward, update. Returns the loss from before the update. x: the input of the
    convolution, a Tensor (N, C, H, W)."""
    loss = auto_encoder.loss(x)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def train_layer(run, stage) -> None:
    """Train a convolution on what the layers below make of the run's images, and print a line for
    each epoch. Raises NotFinite."""
    images = prefetch(run.batches, run.normalization, len(run.classes), run.colours)

    def measured():
        return (x for x, _ in islice(images.epoch(0), MEASURED))

    auto_encoder = AutoEncoder(
        stage.name, stage.conv, stage.activation, (stage.input(x) for x in measured())
    )
    optimizer = tn.optim.SGD(auto_encoder.groups(), run.options.lr, MOMENTUM)
    steps_left = run.total_steps
    for epoch in range(-(-steps_left // len(run.batches))):
        where, losses = f"{stage.name} epoch {epoch + 1}/{run.options.epochs}", []
        steps = min(len(run.batches), steps_left)
        batches = counted(islice(images.epoch(epoch), steps), steps, f"{where}, batches")
        for x, _ in batches:
            losses.append(take_step(auto_encoder, optimizer, stage.input(x)))
            if not math.isfinite(losses[-1]):
                raise NotFinite(
                    f"the loss of {stage.name} in step {len(losses)} of epoch {epoch + 1} is "
                    f"{losses[-1]}; try a smaller rate, --lr {run.options.lr / 10:g}"
                )
        steps_left -= steps
        loss = sum(losses) / steps
        print(
            f"{where}: mean squared error {loss * auto_encoder.variance:.4g}, explains "
            f"{1 - loss:.1%} of the variance of its input, in the last batch {1 - losses[-1]:.1%}",
            flush=True,
        )
    stage.settle_norms(measured())


# --- the command ----------------------------------------------------------------------------------


def main(argv=None) -> int:
    """The command; returns its exit code (alexnet/cli/ending.py)."""
    return ending.run(lambda: _command(pretrain_parser().parse_args(argv)), "alexnet.pretrain")


def _command(args):
    plain = vars(train_parser().parse_args([]))
    with tempfile.TemporaryDirectory() as folder:  # a Run wants one; nothing is written there
        with open_run(Namespace(**plain | vars(args) | {"out": f"{folder}/run"})) as run:
            keep_images(args.out, run.train_set)
            report.print_recipe(run, leave_out=("training", "run"))
            run.choose_inputs()
            _pretrain(run, Path(args.out))
    words = [run.options.data, "--pretrained", args.out]
    words += ["--seed", str(run.options.seed)] if run.options.seed else []
    print(f"what to try next:\n  python -m alexnet.train {printable(shlex.join(words))}")
    return 0


def _pretrain(run, path):
    """Train every convolution and write the file. What is finished is kept beside it, so that a
    command that was stopped goes on with the next convolution."""
    every, done = stages(run.model.eval()), encoder_file.go_on(run, path)
    print(
        f"layers    {', '.join(stage.name for stage in every)}, each {run.total_steps:,} steps, "
        f"{len(run.batches):,} an epoch, batch {run.batches.batch_size}, lr {run.options.lr:g}, "
        f"momentum {MOMENTUM:g}",
        flush=True,
    )
    for number, stage in enumerate(every[done:], start=done + 1):
        try:
            train_layer(run, stage)
        except KeyboardInterrupt:
            kept = "the layers before it are kept: the same command goes on after them"
            ending.say(
                f"alexnet.pretrain: stopped in {stage.name}; {printable(path)} is not written"
                + (f", {kept}" if number > 1 else "")
            )
            raise
        if number < len(every):
            encoder_file.keep(run, path, number)
    encoder_file.write(run, path)
    print(f"written to {printable(path)}")


if __name__ == "__main__":
    sys.exit(main())
