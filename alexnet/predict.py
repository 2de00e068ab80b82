"""python -m alexnet.predict CHECKPOINT IMAGE...: the most probable classes of image files.

    probabilities = softmax(model((image - mean) / divisor))

Images are read as in alexnet.evaluate: the shorter side is resized to the stored size, and the
middle is cut out.

Source: the paper, section 3.5 (softmax).
"""

import argparse
import json
import sys

import numpy as np

import tinynet as tn
from alexnet.cli import ending, flags
from alexnet.cli.machine import use_machine
from alexnet.data.crops import centre_crop
from alexnet.data.folder import read_image
from alexnet.evaluation.metrics import top_k
from alexnet.weights import checkpoint

BATCH = 32


def main(argv=None) -> int:
    """The command; returns its exit code (alexnet/cli/ending.py)."""
    return ending.run(lambda: _command(_parser().parse_args(argv)), "alexnet.predict")


def _command(args):
    use_machine(args.backend, args.threads, args.precision, args.json)
    saved = checkpoint.load(args.checkpoint)
    model = saved.make_model()
    count = top_k(len(saved.classes), args.topk)
    predictions = []
    for start in range(0, len(args.images), BATCH):
        paths = args.images[start : start + BATCH]
        for path, row in zip(paths, probabilities(model, saved, paths), strict=True):
            best = np.argsort(-row, kind="stable")[:count]
            classes = [(saved.classes[label], float(row[label])) for label in best]
            predictions.append((path, classes))
    show = _print_json if args.json else _print_text
    show(predictions)
    return 0


def _print_json(predictions):
    record = [
        {"image": path, "classes": [{"class": name, "probability": p} for name, p in classes]}
        for path, classes in predictions
    ]
    print(json.dumps(record, indent=1))


def _print_text(predictions):
    for path, classes in predictions:
        print(path)
        for name, p in classes:
            print(f"  {p:7.2%}  {name}")


def probabilities(model, saved: checkpoint.Checkpoint, paths) -> np.ndarray:
    """float32 (len(paths), classes): the probability of each class for each image file. Raises
    DataError with the path of a file that cannot be read."""
    images = np.stack([read_image(path, saved.stored_size) for path in paths])
    x = saved.normalization(centre_crop(images, saved.build["image_size"]))
    with tn.no_grad():
        return tn.softmax(model(tn.Tensor(x))).numpy()


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m alexnet.predict",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Name the most probable classes of image files with a trained network.",
        epilog="examples:\n"
        "  python -m alexnet.predict runs/first/best.npz cat.jpg\n"
        "  python -m alexnet.predict runs/first/best.npz photos/*.jpg --topk 1 --json",
    )
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="best.npz or last.npz of a run")
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="image files")
    parser.add_argument("--topk", type=flags.count, default=5, metavar="K", help="(5)")
    parser.add_argument("--json", action="store_true", help="print one JSON list")
    flags.add_version_flag(parser)
    flags.add_backend_flags(parser)
    flags.add_precision_flag(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
