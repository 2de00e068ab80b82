"""The flags of alexnet.train, and its help."""

import argparse

from alexnet import diagnosis, options, recipes
from alexnet.schedules import SCHEDULES

_EXAMPLES = """examples:
  python -m alexnet.train
  python -m alexnet.train cifar10:cifar-10-batches-bin --epochs 10
  python -m alexnet.train photos --image-size 131 --init he --lr 0.02 --batch-size 64
  python -m alexnet.train photos --norm batch --dropout 0.3 --out runs/batch-norm
  python -m alexnet.train --resume runs/batch-norm --epochs 120
  python -m alexnet.train photos --backend cupy --capture --precision tf32

Ctrl-C finishes the batch and saves. Exit codes: 0 done, 2 usage, 3 data, 4 backend not usable,
5 loss not finite, 6 disk, 130 interrupted."""


def parser() -> argparse.ArgumentParser:
    """That of the command. A flag that is not given is None."""
    flags = argparse.ArgumentParser(
        prog="python -m alexnet.train",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Train an AlexNet. Without any argument: the paper's network on images that "
        "the program draws\nitself, in a few minutes.",
        epilog=f"{recipes.table()}\n\n{_EXAMPLES}",
    )
    group = flags.add_argument_group("data")
    group.add_argument(
        "data",
        nargs="?",
        metavar="DATA",
        help="synthetic (the default): drawn by the program. cifar10:FOLDER: the unpacked CIFAR-10 "
        "files. FOLDER: train/<class>/* and val/<class>/*, or <class>/* alone, of which a tenth "
        "becomes validation",
    )
    group.add_argument(
        "--augment", choices=("none", "crop"), help="crop: random crops and mirrors (by data)"
    )
    group.add_argument(
        "--skip-bad-images", type=options.count_or_none, metavar="N",
        help="leave out up to N broken files (0)",
    )  # fmt: skip
    group = flags.add_argument_group("network")
    options.add_network_flags(group)
    group = flags.add_argument_group("training")
    group.add_argument("--batch-size", type=options.count, metavar="N", help="images (by data)")
    group.add_argument("--epochs", type=options.count, metavar="N", help="(by data)")
    group.add_argument(
        "--max-steps", type=options.count, metavar="N",
        help="stop after so many steps in all; the schedule still follows --epochs (no limit)",
    )  # fmt: skip
    group.add_argument("--lr", type=options.positive, metavar="R", help="learning rate (by data)")
    group.add_argument(
        "--schedule", choices=SCHEDULES,
        help="of the rate. step: / 10 after each third. plateau: / 10 when validation stops "
        "getting better. cosine: down to 0. constant (by data)",
    )  # fmt: skip
    group.add_argument(
        "--momentum", type=options.share, metavar="M", help=f"({recipes.MOMENTUM:g})"
    )
    group.add_argument(
        "--weight-decay", type=options.not_negative, metavar="D", help=f"({recipes.WEIGHT_DECAY:g})"
    )
    group.add_argument(
        "--rule", choices=("paper", "pytorch"),
        help="paper: the rate is in the velocity. pytorch: it scales the velocity. They differ "
        f"once the rate changes ({recipes.RULE})",
    )  # fmt: skip
    group.add_argument(
        "--dead-start-steps", type=options.count, metavar="N",
        help="say so if the loss is still at ln(classes), that of guessing, after N steps "
        f"({diagnosis.STEPS})",
    )  # fmt: skip
    group.add_argument(
        "--seed", type=options.seed, metavar="N",
        help="of weights, order, crops, dropout and synthetic images (0)",
    )  # fmt: skip
    group = flags.add_argument_group("machine")
    options.add_machine_flags(group)
    options.add_precision_flag(group)
    group.add_argument(
        "--capture", action=argparse.BooleanOptionalAction,
        help="on a GPU: record the step once as a CUDA graph and launch it whole, which spares the "
        "processor queueing its kernels one by one; the same bits",
    )  # fmt: skip
    group = flags.add_argument_group("run")
    group.add_argument("--out", metavar="FOLDER", help="a new folder (runs/<spec>-<data>-<date>)")
    group.add_argument(
        "--resume", metavar="RUN",
        help="go on with a run, given by its folder or last.npz; it becomes the run that was "
        "never broken off",
    )  # fmt: skip
    return flags
