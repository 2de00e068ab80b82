"""python -m alexnet.evaluate CHECKPOINT [DATA] [--with CHECKPOINT ...] [--ten-crop]: loss, top-1,
top-5, the accuracy of each class, the classes most often taken for one another, and the images that
are most wrong.

Images are read as in the validation of alexnet.train: the shorter side is resized to the stored
size, and the middle is cut out. --ten-crop also averages ten crops of each image, --with several
networks; every network sees images of its own size and normalization. The single results are
printed beside the average, which is shown in full.

Source: the paper, section 2 (top-1 and top-5), section 4.1 (ten crops), section 6 (averages of five
and seven networks).
"""

import math
import os
import shlex
import sys
from dataclasses import replace

import numpy as np

from alexnet.cli import ending, evaluate_flags, evaluation_files
from alexnet.cli.counting import counted
from alexnet.cli.evaluation_output import Evaluation, print_json, print_text
from alexnet.cli.machine import use_machine
from alexnet.cli.output_file import keep_images, keep_inputs
from alexnet.cli.ten_crop import ten_crop_border
from alexnet.data import open_dataset
from alexnet.data.augment import no_draws
from alexnet.data.loader import Loader
from alexnet.data.names import printable
from alexnet.data.prefetch import prefetch
from alexnet.data.ten_crops import CENTRE, ten_draws
from alexnet.data.words import words_for
from alexnet.errors import DataError, UsageError
from alexnet.evaluation.averages import Network, measure
from alexnet.pictures.predictions import need_matplotlib
from alexnet.training.saved import saved_options
from alexnet.weights import checkpoint
from alexnet.weights.checkpoint import Checkpoint


def main(argv=None) -> int:
    """The command; returns its exit code (alexnet/cli/ending.py)."""
    return ending.run(lambda: _command(evaluate_flags.parsed(argv)), "alexnet.evaluate")


def _command(args):
    if args.confusion and not args.confusion.lower().endswith(".csv"):
        need_matplotlib()
    use_machine(args.backend, args.threads, args.precision, args.json)
    networks, models = _loaded(args)
    source, seed, skip = _data_of_runs(args, networks)
    data = _opened(args, source, seed, skip)
    for saved in networks:
        _need_same_classes(saved, data)
    _keep_inputs(args, networks, data)
    words = words_for(args.words, source, data.classes, _words_of(networks))
    views, count = _views(args, networks, data)
    results = measure(
        [
            Network(model, _outputs(saved, data))
            for saved, model in zip(networks, models, strict=True)
        ],
        counted(zip(*views, strict=True), count, "evaluated, batches"),
        len(data.classes),
        CENTRE if args.ten_crop else 0,
    )
    _need_finite(results, networks)
    named = [args.checkpoint, *args.others]
    done = Evaluation(named, data, args.split, words, results, args.wrong)
    try:
        _write_files(args, done)
    finally:  # a full disk loses no result
        print_json(done) if args.json else print_text(done)
    if not args.json and args.split == "val" and _has_test(source):
        command = shlex.join(["python", "-m", "alexnet.evaluate", *_arguments(args)])
        print(f"images that took no part in the training: {command} --split test")
    return 0


# --- networks -------------------------------------------------------------------------------------


def _loaded(args) -> tuple[list[Checkpoint], list]:
    """(checkpoints without their arrays, models, which hold the arrays), each of another file."""
    networks, models = [], []
    for path in (args.checkpoint, *args.others):
        try:
            saved = checkpoint.load(path)
        except DataError as error:
            if path not in args.others or args.data:
                raise
            raise DataError(f"{error}; if this is DATA, it stands before --with") from error
        models.append(saved.make_model())
        networks.append(replace(saved, model={}, velocities=None))
    files = {}
    for saved in networks:
        first = files.setdefault(os.path.realpath(saved.path), saved)
        if first is not saved:
            raise UsageError(
                f"{printable(saved.path)} is given twice, and would count twice in the average; "
                "give each network once"
            )
    return networks, models


def _need_same_classes(saved, data):
    """Raise DataError unless the network has the classes of the data, in any order."""
    classes = saved.classes
    if set(classes) == set(data.classes):
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


def _outputs(saved, data):
    """int64 (classes,): which of the network's outputs is each class of the data."""
    places = {name: place for place, name in enumerate(saved.classes)}
    return np.array([places[name] for name in data.classes])


def _views(args, networks, data):
    """(for each network the batches as it sees them, the number of batches)."""
    views = []
    for saved in networks:
        size = saved.build["image_size"]
        border = ten_crop_border(saved) if args.ten_crop else 0
        loader = Loader(
            data, args.batch_size, size, workers=args.workers, stored_size=saved.stored_size,
            border=border,
        )  # fmt: skip
        spare = saved.stored_size + 2 * border - size
        places = ten_draws(spare) if args.ten_crop else no_draws(1, spare)
        views.append(prefetch(loader, saved.normalization, len(data.classes)).views(places))
    return views, len(loader)


def _need_finite(results, networks):
    for result in results:
        if not math.isfinite(result.metrics.loss):  # a network comes before an average
            path = printable(networks[result.network].path)
            raise DataError(f"checkpoint {path}: the loss is {result.metrics.loss}")


# --- data -----------------------------------------------------------------------------------------


def _data_of_runs(args, networks):
    """(DATA, seed, images to skip): of the command, else of the runs that trained the networks."""
    trained = [saved_options(saved) for saved in networks if saved.options or not saved.origin]
    source = args.data
    if source is None:
        if not trained:
            raise UsageError(
                f"{printable(networks[0].path)} holds weights and no training, so it tells no "
                "data; give DATA after it"
            )
        places = {_place(options.data): options.data for options in trained}
        if len(places) > 1:
            names = ", ".join(map(printable, places.values()))
            raise UsageError(
                f"the networks were trained on different data ({names}); say which images to "
                "evaluate on: DATA after the first CHECKPOINT"
            )
        source = trained[0].data
    seed = trained[0].seed if trained else 0
    skip = max((options.skip_bad_images for options in trained), default=0)
    return source, seed, skip if args.skip_bad_images is None else args.skip_bad_images


def _place(data):
    """What two names of the same DATA share."""
    kind, colon, folder = data.partition(":")
    if kind == "cifar10" and colon:
        return kind, os.path.realpath(folder)
    return data if data == "synthetic" else os.path.realpath(data)


def _opened(args, source, seed, skip):
    try:
        return open_dataset(source, args.split, seed=seed, skip_bad_images=skip)
    except DataError as error:
        if args.data and (args.data.endswith(".npz") or _is_run(args.data)):
            raise DataError(
                f"{error}; to average its predictions with those of {printable(args.checkpoint)}: "
                f"--with {printable(args.data)}"
            ) from error
        raise


def _is_run(path):
    return os.path.isfile(os.path.join(path, "best.npz"))


def _words_of(networks):
    """{class: name} that the networks bring; the first network's names come first."""
    words = {}
    for saved in networks:
        words = saved.words | words
    return words


def _has_test(source):
    try:
        return len(open_dataset(source, "test")) > 0
    except (DataError, OSError):
        return False


def _arguments(args):
    """The arguments that say what was evaluated."""
    arguments = [args.checkpoint, *filter(None, [args.data])]
    if args.others:
        arguments += ["--with", *args.others]
    return arguments + ["--ten-crop"] * args.ten_crop


# --- files ----------------------------------------------------------------------------------------


def _keep_inputs(args, networks, data):
    """Raise UsageError if a file that is to be written is an input, or both are one file."""
    inputs = [saved.path for saved in networks] + [args.words] * bool(args.words)
    for new in filter(None, (args.csv, args.confusion)):
        keep_inputs(new, inputs)
        keep_images(new, data)
    if args.csv and args.confusion and _place(args.csv) == _place(args.confusion):
        raise UsageError(f"--csv and --confusion would both write {printable(args.csv)}")


def _write_files(args, done):
    if args.csv:
        evaluation_files.write_images(args.csv, done)
    if args.confusion:
        evaluation_files.write_confusions(args.confusion, done)


if __name__ == "__main__":
    sys.exit(main())
