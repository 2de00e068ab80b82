"""python -m alexnet.summary: every layer's output, kernel, parameters, multiply-adds and memory.

    convolution       parameters     out * (in / groups * kernel * kernel + 1)
                      multiply-adds  out * rows * columns * in / groups * kernel * kernel
    fully connected   parameters     out * (in + 1)
                      multiply-adds  out * in
    batch norm        parameters     2 * channels

Multiply-adds are counted for one image, without the additions of biases. Layers without a weighted
sum (activations, pools, normalisation) have none. Memory is the layer's output for one image in
float32. The rows are computed from the plan (network/plan.py): no network is made. The table fits
80 columns, in a pipe too; --json has the bytes of each layer. --diff names two specs and prints
what differs between them (network/differences.py).

Source: the definitions above.
"""

import argparse
import json
import math
import sys
import textwrap
from dataclasses import asdict, dataclass

import numpy as np
from rich import box
from rich.table import Table

from alexnet.cli import ending, flags
from alexnet.cli.console import wide_console
from alexnet.network import web_table
from alexnet.network.differences import Network, as_table, differences
from alexnet.network.plan import Layer, plan
from alexnet.network.specs import SPECS, find_spec
from alexnet.network.variants import changed

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
    """The number of inputs in the weighted sum of one output."""
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
    """The table's entry for the kernel, the window or the other numbers of a layer."""
    arguments = layer.arguments
    match layer.kind:
        case "Conv2d":
            depth = arguments["in_channels"] // arguments["groups"]
            text = f"{arguments['kernel']}x{arguments['kernel']}x{depth}"
            text += f" / {arguments['stride']}" if arguments["stride"] != 1 else ""
            text += " ceil" if arguments["ceil_mode"] else ""
            text += f" pad {arguments['padding']}" if arguments["padding"] else ""
            return text + (f" groups {arguments['groups']}" if arguments["groups"] > 1 else "")
        case "MaxPool2d" | "AvgPool2d":
            word = "max" if layer.kind == "MaxPool2d" else "average"
            text = f"{word} {arguments['window']}x{arguments['window']} / {arguments['stride']}"
            return text + (" ceil" if arguments["ceil_mode"] else "")
        case "AdaptiveAvgPool2d":
            return f"average to {arguments['size']}x{arguments['size']}"
        case "LocalResponseNorm":
            alpha = _scientific(arguments["alpha"])
            alpha += f"/{arguments['size']}" if arguments["divide_by_size"] else ""
            each = f"{arguments['groups']}x " if arguments["groups"] > 1 else ""  # one a tower
            return f"{each}LRN {arguments['size']} alpha {alpha} k {arguments['k']:g}"
        case "SameMapNorm":
            size, alpha = arguments["size"], _scientific(arguments["alpha"])
            return f"map {size}x{size} alpha {alpha}/{size**2} k {arguments['k']:g}"
        case "BatchNorm2d":
            return f"batch norm eps {arguments['eps']:g}"
        case "Dropout":
            return f"{arguments['drop']:g}, scaled in {arguments['scale']}"
        case _:
            return ""


def _scientific(number):
    return np.format_float_scientific(number, trim="-", exp_digits=1)


# --- printing -------------------------------------------------------------------------------------


def layer_table(rows: list[Row]) -> Table:
    """The rows and their totals."""
    whole = totals(rows)
    table = Table(show_footer=True, box=box.SIMPLE, padding=0, show_edge=False)
    table.add_column("layer", "total", no_wrap=True)
    table.add_column("output", no_wrap=True, min_width=14)  # 13 and a gap to the kernel
    table.add_column("kernel", no_wrap=True)
    table.add_column("parameters", f"{whole['parameters']:,}", no_wrap=True, justify="right")
    table.add_column("multiply-adds", f"{whole['multiply_adds']:,}", no_wrap=True, justify="right")
    table.add_column("kB", _kilobytes(whole["bytes"]), no_wrap=True, justify="right")
    for row in rows:
        table.add_row(
            row.layer,
            " x ".join(map(str, row.output)),
            row.kernel,
            f"{row.parameters:,}" if row.parameters else "",
            f"{row.multiply_adds:,}" if row.multiply_adds else "",
            _kilobytes(row.bytes),
        )
    return table


def _kilobytes(count):
    return f"{count / 1000:,.0f}" if count >= 1000 else f"{count / 1000:g}"


def shares(rows: list[Row]) -> list[str]:
    """A line each for the convolutions and the fully connected layers: their shares of the
    parameters and of the multiply-adds."""
    whole, lines = totals(rows), []
    for kind, name in (("conv", "convolutions"), ("fc", "fully connected")):
        part = totals([row for row in rows if row.layer.startswith(kind)])
        lines.append(
            f"{name:15} {part['parameters'] / whole['parameters']:6.1%} of the parameters, "
            f"{part['multiply_adds'] / whole['multiply_adds']:6.1%} of the multiply-adds"
        )
    return lines


# --- the command ----------------------------------------------------------------------------------


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m alexnet.summary",
        description="The table of a network's layers, or what differs between two networks.",
    )
    flags.add_network_flags(parser)
    parser.add_argument(
        "--diff",
        nargs=2,
        choices=SPECS,
        metavar="SPEC",
        help="print what differs between two specs, both with the other flags' changes: "
        "--diff paper code-2012",
    )
    parser.add_argument("--num-classes", type=flags.count, metavar="N", help="(as published)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    flags.add_version_flag(parser)
    return parser


def main(argv=None) -> int:
    """The command; returns its exit code (alexnet/cli/ending.py). Arguments that do not fit exit
    with 2."""
    return ending.run(lambda: _command(_parser(), argv), "alexnet.summary")


def _command(parser, argv):
    args = parser.parse_args(argv)
    changes = flags.network_changes(args)
    if args.diff and args.spec:
        parser.error(f"--diff names both specs; leave out --spec {args.spec}")
    try:
        networks = [_network(name, args, changes) for name in args.diff or [args.spec or "paper"]]
    except ValueError as error:
        parser.error(str(error))  # exits with 2
    if args.diff:
        show = _print_json_differences if args.json else _print_differences
        show(*networks, changes, differences(*networks))
        return 0
    spec, published = networks[0].spec, find_spec(args.spec or "paper")
    classes = args.num_classes or published.num_classes
    image_size = args.image_size or published.image_size
    rows = summarize(networks[0].layers)
    described = (spec.name, classes, image_size)
    in_the_web_table = described == ("single-tower", 1000, 227) and spec == published
    cells = web_table.web_table(rows) if in_the_web_table else []
    show = _print_json if args.json else _print_tables
    show(spec, classes, image_size, changes, rows, cells)
    return 0


def _network(name, args, changes):
    published = find_spec(name)
    spec = changed(published, **changes)
    classes = args.num_classes or published.num_classes
    return Network(spec, plan(spec, classes, args.image_size or published.image_size))


def _print_json(spec, classes, image_size, changes, rows, cells):
    record = {"spec": spec.name, "source": spec.source, "num_classes": classes}
    record |= {"image_size": image_size, "changes": changes}
    record |= {"layers": [asdict(row) for row in rows], "totals": totals(rows)}
    if cells:
        record["theory_page"] = [asdict(cell) for cell in cells]
    print(json.dumps(record, indent=1))


def _print_tables(spec, classes, image_size, changes, rows, cells):
    console = wide_console()
    print(_wrapped(f"{spec.name}: {spec.source}"))
    print(f"input 3 x {image_size} x {image_size}, {classes} classes, one image")
    if changes:
        text = ", ".join(f"{name} {value}" for name, value in changes.items())
        print(_wrapped(f"changed: {text}"))
    console.print(layer_table(rows))
    print("\n".join(shares(rows)))
    if cells:
        print("\nThe table of a widely copied web text, * where it contradicts itself:")
        console.print(web_table.as_table(cells))
        print("\n".join(map(_wrapped, web_table.notes(cells))))


# --- what differs ---------------------------------------------------------------------------------


def _print_json_differences(first, second, changes, found):
    names = [first.spec.name, second.spec.name]
    record = {"specs": names, "changes": changes, "differences": [asdict(row) for row in found]}
    print(json.dumps(record, indent=1))


def _print_differences(first, second, changes, found):
    names = [first.spec.name, second.spec.name]
    for network in (first, second):
        print(_wrapped(f"{network.spec.name}: {network.spec.source}"))
    if changes:
        text = ", ".join(f"{name} {value}" for name, value in changes.items())
        print(_wrapped(f"changed in both: {text}"))
    if not found:
        print(f"Nothing differs between {names[0]} and {names[1]}.")
        return
    wide_console().print(as_table(names, found))
    if not any("parameters" in (row.first or {}) for row in found):
        count = totals(summarize(first.layers))["parameters"]
        print(f"Both have {count:,} parameters.")


def _wrapped(text):
    """The text in lines of at most 80 columns."""
    return textwrap.fill(text, 80, subsequent_indent="  ")


if __name__ == "__main__":
    sys.exit(main())
