"""The flags of alexnet.pretrain, its help, and its numbers without flags."""

import argparse

from alexnet.cli import flags
from alexnet.data.augment import AUGMENTATIONS
from alexnet.training.run_inputs import MEANS

EPOCHS, RATE = 2, 0.05


def pretrain_parser() -> argparse.ArgumentParser:
    """The parser of the command."""
    parser = argparse.ArgumentParser(
        prog="python -m alexnet.pretrain",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Learn an AlexNet's convolutions from images without labels, each as an "
        "auto-encoder of what the\nlayers below make of the images. alexnet.train --pretrained "
        "FILE.npz then trains the whole network.",
        epilog="examples:\n"
        "  python -m alexnet.pretrain photos --image-size 67 --out encoders.npz\n"
        "  python -m alexnet.train photos --pretrained encoders.npz\n"
        "\nA command that was stopped goes on with the same --out, after the last finished layer.",
    )
    parser.add_argument("data", type=flags.data, metavar="DATA", help="as for alexnet.train")
    parser.add_argument(
        "--out", type=flags.new_file_ending(".npz"), required=True, metavar="FILE.npz",
        help="the network; an older file of this name is replaced",
    )  # fmt: skip
    parser.add_argument(
        "--augment", choices=AUGMENTATIONS, help="of the images, as for alexnet.train (by data)"
    )
    parser.add_argument(
        "--mean", choices=MEANS, help="what is subtracted from images, as there (by spec)"
    )
    parser.add_argument(
        "--skip-bad-images", type=flags.count_or_zero, metavar="N",
        help="leave out up to N broken files (0)",
    )  # fmt: skip
    flags.add_network_flags(parser.add_argument_group("network"))
    group = parser.add_argument_group("training")
    group.add_argument("--batch-size", type=flags.count, metavar="N", help="images (by data)")
    group.add_argument(
        "--epochs", type=flags.count, default=EPOCHS, metavar="N", help=f"of each layer ({EPOCHS})"
    )
    group.add_argument(
        "--max-steps", type=flags.count, metavar="N", help="of each layer, at most (no limit)"
    )
    group.add_argument(
        "--lr", type=flags.positive, default=RATE, metavar="R",
        help=f"learning rate, for weights of He's scale and inputs of variance 1 ({RATE:g})",
    )  # fmt: skip
    group.add_argument(
        "--seed", type=flags.seed, metavar="N", help="of weights, order and crops (0)"
    )
    group = parser.add_argument_group("machine")
    flags.add_machine_flags(group)
    flags.add_precision_flag(group)
    flags.add_version_flag(parser)
    return parser
