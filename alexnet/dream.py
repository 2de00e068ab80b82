"""python -m alexnet.dream CHECKPOINT --out FILE.png: images that units of a network answer to.

A square for each unit: of the last layer the classes, of any other layer its maps or units
(inside/dream.py). The images start as noise, climb the gradient, and are blurred on the way.
"""

import argparse
import sys

import numpy as np

from alexnet.cli import ending, flags
from alexnet.cli.counting import counted
from alexnet.cli.machine import use_machine
from alexnet.cli.output_file import keep_inputs, written_whole
from alexnet.data.names import printable
from alexnet.errors import DataError, NotFinite, UsageError
from alexnet.inside.dream import dream
from alexnet.pictures.sheet import draw_sheet
from alexnet.weights import checkpoint

MOST, ACROSS = 64, 4  # units of a sheet, squares of a row


def main(argv=None) -> int:
    """The command; returns its exit code (alexnet/cli/ending.py)."""
    return ending.run(lambda: _command(_parser().parse_args(argv)), "alexnet.dream")


def _command(args):
    use_machine(args.backend, args.threads)
    saved = checkpoint.load(args.checkpoint)
    keep_inputs(args.out, [saved.path])
    model = saved.make_model()
    layer = args.layer or list(model)[-1][0]
    units = _units(args, saved, layer)
    size = saved.build["image_size"]
    black, white = (
        saved.normalization(np.full((1, 3, size, size), level, np.uint8)) for level in (0, 255)
    )
    squares = []
    for unit, name in units:
        steps = dream(
            model, layer, unit, black.shape, black, white, steps=args.steps, seed=args.seed
        )
        try:
            *_, (image, score) = counted(steps, args.steps, f"{layer} {name}, steps")
        except NotFinite as error:
            raise DataError(f"checkpoint {printable(saved.path)}: {error}") from error
        share = (image - black) / (white - black)
        pixels = np.rint(255 * share[0].transpose(1, 2, 0)).clip(0, 255).astype(np.uint8)
        squares.append(pixels)
        print(f"{printable(name)}: {score:.4g}", flush=True)
    rows = [squares[first : first + ACROSS] for first in range(0, len(squares), ACROSS)]
    picture = draw_sheet([""] * min(ACROSS, len(squares)), rows)
    with written_whole(args.out) as file:
        picture.save(file, format="PNG")
    print(f"{printable(args.out)}: {len(squares)} units of {layer}, row by row in this order")
    return 0


def _units(args, saved, layer):
    """[(unit, its name)]: the layer's units by number, or classes by name."""
    shapes = {each.name: each.outputs for each in saved.layers()}
    if layer not in shapes:
        raise UsageError(
            f"--layer {printable(layer)}: the layers of this network are {', '.join(shapes)}"
        )
    count, last = shapes[layer][0], layer == list(shapes)[-1]
    names = saved.classes if last else [str(unit) for unit in range(count)]
    if not args.units:
        return list(enumerate(names))[:8]
    found = []
    for unit in args.units:
        if unit in names:
            found.append((names.index(unit), unit))
        elif unit.isdecimal() and int(unit) < count:
            found.append((int(unit), names[int(unit)]))
        else:
            what = "a class, or " if last else ""
            raise UsageError(
                f"--units {printable(unit)}: {what}a number below {count} fits {layer}"
            )
    if len(found) > MOST:
        raise UsageError(f"--units: {len(found)} units, a sheet has {MOST} at most")
    return found


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m alexnet.dream",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Draw images that units of a network answer strongly: from noise, up the "
        "gradient (Simonyan,\nVedaldi and Zisserman, 2013), with decay and blur against grain\n"
        "(Yosinski and others, 2015).",
        epilog="examples:\n"
        "  python -m alexnet.dream runs/first --out dreams.png\n"
        "  python -m alexnet.dream runs/first --units tabby goldfish --out two.png\n"
        "  python -m alexnet.dream runs/first --layer conv5 --units 0 1 2 3 --out maps.png",
    )
    flags.add_checkpoint_argument(parser)
    parser.add_argument(
        "--layer", type=flags.not_empty, metavar="NAME",
        help="conv1, relu5, ..., as alexnet.summary names them (the last: classes)",
    )  # fmt: skip
    parser.add_argument(
        "--units", nargs="+", type=flags.not_empty, metavar="UNIT",
        help="classes by name, units and maps by number from 0 (the first 8)",
    )  # fmt: skip
    parser.add_argument("--steps", type=flags.count, default=200, metavar="N", help="(200)")
    parser.add_argument("--seed", type=flags.seed, default=0, metavar="N", help="of noise (0)")
    flags.add_picture_flag(parser)
    flags.add_version_flag(parser)
    flags.add_backend_flags(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
