"""python -m alexnet.convert IN OUT: weights from another program's file to one of this program, and
back.

    IN   PyTorch .pth, Caffe .caffemodel, Caffe's weights as .npy, Keras .h5 and .keras, .onnx,
         .safetensors, .npz, or a run's folder
    OUT  .npz, which alexnet.evaluate, predict and train --pretrained read; .safetensors; .pth;
         .onnx

The file's layers are compared with the rows of SPECS (alexnet/weights/fits.py). The result records
the row, the classes and how images are prepared; images are RGB in each. No program of another
framework is needed, and no function that a file names is called.
"""

import argparse
import os
import sys
from pathlib import Path

import numpy as np
from rich import box
from rich.table import Table

from alexnet import formats
from alexnet.cli import ending, flags
from alexnet.cli.console import plain_console
from alexnet.cli.output_file import keep_inputs
from alexnet.data.class_names import read_class_names
from alexnet.data.names import printable
from alexnet.data.normalization import Normalization
from alexnet.errors import DataError, UsageError
from alexnet.network.variants import in_words
from alexnet.weights.file_network import FileNetwork
from alexnet.weights.imported import to_checkpoint


def main(argv=None) -> int:
    """The command; returns its exit code (alexnet/cli/ending.py)."""
    return ending.run(lambda: _command(_parser().parse_args(argv)), "alexnet.convert")


def _command(args):
    if args.check:
        _need_no_output(args)
        _show(args)
        return 0
    if args.output is None:
        raise UsageError("name the file to write: OUT ends with " + ", ".join(formats.WRITABLE))
    formats.check_ending(Path(args.output))
    keep_inputs(args.output, _inputs(args))
    network = formats.read(args.input)
    saved = _imported(args, network)
    formats.write(saved, args.output)
    print(f"read      {printable(saved.origin)}")
    print(f"network   {_network(saved)}")
    print(f"images    {_images(saved)}")
    print(f"classes   {_classes(saved)}")
    size = os.path.getsize(args.output)
    print(f"written   {printable(args.output)}, {size:,} bytes")
    return 0


def _inputs(args):
    """The files that are read, and a run's others: a converted network has lost their training."""
    folder = Path(args.input)
    files = sorted(folder.glob("*.npz")) if folder.is_dir() else []
    return [args.input, *files, *filter(None, [args.class_names])]


def _imported(args, network):
    normalization = _given_normalization(args)
    classes, words = (
        read_class_names(args.class_names) if args.class_names is not None else (None, None)
    )
    try:
        return to_checkpoint(
            network, args.input, spec=args.spec, changes=flags.network_changes(args),
            image_size=args.image_size, channels=args.channels, normalization=normalization,
            classes=classes, words=words,
        )  # fmt: skip
    except (DataError, UsageError) as error:
        raise type(error)(f"{printable(args.input)}: {error}") from error


def _given_normalization(args):
    if args.mean is None and args.divisor is None:
        return None
    mean, divisor = args.mean or [0.0] * 3, args.divisor or [1.0] * 3
    try:
        with np.errstate(over="ignore"):  # Normalization refuses what is beyond float32
            return Normalization(np.reshape(mean, (3, 1, 1)), np.reshape(divisor, (3, 1, 1)))
    except ValueError as error:
        raise UsageError(f"--mean and --divisor: {error}") from error


def _need_no_output(args):
    if args.output is not None:
        raise UsageError("--check writes nothing; leave OUT out")


# --- what is shown --------------------------------------------------------------------------------


def _network(saved):
    changes = in_words(saved.build | {"init": None})  # no weight of the file is drawn
    count = sum(array.size for array in saved.model.values())
    parts = [saved.build["spec"], *changes]
    size = saved.build["image_size"]
    return f"{', '.join(parts)}; {count:,} numbers, images {size} x {size}"


def _images(saved):
    mean, divisor = saved.normalization.mean, saved.normalization.divisor
    colour = mean.mean(axis=(1, 2))
    kind = "" if mean.shape == (3, 1, 1) else "an image of colour "
    return (
        f"RGB from 0 to 255, minus mean ({kind}{_three(colour)}), over ({_three(divisor)}); "
        f"shorter side {saved.stored_size}, the middle"
    )


def _three(numbers):
    return ", ".join(f"{number:.4g}" for number in np.ravel(numbers))


def _classes(saved):
    first = [printable(saved.words.get(name, name)) for name in saved.classes[:3]]
    return f"{len(saved.classes):,}: {', '.join(first)}" + (", ..." * (len(saved.classes) > 3))


def _show(args):
    """The table of --check, and which network it is. Raises DataError if it is none, and UsageError
    for what the user has to say."""
    network = formats.read(args.input)
    table = Table("layer", "kind", "numbers", box=box.SIMPLE, padding=(0, 1))
    for heading in ("arrays", "dtype", "bytes"):
        table.add_column(heading, justify="right" if heading == "bytes" else "left")
    for layer in network.layers:
        shapes = ", ".join(f"{name} {a.shape}" for name, a in layer.arrays.items())
        dtypes = ", ".join(sorted({str(a.dtype) for a in layer.arrays.values()}))
        size = sum(a.nbytes for a in layer.arrays.values())
        numbers = ", ".join(f"{name} {value}" for name, value in layer.arguments.items())
        row = (layer.name, layer.kind, numbers, shapes, dtypes, f"{size:,}" if size else "")
        table.add_row(*map(printable, row))
    print(f"{printable(args.input)}: {network.format}")
    plain_console().print(table)
    print(f"order     {_order(network)}")
    saved = _imported(args, network)  # an error after the table says what does not fit
    print(f"network   {_network(saved)}")
    print(f"images    {_images(saved)}")
    print(f"classes   {_classes(saved)}")


def _order(network: FileNetwork):
    """The order of channels and of flattened maps in the file, in words."""
    channels = "RGB" if network.channels == "rgb" else "BGR, turned into RGB here"
    if network.flatten == "chw":
        return f"channels {channels}; maps are flattened as channels, rows, columns"
    return f"channels {channels}; maps are flattened as rows, columns, channels, turned here"


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m alexnet.convert",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Bring an AlexNet's weights from another program here, or from here to another "
        "program.\nOther programs need not be installed; .onnx needs the package onnx, reading "
        ".safetensors safetensors,\n.h5 and .keras h5py.",
        epilog="examples:\n"
        "  python -m alexnet.convert alexnet-owt-7be5be79.pth alexnet.npz --class-names "
        "synset_words.txt\n"
        "  python -m alexnet.convert bvlc_alexnet.caffemodel alexnet.npz\n"
        "  python -m alexnet.convert model.keras model.npz --mean 0 0 0 --divisor 255 255 255\n"
        "  python -m alexnet.convert runs/first photos.onnx\n"
        "  python -m alexnet.convert --check unknown.pth",
    )
    parser.add_argument(
        "input", type=flags.path, metavar="IN",
        help=f"{formats.READABLE}; a run's folder means its best.npz",
    )  # fmt: skip
    parser.add_argument(
        "output", nargs="?", type=flags.new_file, metavar="OUT",
        help="ends with .npz (for evaluate, predict and train --pretrained), .safetensors, .pth "
        "(with torchvision's names if the network is torchvision's) or .onnx",
    )  # fmt: skip
    parser.add_argument(
        "--check", action="store_true",
        help="write nothing: show a table of the layers and arrays in IN, and which network it is; "
        "ends with 3 if it is none, with 2 if a flag has to say more",
    )  # fmt: skip
    parser.add_argument(
        "--class-names", type=flags.path, metavar="FILE",
        help="a name on each line, in the order of the network's outputs; of lines such as "
        "'n01440764 tench, Tinca tinca' the first word is the class (as IN tells, else numbers)",
    )  # fmt: skip
    group = parser.add_argument_group(
        "network, where IN does not tell it (arrays alone fit several published networks)"
    )
    flags.add_network_flags(group, init=False)
    group = parser.add_argument_group("images, where IN does not tell how they were prepared")
    group.add_argument(
        "--channels", choices=("rgb", "bgr"),
        help="the order in which conv1 of IN takes its input (by format: Caffe's bgr, others rgb)",
    )  # fmt: skip
    group.add_argument(
        "--mean", type=flags.real, nargs=3, metavar=("R", "G", "B"),
        help="is subtracted from pixels of 0 to 255 (by spec: torchvision's, ImageNet's for "
        "Caffe's networks)",
    )  # fmt: skip
    group.add_argument(
        "--divisor", type=flags.positive, nargs=3, metavar=("R", "G", "B"),
        help="divides them then; 255 255 255 with --mean 0 0 0: pixels from 0 to 1 (by spec)",
    )  # fmt: skip
    flags.add_version_flag(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
