"""The flags of alexnet.study, and its help."""

import argparse

from alexnet.cli import flags

SEEDS = 3
FOLDER = "runs/studies"


def study_parser(names) -> argparse.ArgumentParser:
    """The parser of the command. names: of the claims, in the order in which `all` tries them."""
    parser = argparse.ArgumentParser(
        prog="python -m alexnet.study",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Try a claim about AlexNet: small networks that differ in one thing are "
        "trained with several seeds,\nand a table compares them with each other and with the "
        "published figure. Without a name: what there is.",
        epilog="examples:\n"
        "  python -m alexnet.study\n"
        "  python -m alexnet.study lrn cifar10:cifar-10-batches-bin\n"
        "  python -m alexnet.study relu-vs-tanh cifar10:cifar-10-batches-bin --seeds 5\n"
        "  python -m alexnet.study all cifar10:cifar-10-batches-bin --hours 8\n"
        "\nTrainings that are complete are kept in --out: the same command goes on where it "
        "stopped, and one with\nmore seeds trains only those.",
    )
    parser.add_argument(
        "name", nargs="?", choices=[*names, "all"], metavar="NAME",
        help=f"{', '.join(names)}, or all of them",
    )  # fmt: skip
    parser.add_argument(
        "data", nargs="?", type=flags.data, default="synthetic", metavar="DATA",
        help="as for alexnet.train; the claims are about photos, such as cifar10:FOLDER, the "
        "unpacked CIFAR-10 files (synthetic: images that the program draws)",
    )  # fmt: skip
    parser.add_argument(
        "--seeds", type=flags.count, default=SEEDS, metavar="N",
        help=f"trainings of each arm, with the seeds 0 to N - 1; a spread needs two ({SEEDS})",
    )  # fmt: skip
    parser.add_argument(
        "--epochs", type=flags.count, metavar="N", help="of each training (by claim)"
    )
    parser.add_argument(
        "--hours", type=flags.positive, metavar="H",
        help="stop after so many hours, within a training too, which is saved; pre-training is "
        "finished first (no limit)",
    )  # fmt: skip
    parser.add_argument(
        "--dry-run", action="store_true", help="print the commands of the trainings, train nothing"
    )
    group = parser.add_argument_group("machine")
    flags.add_machine_flags(group)
    parser.add_argument(
        "--out", type=flags.path, default=FOLDER, metavar="FOLDER",
        help="for the trainings, NAME.json and NAME.png of each claim (%(default)s)",
    )  # fmt: skip
    flags.add_version_flag(parser)
    return parser
