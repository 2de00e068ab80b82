"""python -m alexnet.summary: every layer's output, kernel, parameters, multiply-adds and memory.

The numbers are network/layer_numbers.py's. The table fits 80 columns, in a pipe too; --json has the
bytes of each layer. --receptive-fields prints the pixels that an output sees
(network/receptive_fields.py), and --diff what differs between two specs (network/differences.py).
"""

import argparse
import json
import sys
import textwrap
from dataclasses import asdict

from rich import box
from rich.table import Table

from alexnet.cli import ending, flags
from alexnet.cli.console import wide_console
from alexnet.network import web_table
from alexnet.network.differences import Network, as_table, differences
from alexnet.network.layer_numbers import Row, summarize, totals
from alexnet.network.plan import plan
from alexnet.network.receptive_fields import as_table as receptive_table
from alexnet.network.receptive_fields import field
from alexnet.network.specs import SPECS, find_spec
from alexnet.network.variants import changed, in_words

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
    parser.add_argument(
        "--receptive-fields",
        action="store_true",
        help="print how many pixels an output of each layer sees, how far the next output's pixels "
        "lie, and the first pixel of the first output, below 0 in the padding",
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
    if args.diff and args.receptive_fields:
        parser.error("--receptive-fields is about one network; leave out --diff")
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
    if args.receptive_fields:
        _print_fields(networks[0], image_size, args.json)
        return 0
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
        print(_wrapped(f"changed: {', '.join(in_words(changes))}"))
    console.print(layer_table(rows))
    print("\n".join(shares(rows)))
    if cells:
        print("\nThe table of a widely copied web text, * where it contradicts itself:")
        console.print(web_table.as_table(cells))
        print("\n".join(map(_wrapped, web_table.notes(cells))))


def _print_fields(network, image_size, as_json):
    """The receptive fields of all layers."""
    layers = network.layers
    if as_json:
        fields = {layer.name: asdict(field(layers, layer.name)) for layer in layers}
        print(json.dumps({"spec": network.spec.name, "image_size": image_size, "fields": fields}))
        return
    print(f"{network.spec.name}, images of {image_size} x {image_size} pixels")
    wide_console().print(receptive_table(layers))


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
        print(_wrapped(f"changed in both: {', '.join(in_words(changes))}"))
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
