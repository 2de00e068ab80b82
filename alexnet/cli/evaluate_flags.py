"""The flags of alexnet.evaluate."""

import argparse

from alexnet.cli import flags
from alexnet.cli.ten_crop import add_ten_crop_flag
from alexnet.data import SPLITS

PICTURES = (".png", ".pdf", ".svg")


def parsed(argv: list[str] | None) -> argparse.Namespace:
    """The arguments of a command line. DATA may stand after flags."""
    parser = _parser()
    args, rest = parser.parse_known_intermixed_args(argv)
    if rest:
        parser.error(
            f"unrecognized arguments: {' '.join(rest)} (one CHECKPOINT and one DATA fit; more "
            "networks stand after --with)"
        )
    return args


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m alexnet.evaluate",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Measure a trained network on images that it was not trained on: the loss, "
        "top-1, top-5, the\naccuracy of each class, and the classes that it takes for one another. "
        "--with averages the\npredictions of several networks.",
        epilog="examples:\n"
        "  python -m alexnet.evaluate runs/first\n"
        "  python -m alexnet.evaluate runs/first/best.npz --split test --wrong 20\n"
        "  python -m alexnet.evaluate runs/first/best.npz photos --split test --json\n"
        "  python -m alexnet.evaluate runs/first --ten-crop\n"
        "  python -m alexnet.evaluate runs/seed0 photos --with runs/seed1 runs/seed2\n"
        "  python -m alexnet.evaluate runs/first --confusion confusion.png --csv images.csv\n"
        "  python -m alexnet.evaluate runs/wnids/best.npz --words words.txt",
    )
    flags.add_checkpoint_argument(parser)
    parser.add_argument(
        "data", nargs="?", type=flags.data, metavar="DATA",
        help="synthetic, cifar10:FOLDER, FOLDER (as in the run)",
    )  # fmt: skip
    parser.add_argument("--split", choices=SPLITS, default="val", help="(val)")
    parser.add_argument(
        "--with", dest="others", nargs="+", action="extend", type=flags.path, default=[],
        metavar="CHECKPOINT",
        help="more networks of the same classes: their softmax outputs are averaged with the "
        "first's, as the paper does with five and seven networks. Every network reads the images "
        "as its own training did. Everything up to the next flag is a network; DATA stands before "
        "--with",
    )  # fmt: skip
    add_ten_crop_flag(parser)
    parser.add_argument(
        "--wrong", type=flags.count_or_zero, default=0, metavar="N",
        help="list the N images that the network is most wrongly sure of (0)",
    )  # fmt: skip
    flags.add_words_flag(parser)
    _add_outputs(parser.add_argument_group("output, of the average where there is one"))
    parser.add_argument("--batch-size", type=flags.count, default=128, metavar="N", help="(128)")
    parser.add_argument(
        "--skip-bad-images", type=flags.count_or_zero, metavar="N",
        help="leave out up to N broken files (as in the run)",
    )  # fmt: skip
    flags.add_version_flag(parser)
    flags.add_machine_flags(parser)
    flags.add_precision_flag(parser)
    parser.set_defaults(workers=2)
    return parser


def _add_outputs(group):
    group.add_argument(
        "--json", action="store_true",
        help="print one JSON object; its confusion[a][b] counts images of class a taken for b, its "
        "results are the single networks and crops",
    )  # fmt: skip
    group.add_argument(
        "--csv", type=flags.new_file_ending(".csv"), metavar="FILE.csv",
        help="write a line for each image: image (its path or index), class, predicted, "
        "probability, rank (the place of its class, 1 if the network is right), and the other "
        "classes of the top five with their probabilities",
    )  # fmt: skip
    group.add_argument(
        "--confusion", type=flags.new_file_ending(*PICTURES, ".csv"), metavar="FILE",
        help="write which classes are taken for which: .png, .pdf or .svg is a picture, .csv a "
        "table. A row is a class, a column a predicted class",
    )  # fmt: skip
