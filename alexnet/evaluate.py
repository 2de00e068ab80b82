"""python -m alexnet.evaluate CHECKPOINT [DATA]: loss, top-1, top-5, the accuracy of each class, the
classes most often taken for one another, and the images that are most wrong.

Images are read as in the validation of alexnet.train: the shorter side is resized to the stored
size, and the middle is cut out.

Source: top-1 and top-5 as in the paper, section 2, but from the centre crop alone instead of the
ten crops of section 4.1.
"""

import argparse
import json
import math
import shlex
import sys

import numpy as np
from rich import box
from rich.table import Table

from alexnet.cli import ending, flags
from alexnet.cli.console import plain_console
from alexnet.cli.machine import use_machine
from alexnet.data import SPLITS, open_dataset
from alexnet.data.loader import Loader
from alexnet.data.names import printable
from alexnet.data.prefetch import prefetch
from alexnet.data.words import shown, words_for
from alexnet.errors import DataError, UsageError
from alexnet.evaluation.metrics import Metrics, evaluate, top_k
from alexnet.evaluation.mistakes import confusion, most_confused, most_wrong
from alexnet.training.saved import saved_options
from alexnet.weights import checkpoint

CONFUSIONS = 10  # pairs of classes that are listed
ROWS, LOWEST = 100, 20  # of more than ROWS classes the table shows the LOWEST


def main(argv=None) -> int:
    """The command; returns its exit code (alexnet/cli/ending.py)."""
    return ending.run(lambda: _command(_parser().parse_args(argv)), "alexnet.evaluate")


def _command(args):
    use_machine(args.backend, args.threads, args.precision, args.json)
    saved = checkpoint.load(args.checkpoint)
    source, seed, skip = _data_of_run(saved)
    if args.data is None and source is None:
        raise UsageError(
            f"{printable(saved.path)} was converted, not trained here, so it tells no data; give "
            "DATA after it"
        )
    source = args.data or source
    skip = skip if args.skip_bad_images is None else args.skip_bad_images
    data = open_dataset(source, args.split, seed=seed, skip_bad_images=skip)
    _need_same_classes(saved, data)
    words = words_for(args.words, source, saved.classes, saved.words)
    loader = Loader(
        data, args.batch_size, saved.build["image_size"], workers=args.workers,
        stored_size=saved.stored_size,
    )  # fmt: skip
    model = saved.make_model()
    batches = prefetch(loader, saved.normalization, len(saved.classes)).epoch(0)
    metrics = evaluate(model, batches, len(saved.classes), each_image=True)
    if not math.isfinite(metrics.loss):
        raise DataError(f"checkpoint {printable(saved.path)}: the loss is {metrics.loss}")
    show = _print_json if args.json else _print_table
    show(args, data, saved.classes, words, metrics)
    if not args.json and args.split == "val" and _has_test(source):
        command = shlex.join(["python", "-m", "alexnet.evaluate", *_arguments(args)])
        print(f"images that took no part in the training: {command} --split test")
    return 0


def _data_of_run(saved):
    """(DATA, seed, images to skip) of the run that trained the network; of a converted network
    (None, 0, 0)."""
    if saved.origin and not saved.options:
        return None, 0, 0
    trained = saved_options(saved)
    return trained.data, trained.seed, trained.skip_bad_images


def _need_same_classes(saved, data):
    classes = saved.classes
    if classes == data.classes:
        return
    new = [printable(name) for name in data.classes if name not in classes]
    lost = [printable(name) for name in classes if name not in data.classes]
    raise DataError(
        f"the network of {printable(saved.path)} tells {len(classes)} classes apart, "
        f"{printable(data.description)} has {len(data.classes)}; "
        f"only in the data: {', '.join(new[:5]) or 'none'}; "
        f"only in the network: {', '.join(lost[:5]) or 'none'}; give data of the same classes"
        + (", or convert the network with --class-names" if saved.origin else "")
    )


def _has_test(source):
    try:
        return len(open_dataset(source, "test")) > 0
    except (DataError, OSError):
        return False


def _arguments(args):
    return [args.checkpoint] + ([args.data] if args.data else [])


def _print_json(args, data, classes, words, metrics: Metrics):
    rows = zip(classes, metrics.images.tolist(), metrics.correct.tolist(), strict=True)
    matrix = confusion(data.labels, metrics.predicted, len(classes))
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
            | ({"name": words[name]} if name in words else {})
            for name, images, correct in rows
        },
        "confusion": {
            name: {classes[j]: int(row[j]) for j in np.flatnonzero(row)}
            for name, row in zip(classes, matrix, strict=True)
        },
        "wrong": [
            {"image": image, "class": true, "predicted": predicted, "probability": p}
            for image, true, predicted, p in _wrong(args, data, classes, metrics)
        ],
    }
    print(json.dumps(record, indent=1))


def _wrong(args, data, classes, metrics):
    """(path or index, class, predicted class, probability) of the most wrong images."""
    labels, predicted = data.labels, metrics.predicted
    for index in most_wrong(labels, predicted, metrics.confidence, args.wrong):
        image = data.paths[index] if hasattr(data, "paths") else index
        confidence = float(metrics.confidence[index])
        yield image, classes[labels[index]], classes[predicted[index]], confidence


def _print_table(args, data, classes, words, metrics: Metrics):
    print(printable(data.description))
    _print_classes(classes, words, metrics)
    matrix = confusion(data.labels, metrics.predicted, len(classes))
    pairs = most_confused(matrix, CONFUSIONS)
    if pairs:
        print("most often taken for another class (class -> predicted: images):")
    for i, j, count in pairs:
        true, predicted = shown(classes[i], words), shown(classes[j], words)
        print(f"  {true} -> {predicted}: {count:,} of {metrics.images[i]:,}")
    if args.wrong:
        print("most wrong (probability of the wrong class, class -> predicted, image):")
    for image, true, predicted, p in _wrong(args, data, classes, metrics):
        print(f"  {p:7.2%}  {shown(true, words)} -> {shown(predicted, words)}  {printable(image)}")
    print(
        f"loss {metrics.loss:.4f}  top-1 {metrics.top1:.2%}  "
        f"top-{top_k(len(classes))} {metrics.top5:.2%}  on {len(data):,} images ({args.split})"
    )


def _print_classes(classes, words, metrics):
    """The table of classes; of more than ROWS classes, of the LOWEST by top-1."""
    rows = list(zip(classes, metrics.images.tolist(), metrics.correct.tolist(), strict=True))
    if len(rows) > ROWS:
        print(f"the {LOWEST} of {len(rows):,} classes with the lowest top-1 (--json lists all):")
        rows = sorted(rows, key=lambda row: row[2] / row[1] if row[1] else 1)[:LOWEST]
    table = Table("class", box=box.SIMPLE, padding=(0, 1))
    for heading in ("images", "correct", "top-1"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, images, correct in rows:
        share = f"{correct / images:.1%}" if images else ""
        table.add_row(shown(name, words), f"{images:,}", f"{correct:,}", share)
    plain_console().print(table)


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m alexnet.evaluate",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Measure a trained network on images that it was not trained on: the loss, "
        "top-1, top-5, the\naccuracy of each class, and the classes that it takes for one another.",
        epilog="examples:\n"
        "  python -m alexnet.evaluate runs/first\n"
        "  python -m alexnet.evaluate runs/first/best.npz --split test --wrong 20\n"
        "  python -m alexnet.evaluate runs/first/best.npz photos --split test --json\n"
        "  python -m alexnet.evaluate runs/wnids/best.npz --words words.txt",
    )
    flags.add_checkpoint_argument(parser)
    parser.add_argument(
        "data", nargs="?", type=flags.data, metavar="DATA",
        help="synthetic, cifar10:FOLDER, FOLDER (as in the run)",
    )  # fmt: skip
    parser.add_argument("--split", choices=SPLITS, default="val", help="(val)")
    parser.add_argument(
        "--wrong", type=flags.count_or_zero, default=0, metavar="N",
        help="list the N images that the network is most wrongly sure of (0)",
    )  # fmt: skip
    flags.add_words_flag(parser)
    parser.add_argument(
        "--json", action="store_true",
        help="print one JSON object; its confusion[a][b] counts images of class a taken for b",
    )  # fmt: skip
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


if __name__ == "__main__":
    sys.exit(main())
