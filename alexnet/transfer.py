"""python -m alexnet.transfer DATA --pretrained FILE: three ways to train, side by side.

    scratch      every layer starts at random
    fine-tuning  the layers that FILE holds start with its weights and learn at a tenth of the rate;
                 the others start at random
    features     the layers that FILE holds keep its weights; what they make of each image is
                 computed once, and the others, which start at random, are trained on that

Each method is one command of alexnet.train, which is printed. It runs in a process of its own,
whose time and largest memory are measured. At the end the network of each one's best validation
epoch is tried once on the test images.

Source: Donahue and others, DeCAF (2014), for features of AlexNet; Yosinski and others, How
transferable are features in deep neural networks? (2014), for fine-tuning.
"""

import shlex
import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

from alexnet.cli import ending, flags
from alexnet.cli.console import plain_console
from alexnet.cli.machine import use_machine
from alexnet.cli.measured import measured
from alexnet.cli.output_file import written_whole
from alexnet.cli.train_flags import train_parser
from alexnet.cli.transfer_flags import BATCH, EPOCHS, PRETRAINED_SCALE, transfer_parser
from alexnet.data import open_dataset
from alexnet.data.loader import Loader
from alexnet.data.names import printable
from alexnet.data.prefetch import prefetch
from alexnet.errors import DataError, UsageError
from alexnet.evaluation.metrics import evaluate
from alexnet.network.layer_names import as_ranges, layers_with_parameters
from alexnet.network.plan import plan
from alexnet.network.specs import find_spec
from alexnet.network.variants import CHANGES, changed
from alexnet.pictures.methods import draw_methods
from alexnet.training import method_results
from alexnet.training.method_results import Result
from alexnet.training.options import absolute, resolve, words_of
from alexnet.training.pretrained import Pretrained
from alexnet.training.run_folder import RunFolder
from alexnet.training.saved import check_training, saved_options
from alexnet.weights import checkpoint


def main(argv=None) -> int:
    """The command; returns its exit code (alexnet/cli/ending.py)."""
    words = sys.argv[1:] if argv is None else list(argv)

    def command():
        args = transfer_parser().parse_args(words)
        return _command(Namespace(**vars(args), words=words))

    return ending.run(command, "alexnet.transfer")


def _command(args):
    data = absolute(args.data)
    pretrained = Pretrained.read(args.pretrained)
    args = pretrained.with_flags(args)
    # Errors of the data come now, not after the first method.
    options = {"seed": args.seed, "skip_bad_images": args.skip_bad_images or 0}
    train_set = open_dataset(data, "train", **options)
    test_set = _test_images(data, options, train_set.classes)
    layers = _plan(args, len(train_set.classes))
    kept = as_ranges(_kept_layers(args, pretrained, layers), layers)
    commands = {method: _train_words(method, args, data, kept) for method in args.methods}
    folder = Path(args.out) if args.out else method_results.new_folder(data)
    results = {}
    for method, words in commands.items():
        results[method] = method_results.load(folder, method, words)
        if results[method] is None:
            _check_begun(RunFolder(folder / method), words, len(train_set))
    del pretrained, train_set  # the measured memory of a process begins with its parent's
    for method, words in commands.items():
        if results[method] is None:
            code, results[method] = _train(method, words, folder)
            if code:
                _say_how_to_go_on(args, method, folder, code)
                return code
            results[method].save(folder)
    for method, result in results.items():
        if result.test is None and test_set is not None:
            results[method] = _tried(result, folder, test_set, args)
            results[method].save(folder)
    _show(list(results.values()), folder, test_set)
    return 0


def _test_images(data, options, classes):
    """The test images, or None if the data has none."""
    try:
        test_set = open_dataset(data, "test", **options)
    except DataError as error:
        print(f"no test images, so the validation images tell the result: {error}")
        return None
    if test_set.classes != classes:
        raise DataError(f"the test images of {printable(data)} have other classes than training")
    return test_set


def _plan(args, classes):
    """The plan of the network that is trained."""
    try:
        row = changed(find_spec(args.spec), **flags.network_changes(args))
        return plan(row, classes, args.image_size or row.image_size)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _kept_layers(args, pretrained, layers):
    """The names of the layers that start from the file: all that fit but the last of the network,
    which names other classes."""
    first, *_, last = layers_with_parameters(layers)
    kept = [name for name in pretrained.layers_from_file(layers) if name != last]
    if not kept:
        raise DataError(f"{printable(pretrained.path)} holds no layer that fits {args.spec}")
    if "features" in args.methods and kept[0] != first:
        raise DataError(
            f"{printable(pretrained.path)} holds no {first} that fits {args.spec}, so it computes "
            "no features; --methods scratch fine-tuning needs none"
        )
    return kept


# --- a method -------------------------------------------------------------------------------------


def _train_words(method, args, data, kept):
    """DATA and flags of alexnet.train for a method. kept: the layers from FILE, as ranges."""
    values = {"epochs": args.epochs or EPOCHS[method]}
    names = ("lr", "batch_size", "seed", "spec", "image_size", *CHANGES)
    names += ("backend", "threads", "workers", "skip_bad_images")
    words = [data, *words_of(values | {name: getattr(args, name) for name in names})]
    if method != "scratch":
        words += ["--pretrained", str(Path(args.pretrained).absolute())]
    if method == "fine-tuning":
        words += ["--lr-scale", ",".join(f"{part}={PRETRAINED_SCALE:g}" for part in kept)]
    if method == "features":
        words += ["--freeze", ",".join(kept), "--augment", "none", "--keep-features"]
    return words


def _check_begun(run, words, images):
    """Raise UsageError if a method that began in this run's folder had other flags or data."""
    if not run.last.exists():
        return
    before = saved_options(checkpoint.load(run.last))
    args = train_parser().parse_args(words)
    if args.pretrained:
        args = Pretrained.read(args.pretrained).with_flags(args)
    now = resolve(args, before.backend, images)
    machine = {n: getattr(before, n) for n in ("threads", "workers", "precision", "cuda_graph")}
    if replace(now, **machine) != before:
        raise UsageError(
            f"{printable(run.path)} began with other flags or data; choose another --out"
        )


def _train(method, words, folder):
    """(exit code, Result without a test): run alexnet.train, or go on with it."""
    run = RunFolder(folder / method)
    resumed = run.last.exists()
    words_of_run = ["--resume", str(run.path)] if resumed else [*words, "--out", str(run.path)]
    code, seconds, memory = 0, 0.0, 0
    if not (resumed and _is_complete(run)):
        print(f"\n{method}: python -m alexnet.train {shlex.join(words_of_run)}", flush=True)
        code, seconds, memory = measured([sys.executable, "-m", "alexnet.train", *words_of_run])
    if code:
        return code, None
    saved = checkpoint.load(run.best)
    trained = [name for name in saved.model if name.rpartition(".")[0] not in saved.frozen]
    return 0, Result(
        method=method,
        words=words,
        parameters=sum(saved.model[name].size for name in trained if "running" not in name),
        frozen=saved.frozen,
        seconds=seconds,
        resumed=resumed,
        memory=memory,
        validation=[line["val_top1"] for line in run.lines() if "val_top1" in line],
    )


def _is_complete(run):
    """Whether the run has all its epochs: this command was killed between its end and the result's
    writing."""
    saved = checkpoint.load(run.last)
    check_training(saved)
    return saved.training["epoch"] >= saved_options(saved).epochs


def _say_how_to_go_on(args, method, folder, code):
    words = ["python", "-m", "alexnet.transfer", *args.words]
    words += [] if args.out else ["--out", str(folder)]
    when = "this goes on" if code > 128 else "once its cause is mended, this goes on"
    ending.say(
        f"alexnet.transfer: {method} ended with exit code {code}; finished methods are kept, and "
        f"{when}: {shlex.join(words)}"
    )


def _tried(result, folder, test_set, args):
    """The result with the accuracy of the method's best network on the test images."""
    use_machine(args.backend, args.threads)
    saved = checkpoint.load(folder / result.method / "best.npz")
    loader = Loader(
        test_set, BATCH, saved.build["image_size"], stored_size=saved.stored_size,
        workers=2 if args.workers is None else args.workers,
    )  # fmt: skip
    batches = prefetch(loader, saved.normalization, len(saved.classes)).epoch(0)
    metrics = evaluate(saved.make_model(), batches, len(saved.classes))
    return replace(result, test=metrics.top1, test_images=len(test_set))


def _show(results, folder, test_set):
    """Print the table, and write transfer.json and transfer.png."""
    plain_console().print(method_results.table(results))
    method_results.save_all(folder, results)
    names = "transfer.json"
    try:
        with written_whole(folder / "transfer.png") as file:
            draw_methods(results, printable(folder.name), file)
        names += ", transfer.png"
    except ImportError:
        print("(pip install matplotlib, and this command also draws the methods' curves)")
    tried = f"test: {len(test_set):,} images; " if test_set else ""
    print(f"{tried}written to {printable(folder)}: {names}, a run folder for each method")


if __name__ == "__main__":
    sys.exit(main())
