"""python -m alexnet.predict CHECKPOINT IMAGE...: the most probable classes of image files.

    probabilities = softmax(model((image - mean) / divisor))

An image is read as in evaluation: the shorter side resized, the middle cut out. Source: softmax,
the paper, section 3.5.
"""

import argparse
import json
import sys

import numpy as np

import tinynet as tn
from alexnet import checkpoint, commands, options
from alexnet.data.folder import read_image
from alexnet.data.transforms import centre_crop
from alexnet.scores import top_k

BATCH = 32


def main(argv=None) -> int:
    """The command; returns its exit code (alexnet/commands.py)."""
    given = _parser().parse_args(argv)
    return commands.run(lambda: _command(given), "alexnet.predict")


def _command(given):
    options.use_machine(given.backend, given.threads, given.precision, given.json)
    found = checkpoint.load(given.checkpoint)
    model = found.make_model()
    count = top_k(len(found.classes), given.topk)
    predictions = []
    for start in range(0, len(given.images), BATCH):
        paths = given.images[start : start + BATCH]
        for path, row in zip(paths, probabilities(model, found, paths), strict=True):
            best = np.argsort(-row, kind="stable")[:count]
            classes = [(found.classes[label], float(row[label])) for label in best]
            predictions.append((path, classes))
    show = _print_json if given.json else _print_text
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


def probabilities(model, found: checkpoint.Checkpoint, paths) -> np.ndarray:
    """float32 (len(paths), classes): of each image file. Raises DataError with the path of one that
    cannot be read."""
    images = np.stack([read_image(path, found.stored_size) for path in paths])
    x = found.normalization(centre_crop(images, found.build["image_size"]))
    with tn.no_grad():
        return tn.softmax(model(tn.Tensor(x))).numpy()


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m alexnet.predict",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="What a trained network sees in image files.",
        epilog="examples:\n"
        "  python -m alexnet.predict runs/first/best.npz cat.jpg\n"
        "  python -m alexnet.predict runs/first/best.npz photos/*.jpg --topk 1 --json",
    )
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="best.npz or last.npz of a run")
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="image files")
    parser.add_argument("--topk", type=options.count, default=5, metavar="K", help="(5)")
    parser.add_argument("--json", action="store_true", help="print one JSON list")
    options.add_backend_flags(parser)
    options.add_precision_flag(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
