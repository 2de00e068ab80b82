"""python -m alexnet.evaluate CHECKPOINT [DATA]: loss, top-1, top-5 and the accuracy of each class.

Images are read as in training's validation: the shorter side resized to the stored size, the middle
cut out. Source: top-1 and top-5 as in the paper, section 1, without its ten crops.
"""

import argparse
import json
import sys

from rich import box
from rich.console import Console
from rich.table import Table

from alexnet import checkpoint, commands, options, recipes
from alexnet.data import SPLITS, DataError, open_dataset
from alexnet.data.feed import feed
from alexnet.data.loader import Loader
from alexnet.scores import Scores, evaluate, top_k


def main(argv=None) -> int:
    """The command; returns its exit code (alexnet/commands.py)."""
    given = _parser().parse_args(argv)
    return commands.run(lambda: _command(given), "alexnet.evaluate")


def _command(given):
    options.use_machine(given.backend, given.threads, given.precision, given.json)
    found = checkpoint.load(given.checkpoint)
    begun, skip = recipes.Options(**found.options), given.skip_bad_images
    data = open_dataset(
        given.data or begun.data, given.split, seed=begun.seed,
        skip_bad_images=begun.skip_bad_images if skip is None else skip,
    )  # fmt: skip
    _need_same_classes(found.classes, data)
    batches = Loader(
        data, given.batch_size, found.build["image_size"], workers=given.workers,
        stored_size=found.stored_size,
    )  # fmt: skip
    model = found.make_model()
    classes = len(found.classes)
    scores = evaluate(model, feed(batches, found.normalization, classes).epoch(0), classes)
    show = _print_json if given.json else _print_table
    show(given, data, found.classes, scores)
    return 0


def _need_same_classes(classes, data):
    if classes == data.classes:
        return
    new = [name for name in data.classes if name not in classes]
    lost = [name for name in classes if name not in data.classes]
    raise DataError(
        f"the network tells {len(classes)} classes apart, {data.description} has "
        f"{len(data.classes)}; only in the data: {', '.join(new[:5]) or 'none'}; only in the "
        f"network: {', '.join(lost[:5]) or 'none'}; give data of the same classes"
    )


def _print_json(given, data, classes, scores: Scores):
    rows = zip(classes, scores.images.tolist(), scores.right.tolist(), strict=True)
    record = {
        "checkpoint": given.checkpoint,
        "data": data.description,
        "split": given.split,
        "images": len(data),
        "loss": scores.loss,
        "top1": scores.top1,
        "top5": scores.top5,
        "classes": {
            name: {"images": images, "top1": right / images if images else None}
            for name, images, right in rows
        },
    }
    print(json.dumps(record, indent=1))


def _print_table(given, data, classes, scores: Scores):
    table = Table("class", box=box.SIMPLE, padding=(0, 1))
    for heading in ("images", "right", "top-1"):
        table.add_column(heading, justify="right")
    for name, images, right in zip(classes, scores.images, scores.right, strict=True):
        table.add_row(name, f"{images:,}", f"{right:,}", f"{right / images:.1%}" if images else "")
    print(data.description)
    Console().print(table)
    print(
        f"loss {scores.loss:.4f}  top-1 {scores.top1:.2%}  "
        f"top-{top_k(len(classes))} {scores.top5:.2%}  on {len(data):,} images ({given.split})"
    )


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m alexnet.evaluate",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="How good a trained network is on images it was not trained on.",
        epilog="examples:\n"
        "  python -m alexnet.evaluate runs/first/best.npz\n"
        "  python -m alexnet.evaluate runs/first/best.npz --split test --json\n"
        "  python -m alexnet.evaluate runs/first/best.npz photos --split val",
    )
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="best.npz or last.npz of a run")
    parser.add_argument(
        "data", nargs="?", metavar="DATA", help="synthetic, cifar10:FOLDER or FOLDER (the run's)"
    )
    parser.add_argument("--split", choices=SPLITS, default="val", help="(val)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--batch-size", type=options.count, default=128, metavar="N", help="(128)")
    parser.add_argument(
        "--skip-bad-images", type=options.count_or_none, metavar="N",
        help="leave out up to N broken files (as the run)",
    )  # fmt: skip
    options.add_machine_flags(parser)
    options.add_precision_flag(parser)
    parser.set_defaults(workers=2)
    return parser


if __name__ == "__main__":
    sys.exit(main())
