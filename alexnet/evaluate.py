"""python -m alexnet.evaluate CHECKPOINT [DATA]: loss, top-1, top-5 and the accuracy of each class.

Images are read as in the validation of alexnet.train: the shorter side is resized to the stored
size, and the middle is cut out.

Source: top-1 and top-5 as in the paper, section 2, but from the centre crop alone instead of the
ten crops of section 4.1.
"""

import argparse
import json
import sys

from rich import box
from rich.console import Console
from rich.table import Table

from alexnet.cli import ending, flags
from alexnet.cli.machine import use_machine
from alexnet.data import SPLITS, open_dataset
from alexnet.data.loader import Loader
from alexnet.data.prefetch import prefetch
from alexnet.errors import DataError
from alexnet.evaluation.metrics import Metrics, evaluate, top_k
from alexnet.training.saved import saved_options
from alexnet.weights import checkpoint


def main(argv=None) -> int:
    """The command; returns its exit code (alexnet/cli/ending.py)."""
    args = _parser().parse_args(argv)
    return ending.run(lambda: _command(args), "alexnet.evaluate")


def _command(args):
    use_machine(args.backend, args.threads, args.precision, args.json)
    saved = checkpoint.load(args.checkpoint)
    trained, skip = saved_options(saved), args.skip_bad_images
    data = open_dataset(
        args.data or trained.data, args.split, seed=trained.seed,
        skip_bad_images=trained.skip_bad_images if skip is None else skip,
    )  # fmt: skip
    _need_same_classes(saved.classes, data)
    loader = Loader(
        data, args.batch_size, saved.build["image_size"], workers=args.workers,
        stored_size=saved.stored_size,
    )  # fmt: skip
    model = saved.make_model()
    batches = prefetch(loader, saved.normalization, len(saved.classes)).epoch(0)
    metrics = evaluate(model, batches, len(saved.classes))
    show = _print_json if args.json else _print_table
    show(args, data, saved.classes, metrics)
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


def _print_json(args, data, classes, metrics: Metrics):
    rows = zip(classes, metrics.images.tolist(), metrics.correct.tolist(), strict=True)
    record = {
        "checkpoint": args.checkpoint,
        "data": data.description,
        "split": args.split,
        "images": len(data),
        "loss": metrics.loss,
        "top1": metrics.top1,
        "top5": metrics.top5,
        "classes": {
            name: {"images": images, "top1": correct / images if images else None}
            for name, images, correct in rows
        },
    }
    print(json.dumps(record, indent=1))


def _print_table(args, data, classes, metrics: Metrics):
    table = Table("class", box=box.SIMPLE, padding=(0, 1))
    for heading in ("images", "correct", "top-1"):
        table.add_column(heading, justify="right")
    for name, images, correct in zip(classes, metrics.images, metrics.correct, strict=True):
        share = f"{correct / images:.1%}" if images else ""
        table.add_row(name, f"{images:,}", f"{correct:,}", share)
    print(data.description)
    Console().print(table)
    print(
        f"loss {metrics.loss:.4f}  top-1 {metrics.top1:.2%}  "
        f"top-{top_k(len(classes))} {metrics.top5:.2%}  on {len(data):,} images ({args.split})"
    )


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m alexnet.evaluate",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Measure a trained network on images that it was not trained on.",
        epilog="examples:\n"
        "  python -m alexnet.evaluate runs/first/best.npz\n"
        "  python -m alexnet.evaluate runs/first/best.npz --split test --json\n"
        "  python -m alexnet.evaluate runs/first/best.npz photos --split val",
    )
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="best.npz or last.npz of a run")
    parser.add_argument(
        "data", nargs="?", metavar="DATA", help="synthetic, cifar10:FOLDER, FOLDER (as in the run)"
    )
    parser.add_argument("--split", choices=SPLITS, default="val", help="(val)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--batch-size", type=flags.count, default=128, metavar="N", help="(128)")
    parser.add_argument(
        "--skip-bad-images", type=flags.count_or_zero, metavar="N",
        help="leave out up to N broken files (as in the run)",
    )  # fmt: skip
    flags.add_machine_flags(parser)
    flags.add_precision_flag(parser)
    parser.set_defaults(workers=2)
    return parser


if __name__ == "__main__":
    sys.exit(main())
