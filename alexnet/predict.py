"""python -m alexnet.predict CHECKPOINT IMAGE...: the most probable classes of image files.

    probabilities = softmax(model((image - mean) / divisor))

Images are read as in alexnet.evaluate: the shorter side is resized to the stored size, and the
middle is cut out. Answers are printed batch by batch, so that a list of any length takes the memory
of one batch.

Source: the paper, section 3.5 (softmax).
"""

import argparse
import csv
import json
import os
import sys
from collections.abc import Iterator
from itertools import islice

import numpy as np

import tinynet as tn
from alexnet.cli import ending, flags
from alexnet.cli.machine import use_machine
from alexnet.data.crops import centre_crop
from alexnet.data.folder import images_in, read_image
from alexnet.data.names import printable
from alexnet.data.words import shown, words_for
from alexnet.errors import DataError
from alexnet.evaluation.metrics import top_k
from alexnet.weights import checkpoint

BATCH = 32


def main(argv=None) -> int:
    """The command; returns its exit code (alexnet/cli/ending.py)."""
    return ending.run(lambda: _command(_parser().parse_args(argv)), "alexnet.predict")


def _command(args):
    machine_output = args.json or args.csv
    use_machine(args.backend, args.threads, args.precision, machine_output)
    saved = checkpoint.load(args.checkpoint)
    words = words_for(args.words, _data_of(saved), saved.classes, saved.words)
    count = top_k(len(saved.classes), args.topk)
    faults = Faults()
    answers = _answers(saved, args.images, count, faults)
    write = _write_json if args.json else _write_csv if args.csv else _write_text
    write(answers, words, count)
    faults.raise_if_any()
    return 0


def _data_of(saved):
    data = saved.options.get("data")
    return data if isinstance(data, str) else None


class Faults:
    """The paths that could not be answered. Each is named on stderr at once."""

    def __init__(self):
        self.count, self.first = 0, []

    def add(self, path, error) -> None:
        """Say what is wrong with a path."""
        self.count += 1
        if self.count <= 5:
            self.first.append(printable(path))
        ending.say(f"alexnet.predict: {printable(error)}")

    def raise_if_any(self) -> None:
        """Raise DataError if there was a fault."""
        if self.count:
            names = ", ".join(self.first) + (", ..." if self.count > len(self.first) else "")
            what = "one path was" if self.count == 1 else f"{self.count:,} paths were"
            raise DataError(f"{what} not answered, the reason is above: {names}")


# --- images ---------------------------------------------------------------------------------------


def _answers(saved, arguments, count, faults) -> Iterator[tuple[str, list[tuple[str, float]]]]:
    """(path, [(class, probability), ...]) of each image that can be read, most probable first."""
    model, paths = saved.make_model(), _paths(arguments, faults)
    while batch := list(islice(paths, BATCH)):
        readable, images = [], []
        for path in batch:
            try:
                images.append(read_image(path, saved.stored_size))
                readable.append(path)
            except DataError as error:
                faults.add(path, error)
        rows = probabilities(model, saved, images) if images else ()
        for path, row in zip(readable, rows, strict=True):
            best = np.argsort(-row, kind="stable")[:count]
            yield path, [(saved.classes[label], float(row[label])) for label in best]


def _paths(arguments, faults) -> Iterator[str]:
    """The image files of the arguments: files, folders, and "-" for a list on standard input."""
    for argument in arguments:
        if argument == "-":
            yield from _paths(_lines_of_stdin(faults), faults)
        elif os.path.isdir(argument):
            try:
                yield from images_in(argument)
            except DataError as error:
                faults.add(argument, error)
        else:
            yield argument


def _lines_of_stdin(faults):
    if hasattr(sys.stdin, "reconfigure"):  # names of files need not be UTF-8
        sys.stdin.reconfigure(errors="surrogateescape")
    empty = True
    for line in sys.stdin or ():  # Python has no stdin if the shell closed it
        path = line.rstrip("\r\n")
        if empty:  # Windows begins files with a mark
            path = path.removeprefix("\ufeff")
        if "\0" in path:
            faults.add("-", "standard input has a zero byte; it should list paths, one a line")
            return
        if path:
            empty = False
            yield path if path != "-" else "./-"
    if empty:
        faults.add("-", "standard input lists no images")


def probabilities(model, saved: checkpoint.Checkpoint, images: list[np.ndarray]) -> np.ndarray:
    """float32 (len(images), classes): the probability of each class for each image, as read_image
    read it at the stored size. Raises DataError if one is not finite."""
    x = saved.normalization(centre_crop(np.stack(images), saved.build["image_size"]))
    with tn.no_grad(), np.errstate(over="ignore", invalid="ignore"):
        rows = tn.softmax(model(tn.Tensor(x))).numpy()
    if not np.isfinite(rows).all():
        raise DataError(f"checkpoint {printable(saved.path)}: its outputs are not finite")
    return rows


# --- printing -------------------------------------------------------------------------------------


def _write_json(answers, words, count):
    """One list; ends as valid JSON, whichever images could not be read."""
    before = "["
    for path, classes in answers:
        record = {"image": path, "classes": []}
        for name, p in classes:
            word = {"name": words[name]} if name in words else {}
            record["classes"].append({"class": name, "probability": p} | word)
        print(f"{before}\n{json.dumps(record, indent=1)}", end="", flush=True)
        before = ","
    print("[]" if before == "[" else "\n]")


def _write_csv(answers, words, count):
    """A line for each image; for each of its classes the columns class, probability and, with a
    words file, name."""
    columns = ["class", "probability"] + ["name"] * bool(words)
    rows = csv.writer(sys.stdout, lineterminator="\n")
    later = [f"{column}_{rank}" for rank in range(2, count + 1) for column in columns]
    rows.writerow(["image", *columns, *later])
    for path, classes in answers:
        cells = [printable(path)]
        for name, p in classes:
            cells += [printable(name), f"{p:.6g}"]
            cells += [printable(words.get(name, ""))] * bool(words)
        rows.writerow(cells)
        sys.stdout.flush()


def _write_text(answers, words, count):
    """With one class: a line for each image, path, class and probability, with tabs between."""
    for path, classes in answers:
        if count == 1:
            name, p = classes[0]
            print(f"{printable(path)}\t{shown(name, words)}\t{p:.2%}", flush=True)
            continue
        print(printable(path))
        for name, p in classes:
            print(f"  {p:7.2%}  {shown(name, words)}", flush=True)


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m alexnet.predict",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Name the most probable classes of image files with a trained network.\n"
        "A file that cannot be read is named on stderr; the others are answered, and the exit code "
        "is 3.",
        epilog="examples:\n"
        "  python -m alexnet.predict runs/first cat.jpg\n"
        "  python -m alexnet.predict runs/first/best.npz photos --topk 1\n"
        "  find photos -name '*.jpg' | python -m alexnet.predict runs/first - --csv > answers.csv\n"
        "  python -m alexnet.predict runs/wnids photos --words words.txt --json",
    )
    flags.add_checkpoint_argument(parser)
    parser.add_argument(
        "images", nargs="+", type=flags.path, metavar="IMAGE",
        help="image files; folders, with all images in them at any depth; - for a list of paths on "
        "standard input, one a line",
    )  # fmt: skip
    parser.add_argument(
        "--topk", type=flags.count, default=5, metavar="K",
        help="classes of each image (5); 1 prints a line for each image: path, class, probability, "
        "with tabs between",
    )  # fmt: skip
    flags.add_words_flag(parser)
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--json", action="store_true", help="print one JSON list")
    group.add_argument(
        "--csv", action="store_true",
        help="print a line for each image: image, class, probability, class_2, probability_2, ...",
    )  # fmt: skip
    flags.add_version_flag(parser)
    flags.add_backend_flags(parser)
    flags.add_precision_flag(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
