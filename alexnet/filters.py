"""python -m alexnet.filters CHECKPOINT --out FILE.png: the first convolution's kernels as colours,
as in the paper's figure 3.

pictures/filters.py says how numbers become colours. In a network of two towers the upper half shows
the kernels of GPU 1, the lower half the kernels of GPU 2.
"""

import argparse
import sys

from alexnet.cli import ending, flags
from alexnet.cli.output_file import keep_inputs, written_whole
from alexnet.data.names import printable
from alexnet.errors import UsageError
from alexnet.network.plan import Layer
from alexnet.pictures.filters import draw_filters
from alexnet.weights import checkpoint
from alexnet.weights.record import check_network


def main(argv=None) -> int:
    """The command; returns its exit code (alexnet/cli/ending.py)."""
    return ending.run(lambda: _command(_parser().parse_args(argv)), "alexnet.filters")


def _command(args):
    saved = checkpoint.load(args.checkpoint)
    keep_inputs(args.out, [saved.path])
    layers = check_network(
        {"build": saved.build, "classes": saved.classes, "stored_size": saved.stored_size}
    )
    layer, towers = chosen_layer(layers, args.layer)
    weight = saved.model[f"{layer.name}.weight"]
    picture = draw_filters(weight, towers)
    with written_whole(args.out) as file:
        picture.save(file, format="PNG")
    count, _, height, width = weight.shape
    print(
        f"{printable(args.out)}: {count} kernels of {layer.name}, {height} x {width} pixels"
        + (f", {towers} towers from top to bottom" if towers > 1 else "")
    )
    return 0


def chosen_layer(layers: list[Layer], name: str | None) -> tuple[Layer, int]:
    """(the convolution of this name, the number of its towers). None: the first convolution.

    Its towers are the groups of the next convolution: each group sees the kernels of one GPU.
    Raises UsageError for a layer that there is not, has no kernels, or has kernels that are no
    colours.
    """
    convolutions = [layer for layer in layers if layer.kind == "Conv2d"]
    names = ", ".join(layer.name for layer in convolutions)
    layer = next((each for each in layers if name in (None, each.name) and _is_conv(each)), None)
    if layer is None:
        kind = next((each.kind for each in layers if each.name == name), None)
        what = f"is a {kind}, which has no kernels" if kind else "is no layer of this network"
        raise UsageError(f"--layer {printable(name)} {what}; its convolutions are {names}")
    depth = layer.arguments["in_channels"] // layer.arguments["groups"]
    if depth != 3:
        raise UsageError(
            f"--layer {layer.name}: its kernels have {depth} input channels, the maps of the layer "
            "before. Only kernels that see red, green and blue can be seen as colours: "
            f"{convolutions[0].name}"
        )
    place = convolutions.index(layer)
    following = convolutions[place + 1 : place + 2]
    return layer, following[0].arguments["groups"] if following else 1


def _is_conv(layer):
    return layer.kind == "Conv2d"


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m alexnet.filters",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Draw the kernels of the first convolution as colour squares, as in the "
        "paper's figure 3. Each\nkernel has its own scale: its mean is grey, its farthest number "
        "black or full.",
        epilog="examples:\n"
        "  python -m alexnet.filters runs/first --out filters.png\n"
        "  python -m alexnet.filters runs/first/last.npz --out filters.png --layer conv1",
    )
    flags.add_checkpoint_argument(parser)
    parser.add_argument(
        "--out", type=flags.new_file_ending(".png"), required=True, metavar="FILE.png",
        help="the picture; an older file of this name is replaced",
    )  # fmt: skip
    parser.add_argument(
        "--layer", type=flags.not_empty, metavar="NAME",
        help="a convolution that sees the image itself (the first one)",
    )  # fmt: skip
    flags.add_version_flag(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
