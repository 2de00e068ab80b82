"""python -m alexnet.predict CHECKPOINT IMAGE...: the most probable classes of image files.

    probabilities = softmax(model((image - mean) / divisor))

Images are read as in alexnet.evaluate: the shorter side is resized to the stored size, and the
middle is cut out. With --ten-crop the probabilities are the mean over ten crops. Answers are
printed batch by batch, so that a list of any length takes the memory of one batch.

--plot draws the answers (pictures/predictions.py). --neighbours DATA also finds the training images
that are nearest in the last hidden layer; the activations of DATA, computed once, take 4 bytes for
each number: 16 KiB an image for 4,096. --features LAYER writes a layer's activations instead.

Source: the paper, section 3.5 (softmax), section 6.1 and figure 4.
"""

import sys
from collections.abc import Iterator
from itertools import islice

import numpy as np

import tinynet as tn
from alexnet.cli import ending, predict_flags
from alexnet.cli.answers import Answer, write_csv, write_json, write_text
from alexnet.cli.counting import counted
from alexnet.cli.gallery import Gallery
from alexnet.cli.image_arguments import Faults, image_paths
from alexnet.cli.machine import use_machine
from alexnet.cli.output_file import keep_images, keep_inputs
from alexnet.cli.ten_crop import ten_crop_border
from alexnet.data import open_dataset
from alexnet.data.class_folder import folder_class
from alexnet.data.crops import add_border, centre_crop
from alexnet.data.folder import read_image
from alexnet.data.loader import Loader
from alexnet.data.names import printable
from alexnet.data.prefetch import prefetch
from alexnet.data.ten_crops import CENTRE, crops_at, ten_draws
from alexnet.data.words import words_for
from alexnet.errors import DataError, NotFinite, UsageError, writing
from alexnet.evaluation.activations import (
    activations,
    dataset_activations,
    gathered,
    last_hidden,
    outputs,
)
from alexnet.evaluation.averages import averaged
from alexnet.evaluation.metrics import log_probabilities, top_k
from alexnet.evaluation.neighbours import Neighbourhood
from alexnet.pictures.predictions import NEIGHBOURS, need_matplotlib
from alexnet.training.saved import saved_options
from alexnet.weights import checkpoint

BATCH = 32


def main(argv=None) -> int:
    """The command; returns its exit code (alexnet/cli/ending.py)."""
    return ending.run(lambda: _command(predict_flags.parser().parse_args(argv)), "alexnet.predict")


def _command(args):
    _check_flags(args)
    use_machine(args.backend, args.threads, args.precision, args.json or args.csv)
    saved = checkpoint.load(args.checkpoint)
    faults = Faults("alexnet.predict")
    paths = image_paths(args.images, faults, args.null)
    if args.plot or args.out:
        paths = list(paths)
        keep_inputs(args.plot or args.out, [saved.path, *paths, *filter(None, [args.words])])
    try:
        if args.features:
            _write_features(args, saved, paths, faults)
        else:
            _print_answers(args, saved, paths, faults)
    except NotFinite as error:
        raise DataError(f"checkpoint {printable(saved.path)}: {error}") from error
    faults.raise_if_any()
    return 0


def _check_flags(args):
    """Raise UsageError for flags that do not fit together, and for a picture that nothing draws."""
    if bool(args.features) != bool(args.out):
        raise UsageError("--features LAYER and --out FILE.npz go together")
    others = ("json", "csv", "plot", "neighbours", "ten_crop")
    given = [f"--{name.replace('_', '-')}" for name in others if getattr(args, name)]
    if args.features and given:
        raise UsageError(
            f"--features writes activations and names no classes; {', '.join(given)} does not go "
            "with it"
        )
    if args.null and "-" not in args.images:
        raise UsageError("-0 is about the list on standard input; - as an image reads it")
    if args.plot:
        need_matplotlib()


# --- classes and neighbours -----------------------------------------------------------------------


def _print_answers(args, saved, paths, faults):
    """Print the answers as they come, and draw them at the end."""
    words = words_for(args.words, _data_of(saved), saved.classes, saved.words)
    model = saved.make_model()
    border = ten_crop_border(saved) if args.ten_crop else None
    near = _neighbourhood(args, saved, model) if args.neighbours else None
    count = top_k(len(saved.classes), args.topk)
    answers = _answers(saved, model, iter(paths), near, border, faults)
    gallery = Gallery(args.plot, saved, words, near) if args.plot else None
    if gallery:
        answers = gallery.passing(answers)
    write = write_json if args.json else write_csv if args.csv else write_text
    write(answers, words, count, NEIGHBOURS if near else 0)
    if gallery:
        gallery.write()


def _data_of(saved):
    data = saved.options.get("data")
    return data if isinstance(data, str) else None


def _neighbourhood(args, saved, model) -> Neighbourhood:
    """The training images of DATA with their activations at the last hidden layer."""
    trained = saved_options(saved) if saved.options else None
    data = open_dataset(
        args.neighbours, "train", seed=trained.seed if trained else 0,
        skip_bad_images=args.skip_bad_images,
    )  # fmt: skip
    if args.plot:
        keep_images(args.plot, data)
    loader = Loader(data, BATCH, saved.build["image_size"], stored_size=saved.stored_size)
    layer = last_hidden(model)
    batches = prefetch(loader, saved.normalization, len(data.classes)).epoch(0)
    batches = counted(batches, len(loader), f"activations at {layer}, batches")
    return Neighbourhood(data, dataset_activations(model, layer, batches, len(data))[0])


def _answers(saved, model, paths, near, border, faults) -> Iterator[Answer]:
    """The Answer to each image that can be read, with all classes.

    near    the Neighbourhood, or None
    border  of the images of which ten crops are averaged; None: the centre crop alone
    """
    size = saved.build["image_size"]
    for batch, images in _batches(saved, paths, faults):
        images = np.stack(images)
        pixels = centre_crop(images, size)
        views, centre = [pixels], 0
        if border is not None:
            images = add_border(images, border)
            views = crops_at(images, ten_draws(images.shape[1] - size), size)
            centre = CENTRE  # which is compared with the neighbours' centre crops
        seen = [_outputs(saved, model, crops, near) for crops in views]
        hidden, logits = seen[centre][0], averaged([each for _, each in seen])
        rows = np.exp(log_probabilities(logits))
        for n, (path, row) in enumerate(zip(batch, rows, strict=True)):
            order = np.argsort(-row, kind="stable")
            classes = [(saved.classes[label], float(row[label])) for label in order]
            found = near.of(path, hidden[n], NEIGHBOURS) if near else None
            yield Answer(path, pixels[n], classes, found)


def _outputs(saved, model, pixels, near):
    """(the last hidden layer's activations if there are neighbours, logits)."""
    layers = [last_hidden(model)] * bool(near) + [list(model)[-1][0]]
    *hidden, logits = outputs(model, tn.Tensor(saved.normalization(pixels)), layers)
    return hidden[0] if hidden else None, logits


def _batches(saved, paths: Iterator[str], faults) -> Iterator[tuple[list[str], list[np.ndarray]]]:
    """Batches of the images that can be read: their paths and pixels, at the stored size."""
    while batch := list(islice(paths, BATCH)):
        readable, images = [], []
        for path in batch:
            try:
                images.append(read_image(path, saved.stored_size))
                readable.append(path)
            except DataError as error:
                faults.add(path, error)
        if readable:
            yield readable, images


# --- features -------------------------------------------------------------------------------------


def _write_features(args, saved, paths, faults):
    """Write a layer's activations of all images that can be read."""
    model, layer = saved.make_model(), args.features
    if layer not in model:
        names = ", ".join(name for name, _ in model)
        raise UsageError(f"--features {printable(layer)}: the layers of this network are {names}")
    kept = []

    def images():
        ahead = counted(paths, len(paths), f"activations at {layer}, images")
        for batch, pixels in _batches(saved, ahead, faults):
            kept.extend(batch)
            pixels = centre_crop(np.stack(pixels), saved.build["image_size"])
            yield tn.Tensor(saved.normalization(pixels))

    features = gathered(activations(model, layer, images()), len(paths))
    if not kept:  # faults says why
        return
    classes, labels = np.unique([folder_class(path) for path in kept], return_inverse=True)
    arrays = {
        "features": features,
        "paths": np.array(kept),
        "labels": labels.astype(np.int64),
        "classes": classes,
    }
    with writing(args.out):
        tn.save(args.out, arrays)
    shape = ", ".join(f"{size:,}" for size in features.shape)
    print(
        f"{printable(args.out)}: features ({shape}) float32 of {layer}, {features.nbytes:,} bytes; "
        f"labels of {len(classes):,} folders"
    )


if __name__ == "__main__":
    sys.exit(main())
