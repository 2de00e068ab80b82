"""The flags that commands share, declared once. A flag that the user left out is None."""

import argparse
import math
import os
from pathlib import Path

import tinynet as tn
from alexnet.network.specs import SPECS
from alexnet.network.variants import ACTIVATIONS, CHANGES, INITS, NORMS
from alexnet.weights.record import LARGEST_IMAGE, MOST, MOST_THREADS

# --- values -----------------------------------------------------------------------------------
# What fits here fits a checkpoint too (weights/record.py): it holds the options of its run.


def count(text: str) -> int:
    """A whole number, 1 or more."""
    return _whole(text, 1)


def count_or_zero(text: str) -> int:
    """A whole number, 0 or more."""
    return _whole(text, 0)


def image_size(text: str) -> int:
    """Rows and columns that a checkpoint can hold."""
    return _whole(text, 1, LARGEST_IMAGE)


def workers(text: str) -> int:
    """A number of threads, 0 or more."""
    return _whole(text, 0, MOST_THREADS)


def threads(text: str) -> int:
    """A number of threads, 1 or more."""
    return _whole(text, 1, MOST_THREADS)


def seed(text: str) -> int:
    """A whole number from 0 to 2^64 - 1."""
    return _whole(text, 0, (1 << 64) - 1)


def positive(text: str) -> float:
    """A finite number above 0."""
    return _real(text, lambda number: number > 0, "above 0")


def not_negative(text: str) -> float:
    """A finite number, 0 or more."""
    return _real(text, lambda number: number >= 0, "0 or more")


def real(text: str) -> float:
    """A finite number."""
    return _real(text, lambda number: True, "that is finite")


def share(text: str) -> float:
    """A number, 0 <= number < 1."""
    return _real(text, lambda number: 0 <= number < 1, "from 0, below 1")


def not_empty(text: str) -> str:
    """A name. An empty one, as of an unset variable of a shell, would mean something else."""
    if not text:
        raise argparse.ArgumentTypeError("'' names nothing; leave it out, or give a name")
    return text


def parsed_by(parse):
    """The text itself, if parse(text) raises no ValueError."""

    def checked(text: str) -> str:
        try:
            parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error
        return text

    return checked


def path(text: str) -> str:
    """The path of a file or folder. ~ is the home folder, also where the shell leaves it as it is:
    --out=~/runs."""
    return os.path.expanduser(not_empty(text))


def data(text: str) -> str:
    """DATA, with a path as in path(), after cifar10: too."""
    kind, colon, folder = not_empty(text).partition(":")
    return f"cifar10:{os.path.expanduser(folder)}" if kind == "cifar10" and colon else path(text)


def new_file(text: str) -> str:
    """The path of a file to write; its folder must exist, and no folder of its name."""
    text = path(text)
    if Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is a folder; name a file in it")
    if not Path(text).parent.is_dir():
        raise argparse.ArgumentTypeError(
            f"there is no folder {Path(text).parent} to write {text} to"
        )
    return text


def new_file_ending(*endings: str):
    """A new_file whose name has one of these endings, in capitals or not."""

    def named(text: str) -> str:
        if not text.lower().endswith(endings):
            raise argparse.ArgumentTypeError(
                f"{text!r} does not end in {' or '.join(endings)}, the files that can be written"
            )
        return new_file(text)

    return named


def _whole(text, least, most=MOST):
    try:
        number = int(text)
    except ValueError:
        number = None
    if number is None or not least <= number <= most:
        to = "" if most == MOST and (number is None or number < least) else f" to {most}"
        raise argparse.ArgumentTypeError(
            f"{text!r} does not fit; a whole number from {least}{to} does"
        )
    return number


def _real(text, fits, words):
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or not fits(number):
        raise argparse.ArgumentTypeError(f"{text!r} does not fit; a number {words} does")
    return number


# --- flags ----------------------------------------------------------------------------------------


def add_version_flag(parser) -> None:
    """--version: print the package's name and version, and exit."""
    parser.add_argument(
        "--version", action="version", version=f"tinynet-alexnet {tn.__version__}",
        help="print the version and exit",
    )  # fmt: skip


def add_network_flags(group, init: bool = True) -> None:
    """--spec, --image-size and CHANGES, the changes of a spec that alexnet.build takes; without
    --init for a network whose weights are there."""
    group.add_argument("--spec", choices=SPECS, help="which published AlexNet")
    group.add_argument("--image-size", type=image_size, metavar="N", help="input rows and columns")
    group.add_argument("--activation", choices=ACTIVATIONS, help="instead of the spec's")
    group.add_argument(
        "--norm",
        choices=NORMS,
        help="instead of the spec's normalisation: across maps, within each map, of batches, none",
    )
    group.add_argument(
        "--pool", type=count, nargs=2, metavar=("WINDOW", "STRIDE"), help="for every pool"
    )
    group.add_argument(
        "--dropout", type=share, metavar="P", help="probability to drop; 0 removes dropout"
    )
    group.add_argument("--groups", type=int, choices=(1, 2), help="1 or 2 towers")
    group.add_argument(
        "--apart", action="store_const", const=True,
        help="two towers that meet only in the first fully connected layer: conv2 to conv5 in two "
        "groups, LRN within each tower",
    )  # fmt: skip
    group.add_argument("--width", type=positive, metavar="F", help="factor on every width (1)")
    group.add_argument(
        "--without", type=not_empty, metavar="LAYER",
        help="leave out this layer, a convolution but the first or a fully connected layer but the "
        "last, with its activation, normalisation and dropout; others keep their names: conv4",
    )  # fmt: skip
    if not init:
        return
    group.add_argument(
        "--init",
        choices=INITS,
        help="initial weights, drawn at random. published: the spec's own. he, meant for small "
        "images, also divides the inputs by the training set's deviation",
    )


def network_changes(args: argparse.Namespace) -> dict:
    """{name: value} of the CHANGES whose flags are set."""
    changes = {name: getattr(args, name, None) for name in CHANGES}
    return {name: value for name, value in changes.items() if value is not None}


def add_checkpoint_argument(parser) -> None:
    """CHECKPOINT."""
    parser.add_argument(
        "checkpoint", type=path, metavar="CHECKPOINT",
        help="best.npz or last.npz of a run; of a run's folder, its best.npz",
    )  # fmt: skip


def add_words_flag(group) -> None:
    """--words."""
    group.add_argument(
        "--words", type=path, metavar="FILE",
        help="names of classes that are wnids: lines of n01443537<TAB>goldfish, as in ImageNet's "
        "words.txt (words.txt in the folder of the data, if it is there)",
    )  # fmt: skip


def add_picture_flag(group) -> None:
    """--out FILE.png, of a command that draws."""
    group.add_argument(
        "--out", type=new_file_ending(".png"), required=True, metavar="FILE.png",
        help="the picture; an older file of this name is replaced",
    )  # fmt: skip


def add_backend_flags(group) -> None:
    """--backend, --threads."""
    group.add_argument(
        "--backend", type=not_empty, metavar="NAME",
        help="numpy: the formulas written plainly, slow. numba: compiled loops on all cores of the "
        "processor. cupy: an NVIDIA GPU. auto: cupy if a GPU answers, else numba; the first line "
        "of the output names it and the reason (TINYNET_BACKEND, else numba)",
    )  # fmt: skip
    group.add_argument(
        "--threads", type=threads, metavar="N", help="threads of numpy or numba (all)"
    )


def add_precision_flag(group) -> None:
    """--precision."""
    group.add_argument(
        "--precision", choices=tn.gpu.PRECISIONS,
        help="of matrix products on a GPU. tf32: tensor cores multiply, which is faster, but they "
        "round the factors from 23 bits after the point to 10 (float32)",
    )  # fmt: skip


def add_machine_flags(group) -> None:
    """--backend, --threads, --workers."""
    add_backend_flags(group)
    group.add_argument(
        "--workers", type=workers, metavar="N", help="threads that prepare images (2)"
    )
