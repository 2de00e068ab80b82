"""The flags of alexnet.explain."""

import argparse

from alexnet.cli import flags


def parser() -> argparse.ArgumentParser:
    """The command's parser."""
    parser = argparse.ArgumentParser(
        prog="python -m alexnet.explain",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Explain one number of a network: what its layer read, the products and their "
        "sum, the pixels that it\nsaw, what every backend makes of it, and which is nearest to the "
        "exact number.",
        epilog="examples:\n"
        "  python -m alexnet.explain runs/first cat.jpg --layer conv2\n"
        "  python -m alexnet.explain runs/first cat.jpg --layer conv2 --at 17,4,9 --backward\n"
        "  python -m alexnet.explain runs/first cat.jpg --layer fc8 --at 3 --html why.html\n"
        "  python -m alexnet.explain runs/first cat.jpg --layer norm1 --step | less",
    )
    flags.add_checkpoint_argument(parser)
    parser.add_argument("image", type=flags.path, metavar="IMAGE", help="an image file")
    parser.add_argument(
        "--layer", type=flags.not_empty, required=True, metavar="NAME",
        help="conv1, norm2, fc6, ..., as alexnet.summary names them",
    )  # fmt: skip
    parser.add_argument(
        "--at", type=place, metavar="CHANNEL,ROW,COLUMN",
        help="which output of the layer, counted from 0; of a fully connected layer its number "
        "(the largest output)",
    )  # fmt: skip
    parser.add_argument(
        "--backward", action="store_true",
        help="add the gradient: how the loss changes with the number, and so with the inputs and "
        "weights behind it",
    )  # fmt: skip
    parser.add_argument(
        "--label", type=flags.not_empty, metavar="CLASS",
        help="of --backward: the loss of this class (the class that the network sees)",
    )  # fmt: skip
    parser.add_argument(
        "--step", action="store_true",
        help="print the numpy kernel of the layer line by line as it runs, with the variables that "
        "each line changes; on a terminal Enter goes on, q Enter ends",
    )  # fmt: skip
    parser.add_argument(
        "--html", type=flags.new_file_ending(".html"), metavar="FILE.html",
        help="write the same as a page, with the photo and the part of it that the number saw",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    flags.add_version_flag(parser)
    flags.add_backend_flags(parser)
    return parser


def place(text: str) -> tuple[int, ...]:
    """17,4,9 as (17, 4, 9)."""
    parts = text.split(",")
    if len(parts) not in (1, 3) or not all(part.strip().isdecimal() for part in parts):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no place; CHANNEL,ROW,COLUMN such as 17,4,9 fits, or the number of a "
            "unit of a fully connected layer"
        )
    return tuple(int(part) for part in parts)
