"""The flags that the benchmarks share, and the network that they choose."""

import argparse
import importlib.util
from dataclasses import dataclass
from pathlib import Path

import tinynet as tn
from alexnet.cli import flags
from alexnet.errors import UsageError
from alexnet.network.plan import Layer, plan
from alexnet.network.spec_row import Spec
from alexnet.network.specs import find_spec
from alexnet.network.variants import changed, in_words


def benchmark_parser(name: str, description: str, **more) -> argparse.ArgumentParser:
    """The parser of python -m benchmarks.NAME; its description keeps its lines."""
    return argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}", description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter, **more,
    )  # fmt: skip


def add_output_flags(group, plot: str | None = None, needs=("matplotlib",)) -> None:
    """--json, and with the name of a picture --plot. needs: the packages that draw it."""
    group.add_argument(
        "--json", type=flags.new_file, metavar="FILE", help="write all figures to FILE too"
    )
    if plot:
        help = f"draw {plot}: .png, .svg, .pdf"
        group.add_argument("--plot", type=new_picture(needs), metavar="FILE", help=help)


def add_precisions_flag(group) -> None:
    """--precision, one or more."""
    group.add_argument(
        "--precision", choices=tn.gpu.PRECISIONS, nargs="+",
        help="of products on a GPU, one or more; tf32 rounds the factors to 10 bits (float32 tf32)",
    )  # fmt: skip


def precisions_for(wanted: list[str] | None, on_gpu: bool) -> list[str]:
    """The precisions to measure; None: all that there are. Raises UsageError for tf32 on a
    processor."""
    if not on_gpu and wanted not in (None, ["float32"]):
        raise UsageError(f"--precision {' '.join(wanted)} needs a GPU; --backend cupy has one")
    return wanted or list(tn.gpu.PRECISIONS if on_gpu else ["float32"])


def add_wait_flag(group) -> None:
    """--wait."""
    group.add_argument(
        "--wait", type=flags.not_negative, default=120, metavar="SECONDS",
        help="how long to wait for an idle machine before going on as 'not idle' (120)",
    )  # fmt: skip


def new_picture(needs):
    """An argparse type: the path of a picture that can be written, and drawn by these packages."""

    def picture(text):
        if not all(map(importlib.util.find_spec, needs)):
            raise argparse.ArgumentTypeError(f"it needs pip install {' '.join(needs)}")
        from matplotlib.backend_bases import FigureCanvasBase

        formats = FigureCanvasBase.get_supported_filetypes()
        if Path(text).suffix.removeprefix(".").lower() not in formats:
            raise argparse.ArgumentTypeError(
                f"{text!r} does not end in the name of a format: .{', .'.join(formats)}"
            )
        return flags.new_file(text)

    return picture


def names_among(known):
    """An argparse type: names separated by commas, each one of `known`."""

    def names(text):
        chosen = text.split(",")
        for name in chosen:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}")
        return chosen

    return names


def several(kind):
    """An argparse type: values separated by commas, each of an argparse type."""

    def values(text):
        return [kind(part) for part in text.split(",")]

    return values


@dataclass(frozen=True)
class Network:
    """The network of a command's flags.

    spec       its name
    changes    of the spec, by name
    row        the changed spec
    title      for people
    """

    spec: str
    changes: dict
    row: Spec
    image_size: int
    layers: list[Layer]

    @property
    def title(self) -> str:
        changes = "".join(f", {words}" for words in in_words(self.changes))
        return f"{self.spec}, {self.image_size} x {self.image_size}{changes}"


def chosen_network(args, parser) -> Network:
    """The Network of the flags of alexnet.cli.flags.add_network_flags, `paper` without any. Flags
    that do not fit together end the command by parser.error."""
    changes = flags.network_changes(args)
    try:
        published = find_spec(args.spec or "paper")
        image_size = args.image_size or published.image_size
        row = changed(published, **changes)
        layers = plan(row, row.num_classes, image_size)
    except ValueError as error:
        parser.error(str(error))  # exits with 2
    return Network(published.name, changes, row, image_size, layers)
