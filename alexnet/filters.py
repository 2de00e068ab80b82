"""python -m alexnet.filters CHECKPOINT --out FILE.png: the first convolution's kernels as colours,
as in the paper's figure 3.

pictures/filters.py says how numbers become colours. In a network of two towers the upper half shows
the kernels of GPU 1, the lower half the kernels of GPU 2.
"""

import argparse
import sys
from pathlib import Path

from alexnet import formats
from alexnet.cli import ending, flags
from alexnet.cli.output_file import keep_inputs, written_whole
from alexnet.data.names import printable
from alexnet.errors import DataError
from alexnet.pictures.filters import draw_filters
from alexnet.weights.file_network import FileLayer, FileNetwork, arranged


def main(argv=None) -> int:
    """The command; returns its exit code (alexnet/cli/ending.py)."""
    return ending.run(lambda: _command(_parser().parse_args(argv)), "alexnet.filters")


def _command(args):
    path = Path(args.file)
    keep_inputs(args.out, [path / "best.npz" if path.is_dir() else path])
    layer, towers = first_convolution(formats.read(path), printable(path))
    weight = layer.arrays["weight"]
    picture = draw_filters(weight, towers)
    with written_whole(args.out) as file:
        picture.save(file, format="PNG")
    count, _, height, width = weight.shape
    print(
        f"{printable(args.out)}: {count} kernels of {printable(layer.name)}, {height} x {width} "
        "pixels" + (f", {towers} towers from top to bottom" if towers > 1 else "")
    )
    return 0


def first_convolution(network: FileNetwork, name: str) -> tuple[FileLayer, int]:
    """(the first convolution, for RGB, and the number of its towers).

    name  of the file, for messages
    The towers are the groups of the next convolution: each group sees the kernels of one GPU.
    Raises DataError for a network without a convolution that sees colours.
    """
    convolutions = [layer for layer in arranged(network).layers if layer.kind == "Conv2d"]
    if not convolutions:
        raise DataError(f"{name} holds no convolution, so there are no kernels to draw")
    first, *following = convolutions
    count, depth = first.arrays["weight"].shape[:2]
    if depth != 3:
        raise DataError(
            f"{name}: the kernels of {printable(first.name)} have {depth} input channels; only "
            "kernels that see red, green and blue can be seen as colours"
        )
    seen = following[0].arrays["weight"].shape[1] if following else count
    return first, count // seen if count % seen == 0 else 1


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m alexnet.filters",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Draw the kernels of the first convolution as colour squares, as in the "
        "paper's figure 3. Each\nkernel has its own scale: its mean is grey, its farthest number "
        "black or full.",
        epilog="examples:\n"
        "  python -m alexnet.filters runs/first --out filters.png\n"
        "  python -m alexnet.filters bvlc_alexnet.caffemodel --out filters.png",
    )
    parser.add_argument(
        "file", type=flags.path, metavar="CHECKPOINT",
        help="a run, or any file of weights that alexnet.convert reads",
    )  # fmt: skip
    flags.add_picture_flag(parser)
    flags.add_version_flag(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
