"""python -m alexnet.saliency CHECKPOINT IMAGE... --out FILE.png: which pixels count for a class.

A row for each image: the image, and what each method says (inside/saliency.py). The class is the
one that the network sees, or --label.
"""

import argparse
import sys
from itertools import islice

import numpy as np

from alexnet.cli import ending, flags
from alexnet.cli.checked_trace import checked_trace
from alexnet.cli.image_arguments import Faults, image_paths
from alexnet.cli.machine import use_machine
from alexnet.cli.output_file import keep_inputs, written_whole
from alexnet.data.crops import centre_crop
from alexnet.data.folder import read_image
from alexnet.data.names import printable
from alexnet.errors import DataError, UsageError
from alexnet.evaluation.metrics import log_probabilities
from alexnet.inside.saliency import METHODS
from alexnet.pictures.saliency import light, lit, signed
from alexnet.pictures.sheet import draw_sheet
from alexnet.weights import checkpoint

MOST = 32  # images of a sheet


def main(argv=None) -> int:
    """The command; returns its exit code (alexnet/cli/ending.py)."""
    return ending.run(lambda: _command(_parser().parse_args(argv)), "alexnet.saliency")


def _command(args):
    use_machine(args.backend, args.threads)
    saved = checkpoint.load(args.checkpoint)
    if args.label is not None and args.label not in saved.classes:
        raise UsageError(f"--label {printable(args.label)}: this network knows no such class")
    faults = Faults("alexnet.saliency")
    paths = list(islice(image_paths(args.images, faults), MOST + 1))
    if len(paths) > MOST:
        ending.say(f"alexnet.saliency: the first {MOST} images are drawn")
    keep_inputs(args.out, [saved.path, *paths])
    model, rows = saved.make_model(), []
    for path in paths[:MOST]:
        try:
            photo = centre_crop(
                read_image(path, saved.stored_size)[None], saved.build["image_size"]
            )
        except DataError as error:
            faults.add(path, error)
            continue
        rows.append(_row(path, photo, saved, model, args))
    if rows:
        picture = draw_sheet(["image", *args.method], rows)
        with written_whole(args.out) as file:
            picture.save(file, format="PNG")
        print(f"{printable(args.out)}: {len(rows)} images, {', '.join(args.method)}")
    faults.raise_if_any()
    return 0


def _row(path, photo, saved, model, args):
    """The squares of an image, and a line on stdout: its class and the class's probability."""
    seen = checked_trace(saved, model, photo)
    x, logits = seen.layers[0].x, seen.layers[-1].y
    probabilities = np.exp(log_probabilities(logits))[0]
    label = saved.classes.index(args.label) if args.label else int(np.argmax(probabilities))
    name = printable(saved.classes[label])
    print(f"{printable(path)}: {name} {probabilities[label]:.1%}", flush=True)
    square = photo[0].transpose(1, 2, 0)
    return [square, *(_drawn(method, square, model, x, label) for method in args.method)]


def _drawn(method, photo, model, x, label):
    heat = METHODS[method](model, x, label)
    if method in ("occlusion", "grad-cam"):
        return lit(photo, heat)
    return signed(heat) if method == "integrated" else light(heat)


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m alexnet.saliency",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Draw which pixels of an image count for a class, by six published methods.",
        epilog="methods:\n"
        "  gradient       how fast the class's logit changes with the pixel\n"
        "  guided         the same, where ReLUs pass only positive gradients of positive inputs\n"
        "  deconvolution  the same, where ReLUs pass only positive gradients\n"
        "  occlusion      how far the probability falls where a grey square covers the pixel\n"
        "  grad-cam       the last maps, weighted by what they do for the class\n"
        "  integrated     what the pixel adds on the way from grey to the image: orange for the "
        "class,\n                 blue against it\n\n"
        "examples:\n"
        "  python -m alexnet.saliency runs/first cat.jpg --out cat.png\n"
        "  python -m alexnet.saliency runs/first photos --method grad-cam occlusion --out all.png\n"
        "  python -m alexnet.saliency runs/first cat.jpg --label dog --out dog.png",
    )
    flags.add_checkpoint_argument(parser)
    parser.add_argument(
        "images", nargs="+", type=flags.path, metavar="IMAGE",
        help=f"image files and folders, {MOST} images at most; - for a list on standard input",
    )  # fmt: skip
    parser.add_argument(
        "--method", nargs="+", choices=METHODS, default=list(METHODS), metavar="NAME",
        help="of the methods below (all)",
    )  # fmt: skip
    parser.add_argument(
        "--label", type=flags.not_empty, metavar="CLASS",
        help="the class (for each image the one that the network sees)",
    )  # fmt: skip
    flags.add_picture_flag(parser)
    flags.add_version_flag(parser)
    flags.add_backend_flags(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
