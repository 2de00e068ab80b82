"""What alexnet.explain prints: tables, JSON, or the lines of a kernel."""

import json
import sys

import numpy as np
from rich import box
from rich.table import Table
from rich.text import Text

from alexnet.cli.console import wide_console
from alexnet.inside.explanation import Explanation
from alexnet.inside.line_by_line import Line
from alexnet.inside.sections import heading, sections


def print_text(title: str, explained: Explanation, before: str, image_size: int) -> None:
    """Print the heading and every table."""
    console = wide_console()
    for line in [title, *heading(explained, before, image_size)]:
        console.print(Text(line))
    for section in sections(explained, before):
        console.print()
        console.print(Text(section.title, style="bold"))
        console.print(_table(section))
        if section.note:
            console.print(Text(section.note))


def _table(section):
    table = Table(box=box.SIMPLE, padding=(0, 1), show_edge=False)
    for number, name in enumerate(section.columns):
        table.add_column(name, justify="left" if number == 0 else "right", no_wrap=True)
    for number, row in enumerate(section.rows):
        table.add_row(*map(Text, row), style="bold" if number in section.marked else None)
    return table


def print_json(title: str, explained: Explanation, before: str) -> None:
    """Print the Explanation as one JSON object. Exact numbers are fractions, "p/q"."""
    steps, gradient = explained.arithmetic, explained.gradient
    record = {
        "title": title,
        "layer": explained.layer,
        "kind": explained.kind,
        "arguments": explained.arguments,
        "at": explained.at,
        "value": explained.value,
        "pixels": {
            name: [part.start, part.stop]
            for name, part in zip(("rows", "columns"), explained.pixels, strict=True)
        },
        "formula": steps.formula,
        "reads": before,
        "corner": steps.corner,
        "read": _list(steps.read),
        "weights": _list(steps.weights),
        "terms": _list(steps.terms),
        "chosen": steps.chosen,
        "steps": {name: float(value) for name, value in steps.steps.items()},
        "exact": str(steps.exact),
        "computed": [vars(each) for each in explained.computed],
    }
    if gradient is not None:
        record["gradient"] = {
            "label": gradient.label,
            "by_output": gradient.by_output,
            "by_inputs": _list(gradient.by_inputs),
            "by_weights": _list(gradient.by_weights),
        }
    print(json.dumps(record))


def _list(array):
    return None if array is None else np.asarray(array).tolist()


# --- line by line ---------------------------------------------------------------------------------


def print_lines(lines: list[Line], traced) -> None:
    """Print each line of the kernel where it first runs, and how often it ran; on a terminal wait
    for Enter after each."""
    console = wide_console()
    if not lines:
        print(f"{traced.name} ({traced.kind}) has no kernel in test mode: it passes its input on")
        return
    turns = {(line.file, line.number): line.turn for line in lines}
    wait = sys.stdin.isatty() and sys.stdout.isatty()
    file = None
    for line in lines:
        if line.turn > 1:
            continue
        if line.file != file:
            file = line.file
            console.print(Text(f"tinynet/backends/numpy/{file}", style="bold"))
        count = turns[line.file, line.number]
        often = f"   ({count:,} times)" if count > 1 else ""
        console.print(Text(f"{line.number:4}  {line.source}{often}"))
        for name, text in line.changed.items():
            console.print(Text(f"          {name} = {text}", style="cyan"))
        if wait and sys.stdin.readline().strip() != "":
            return
