"""python -m alexnet.summary: every layer's output, kernel, parameters, multiply-adds and memory.

    convolution       parameters     out * (in / groups * kernel * kernel + 1)
                      multiply-adds  out * rows * columns * in / groups * kernel * kernel
    fully connected   parameters     out * (in + 1)
                      multiply-adds  out * in
    batch norm        parameters     2 * channels

Multiply-adds are one image's; adding a bias is none, and layers without a sum over the layer below
(activations, pools, normalisation) count as none. Memory is one image's output in float32. The
rows are numbers from alexnet/model.py's plan: no network is made.

Source: the definitions above. The theory page is a widely copied text about the one-tower AlexNet.
"""

import argparse
import json
import math
import sys
from dataclasses import asdict, dataclass

from rich import box
from rich.console import Console
from rich.table import Table

from alexnet.changes import ACTIVATIONS, INITS, NORMS, changed
from alexnet.model import Layer, find_spec, plan
from alexnet.specs import SPECS

BYTES = 4  # of a float32


@dataclass(frozen=True)
class Row:
    """One layer's line of the table, for one image."""

    layer: str
    output: tuple[int, ...]
    kernel: str
    parameters: int
    multiply_adds: int
    bytes: int


@dataclass(frozen=True)
class Cell:
    """A figure of the theory page beside the right one; note says why they differ."""

    layer: str
    quantity: str
    published: int
    right: int
    note: str


def summarize(layers: list[Layer]) -> list[Row]:
    """One Row for each layer of a plan."""
    return [
        Row(
            layer.name,
            layer.outputs,
            _kernel(layer),
            _parameters(layer),
            _multiply_adds(layer),
            BYTES * math.prod(layer.outputs),
        )
        for layer in layers
    ]


def totals(rows: list[Row]) -> dict:
    """Sums of parameters, multiply_adds and bytes."""
    return {
        name: sum(getattr(row, name) for row in rows)
        for name in ("parameters", "multiply_adds", "bytes")
    }


def _fan_in(layer):
    """Numbers of the layer below that one output is a weighted sum of."""
    arguments = layer.arguments
    if layer.kind == "Conv2d":
        return arguments["in_channels"] // arguments["groups"] * arguments["kernel"] ** 2
    return arguments["in_features"]


def _parameters(layer):
    if layer.kind in ("Conv2d", "Linear"):
        return layer.outputs[0] * (_fan_in(layer) + 1)
    return 2 * layer.outputs[0] if layer.kind == "BatchNorm2d" else 0


def _multiply_adds(layer):
    if layer.kind in ("Conv2d", "Linear"):
        return math.prod(layer.outputs) * _fan_in(layer)
    return 0


def _kernel(layer):
    """What the layer reads for one output, in the table's few characters."""
    arguments = layer.arguments
    match layer.kind:
        case "Conv2d":
            depth = arguments["in_channels"] // arguments["groups"]
            text = f"{arguments['kernel']} x {arguments['kernel']} x {depth}"
            text += f" / {arguments['stride']}" if arguments["stride"] != 1 else ""
            text += f", pad {arguments['padding']}" if arguments["padding"] else ""
            return text + (f", groups {arguments['groups']}" if arguments["groups"] > 1 else "")
        case "MaxPool2d" | "AvgPool2d":
            word = "max" if layer.kind == "MaxPool2d" else "average"
            text = f"{word} {arguments['window']} x {arguments['window']} / {arguments['stride']}"
            return text + (", ceil" if arguments["ceil_mode"] else "")
        case "AdaptiveAvgPool2d":
            return f"average to {arguments['size']} x {arguments['size']}"
        case "LocalResponseNorm":
            alpha = f"{arguments['alpha']:g}" + (" / size" if arguments["divide_by_size"] else "")
            return f"LRN {arguments['size']}, alpha {alpha}, k {arguments['k']:g}"
        case "BatchNorm2d":
            return f"batch norm, eps {arguments['eps']:g}"
        case "Dropout":
            return f"drop {arguments['drop']:g}, scaled in {arguments['scale']}"
        case _:
            return ""


# --- the theory page ------------------------------------------------------------------------------

# Its table for `single-tower`, 227 x 227, 1000 classes: parameters and "forward computation".
THEORY_PAGE = {
    "conv1": (34_944, 105_705_600),
    "conv2": (614_656, 448_084_224),
    "conv3": (885_120, 149_585_280),
    "conv4": (1_327_488, 224_345_472),
    "conv5": (884_992, 149_563_648),
    "fc6": (37_748_736, 37_748_736),
    "fc7": (16_777_216, 16_777_216),
    "fc8": (4_096_000, 4_096_000),
    "total": (62_369_152, 1_135_906_176),
}
QUANTITIES = ("parameters", "forward computation")
NO_BIASES = "leaves out the layer's biases, which the page's convolutions count"
BIASES_ADDED = "counts a multiply-add for each output's bias, which the page's fc layers do not"
NO_BIASES_IN_TOTAL = "leaves out the 9,192 biases of fc6, fc7 and fc8"
BIASES_IN_TOTAL = "counts the 650,080 additions of the convolutions' biases as multiply-adds"
REMARKS = (
    "It writes 'FC8 + ReLU'; no ReLU follows fc8, whose outputs go to the softmax.",
    "Its accuracies, 57.1 % (top-1) and 80.2 % (top-5), are those of Caffe's bvlc_alexnet; the "
    "paper's single network has 59.3 % and 81.8 % on the validation images of 2012.",
)


def theory_page(rows: list[Row]) -> list[Cell]:
    """The theory page's table cell by cell, beside the figures of these rows, `single-tower`'s."""
    right = {row.layer: (row.parameters, row.multiply_adds) for row in rows}
    right["total"] = tuple(map(sum, zip(*right.values(), strict=True)))
    cells = []
    for layer, published in THEORY_PAGE.items():
        for quantity, page, here in zip(QUANTITIES, published, right[layer], strict=True):
            note = "" if page == here else _note(layer, quantity)
            cells.append(Cell(layer, quantity, page, here, note))
    return cells


def theory_page_shares() -> list[str]:
    """The page's closing sentence, computed from its own cells."""
    lines = []
    for word, text in (("conv", "Its convolutions"), ("fc", "Its fully connected layers")):
        parameters, computations = (
            sum(cells[i] for layer, cells in THEORY_PAGE.items() if layer.startswith(word))
            for i in (0, 1)
        )
        whole = THEORY_PAGE["total"]
        lines.append(
            f"{text} hold {parameters / 1e6:.1f} million parameters ({parameters / whole[0]:.0%}) "
            f"and take {computations / 1e9:.2f} billion computations "
            f"({computations / whole[1]:.0%})."
        )
    return lines


def _note(layer, quantity):
    if layer == "total":
        return NO_BIASES_IN_TOTAL if quantity == "parameters" else BIASES_IN_TOTAL
    return NO_BIASES if quantity == "parameters" else BIASES_ADDED


# --- printing -------------------------------------------------------------------------------------


def layer_table(rows: list[Row]) -> Table:
    """The rows, with shares and totals."""
    whole = totals(rows)
    table = Table(show_footer=True, box=box.SIMPLE, padding=(0, 1))
    table.add_column("layer", "total", no_wrap=True)
    table.add_column("output", no_wrap=True, justify="right")
    table.add_column("kernel", no_wrap=True)
    table.add_column("parameters", f"{whole['parameters']:,}", no_wrap=True, justify="right")
    table.add_column("share", no_wrap=True, justify="right")
    table.add_column("multiply-adds", f"{whole['multiply_adds']:,}", no_wrap=True, justify="right")
    table.add_column("share", no_wrap=True, justify="right")
    table.add_column("bytes", f"{whole['bytes']:,}", no_wrap=True, justify="right")
    for row in rows:
        table.add_row(
            row.layer,
            " x ".join(map(str, row.output)),
            row.kernel,
            *_count_and_share(row.parameters, whole["parameters"]),
            *_count_and_share(row.multiply_adds, whole["multiply_adds"]),
            f"{row.bytes:,}",
        )
    return table


def _count_and_share(count, whole):
    return (f"{count:,}", f"{count / whole:.1%}") if count else ("", "")


def _place(cell):
    return (
        "total" if cell.layer == "total" else f"{cell.layer[:-1]} layers"
    ) + f", {cell.quantity}"


def theory_table(cells: list[Cell]) -> Table:
    """The page's cells, a star at each wrong one and the right value beside it."""
    table = Table(box=box.SIMPLE, padding=(0, 1))
    table.add_column("layer", no_wrap=True)
    for quantity in QUANTITIES:
        table.add_column(quantity, no_wrap=True, justify="right")
        table.add_column("right value", no_wrap=True, justify="right")
    for layer in THEORY_PAGE:
        texts = [layer]
        for cell in cells:
            if cell.layer == layer:
                wrong = cell.published != cell.right
                texts.append(f"{cell.published:,}" + (" *" if wrong else "  "))
                texts.append(f"{cell.right:,}" if wrong else "")
        table.add_row(*texts)
    return table


# --- the command ----------------------------------------------------------------------------------


def _arguments(argv):
    parser = argparse.ArgumentParser(
        prog="python -m alexnet.summary", description="The table of a network's layers."
    )
    parser.add_argument("--spec", default="paper", help=f"one of {', '.join(SPECS)}")
    parser.add_argument("--image-size", type=int, help="rows and columns; default: the spec's")
    parser.add_argument("--num-classes", type=int, help="default: as published")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    parser.add_argument("--activation", choices=ACTIVATIONS)
    parser.add_argument("--norm", choices=NORMS)
    parser.add_argument("--pool", type=int, nargs=2, metavar=("WINDOW", "STRIDE"))
    parser.add_argument("--dropout", type=float, help="probability to drop; 0: no dropout layers")
    parser.add_argument("--groups", type=int, choices=(1, 2))
    parser.add_argument("--width", type=float, default=1.0, help="factor on every width")
    parser.add_argument("--init", choices=INITS, help="initial weights; no figure depends on it")
    return parser, parser.parse_args(argv)


def main(argv=None) -> int:
    parser, arguments = _arguments(argv)
    names = ("activation", "norm", "pool", "dropout", "groups", "init")
    changes = {name: getattr(arguments, name) for name in names}
    changes = {name: value for name, value in changes.items() if value is not None}
    changes |= {"width": arguments.width} if arguments.width != 1.0 else {}
    try:
        published = find_spec(arguments.spec)
        classes = arguments.num_classes
        classes = published.num_classes if classes is None else classes
        image_size = arguments.image_size
        image_size = published.image_size if image_size is None else image_size
        spec = changed(published, **changes)
        rows = summarize(plan(spec, classes, image_size))
    except ValueError as error:
        parser.error(str(error))  # exits with 2
    described = (spec.name, classes, image_size)
    as_on_the_page = described == ("single-tower", 1000, 227) and spec == published
    cells = theory_page(rows) if as_on_the_page else []
    if arguments.json:
        _print_json(spec, classes, image_size, changes, rows, cells)
    else:
        _print_tables(spec, classes, image_size, changes, rows, cells)
    return 0


def _print_json(spec, classes, image_size, changes, rows, cells):
    record = {"spec": spec.name, "source": spec.source, "num_classes": classes}
    record |= {"image_size": image_size, "changes": changes}
    record |= {"layers": [asdict(row) for row in rows], "totals": totals(rows)}
    if cells:
        record["theory_page"] = [asdict(cell) for cell in cells]
    print(json.dumps(record, indent=1))


def _print_tables(spec, classes, image_size, changes, rows, cells):
    console = Console()
    console.width = max(console.width, 120)  # less would cut figures short; a pipe claims 80
    print(f"{spec.name}: {spec.source}")
    print(f"input 3 x {image_size} x {image_size}, {classes} classes, one image")
    if changes:
        print("changed: " + ", ".join(f"{name} {value}" for name, value in changes.items()))
    console.print(layer_table(rows))
    if cells:
        print("The theory page's table, * where it is inconsistent:")
        console.print(theory_table(cells))
        notes = dict.fromkeys(f"* {_place(cell)}: {cell.note}." for cell in cells if cell.note)
        print("\n".join((*notes, *theory_page_shares(), *REMARKS)))


if __name__ == "__main__":
    sys.exit(main())
