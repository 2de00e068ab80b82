"""python -m alexnet.preview DATA --augment alexnet --out FILE.png: what a network gets of a photo.

A row of the sheet is a photo, as it is stored, and the squares that a training with these flags
makes of it in its first epochs. The mean is not subtracted and nothing is divided, so the squares
look like photos. The change of colour is the real one; what it moves beyond 0 or 255 is cut off.
"""

import argparse
import sys

import numpy as np

from alexnet.cli import ending, flags
from alexnet.cli.output_file import keep_images, written_whole
from alexnet.data import SPLITS, open_dataset
from alexnet.data.augment import AUGMENTATIONS
from alexnet.data.crops import add_border, crop
from alexnet.data.loader import Loader, read_batch
from alexnet.data.names import printable
from alexnet.data.pixel_sums import sums_of
from alexnet.data.principal_colours import PrincipalColours
from alexnet.errors import UsageError
from alexnet.network.specs import SPECS, find_spec
from alexnet.pictures.sheet import MOST_PIXELS, draw_sheet, magnification
from alexnet.training.options import kind_of
from alexnet.training.recipes import RECIPES

LIMIT = 1_000  # images whose colours are measured; a training measures more


def main(argv=None) -> int:
    """The command; returns its exit code (alexnet/cli/ending.py)."""
    return ending.run(lambda: _command(_parser().parse_args(argv)), "alexnet.preview")


def _command(args):
    recipe = RECIPES[kind_of(args.data)]
    row = find_spec(args.spec or recipe.spec)
    size = args.image_size or (not args.spec and recipe.image_size) or row.image_size
    dataset = open_dataset(args.data, args.split, seed=args.seed)
    keep_images(args.out, dataset)
    images = min(args.images, len(dataset))
    loader = Loader(dataset, 1, size, augment=args.augment, seed=args.seed, workers=0)
    _need_room(images, args.epochs, loader)
    colours = _colours(args, loader, row)
    places = [number * len(dataset) // images for number in range(images)]
    rows = [_row(loader, place, args.epochs, colours) for place in places]
    picture = draw_sheet(["stored", *(f"epoch {n + 1}" for n in range(args.epochs))], rows)
    with written_whole(args.out) as file:
        picture.save(file, format="PNG")
    print(
        f"{printable(args.out)}: {len(rows)} images of {printable(dataset.description)}, stored at "
        f"{loader.stored_size} x {loader.stored_size}, and what a network of {size} x {size} gets "
        f"of each in {args.epochs} epochs with --augment {args.augment}"
    )
    return 0


def _need_room(images, epochs, loader):
    side = loader.stored_size + 2 * loader.border
    pixels = images * (epochs + 1) * (side * magnification(side)) ** 2
    if pixels > MOST_PIXELS:
        raise UsageError(
            f"{images} images in {epochs} epochs make a sheet of {pixels:,} pixels, "
            f"{MOST_PIXELS:,} fit; say fewer --images or --epochs"
        )


def _colours(args, loader, row):
    """The change of colour, measured on the data; None if the augmentation has none."""
    if args.augment != "alexnet":
        return None
    print("measuring the pixels of the images ...", flush=True)
    sums = sums_of(loader.dataset, loader.stored_size, limit=LIMIT)
    return PrincipalColours.of(sums.covariance, row.input.colour_divisor)


def _row(loader, place, epochs, colours):
    """[the stored image, what the network gets in each epoch], each uint8 (S, S, 3)."""
    stored = read_batch(loader.dataset, np.array([place]), loader.stored_size)
    stored = add_border(stored, loader.border)
    squares = []
    for epoch in range(epochs):
        draws = loader.draws(epoch)[[place]]
        square = crop(stored, draws, loader.image_size)[0].transpose(1, 2, 0)
        if colours:
            square = np.rint(square + colours.shifts(draws.normals)).clip(0, 255).astype(np.uint8)
        squares.append(square)
    return [stored[0], *squares]


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m alexnet.preview",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Draw a sheet of images, and what a network gets of each in the first epochs "
        "of a training with\nthe same --augment, --seed and size.",
        epilog="examples:\n"
        "  python -m alexnet.preview photos --augment alexnet --out sheet.png\n"
        "  python -m alexnet.preview cifar10:cifar-10-batches-bin --augment crop --out sheet.png",
    )
    parser.add_argument(
        "data", type=flags.data, metavar="DATA", help="synthetic, cifar10:FOLDER or FOLDER"
    )
    flags.add_picture_flag(parser)
    parser.add_argument("--augment", choices=AUGMENTATIONS, default="alexnet", help="(alexnet)")
    parser.add_argument("--split", choices=SPLITS, default="train", help="(train)")
    parser.add_argument("--spec", choices=SPECS, help="the network (by data)")
    parser.add_argument(
        "--image-size", type=flags.image_size, metavar="N", help="of the network (by data, by spec)"
    )
    parser.add_argument(
        "--images", type=flags.count, default=6, metavar="N",
        help="rows of the sheet, evenly spaced over the data (6)",
    )  # fmt: skip
    parser.add_argument("--epochs", type=flags.count, default=6, metavar="N", help="(6)")
    parser.add_argument("--seed", type=flags.seed, default=0, metavar="N", help="of the draws (0)")
    flags.add_version_flag(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
