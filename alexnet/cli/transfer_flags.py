"""The flags of alexnet.transfer, its help, and the numbers of its methods without flags."""

import argparse

from alexnet.cli import flags

METHODS = ("scratch", "fine-tuning", "features")
EPOCHS = {"scratch": 6, "fine-tuning": 5, "features": 8}  # each in ten minutes on two slow cores
RATE, PRETRAINED_SCALE, BATCH = 0.01, 0.1, 32


def transfer_parser() -> argparse.ArgumentParser:
    """The parser of the command."""
    parser = argparse.ArgumentParser(
        prog="python -m alexnet.transfer",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Train three times on the same photos: from scratch, by fine-tuning the "
        "layers of FILE, and on the\nfeatures that these layers compute. A table and a picture "
        "compare time, memory and accuracy.",
        epilog="examples:\n"
        "  python -m alexnet.transfer photos --pretrained alexnet-owt-7be5be79.pth\n"
        "  python -m alexnet.transfer photos --pretrained runs/first --methods features\n"
        "  python -m alexnet.transfer photos --pretrained trunk.npz --spec torchvision\n"
        "\nA command that was interrupted goes on with the same --out.",
    )
    parser.add_argument(
        "data", type=flags.data, metavar="DATA",
        help="as for alexnet.train: FOLDER with train/<class>/*, val/<class>/* and, for the last "
        "column, test/<class>/*",
    )  # fmt: skip
    parser.add_argument(
        "--skip-bad-images", type=flags.count_or_zero, metavar="N",
        help="leave out up to N broken files of each split (0)",
    )  # fmt: skip
    parser.add_argument(
        "--pretrained", type=flags.path, metavar="FILE", required=True,
        help="the weights: a run, or any file that alexnet.convert reads",
    )  # fmt: skip
    parser.add_argument(
        "--methods", nargs="+", choices=METHODS, default=METHODS, help="(all three)"
    )
    group = parser.add_argument_group("network (as in FILE)")
    flags.add_network_flags(group)
    group = parser.add_argument_group("training")
    epochs = ", ".join(f"{name} {count}" for name, count in EPOCHS.items())
    group.add_argument(
        "--epochs", type=flags.count, metavar="N", help=f"of every method ({epochs})"
    )
    group.add_argument(
        "--lr", type=flags.positive, default=RATE, metavar="R",
        help=f"learning rate; fine-tuning multiplies it by {PRETRAINED_SCALE:g} for the layers of "
        f"FILE ({RATE:g})",
    )  # fmt: skip
    group.add_argument(
        "--batch-size", type=flags.count, default=BATCH, metavar="N", help=f"images ({BATCH})"
    )
    group.add_argument("--seed", type=flags.seed, default=0, metavar="N", help="(0)")
    group = parser.add_argument_group("machine")
    flags.add_machine_flags(group)
    parser.add_argument(
        "--out", type=flags.path, metavar="FOLDER",
        help="a folder for the runs of the methods (runs/transfer-<data>-<date>)",
    )  # fmt: skip
    flags.add_version_flag(parser)
    return parser
