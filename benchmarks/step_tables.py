"""The tables of benchmarks/step.py: what each program took, and tinynet beside the others."""

from rich import box
from rich.table import Table

STAGES = ("forward", "backward", "update", "data")


def program_table(report: dict) -> Table:
    """One line a program: images/s, milliseconds of the step and its stages, share of sgemm, peak
    memory."""
    given, machine = report["options"], report["machine"]
    changes = "".join(f", {name} {value}" for name, value in given["changes"].items())
    rate = report["sgemm_gflop_per_second"]["spread"][0]
    title = (
        f"{given['what']}, {given['spec']}{changes}, {given['image_size']} x "
        f"{given['image_size']}, batch {given['batch_size']}, {given['threads']} threads"
        f"{'' if report['idle'] else ', NOT IDLE'}"
    )
    caption = (
        f"medians, (middle 80 %) of {given['rounds']} rounds of {given['steps_a_turn']} steps; "
        f"milliseconds; {machine['processor']}, {machine['processors']} processors, sgemm "
        f"{rate:.0f} GFLOP/s"
    )
    table = Table(title=title, caption=caption, box=box.SIMPLE, padding=(0, 1))
    table.add_column("program", no_wrap=True)
    for column in ("images/s", "step", *STAGES, "of sgemm", "memory"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, row in report["programs"].items():
        milliseconds, peak = row["milliseconds"], row["peak_bytes"]
        table.add_row(
            name,
            _spread(row["images_per_second"], 1),
            _number(milliseconds["seconds"][0]),
            *(_number(milliseconds[stage][0]) if stage in milliseconds else "" for stage in STAGES),
            f"{row['of_sgemm'][0]:.0%}",
            f"{peak / 1e9:.2f} GB" if peak else "",
        )
    return table


def ratio_table(report: dict) -> Table:
    """One line a ratio, with its bound."""
    table = Table(title="tinynet", box=box.SIMPLE, padding=(0, 1))
    table.add_column("", no_wrap=True)
    for column in ("measured", "bound", ""):
        table.add_column(column, justify="right", no_wrap=True)
    for row in report["ratios"]:
        ratio, bound = row["ratio"], row["bound"]
        table.add_row(
            row["what"],
            _spread(ratio, 2),
            "" if bound is None else f"{'<=' if row['at_most'] else '>='} {bound}",
            "" if bound is None else "met" if met(row) else "missed",
        )
    return table


def met(row: dict) -> bool:
    """Whether a ratio keeps its bound."""
    middle = row["ratio"][0]
    return middle <= row["bound"] if row["at_most"] else middle >= row["bound"]


def _spread(three, digits):
    middle, low, high = three
    if low == high:
        return f"{middle:.{digits}f}"
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def _number(milliseconds):
    """Three digits at least: 2,104 and 13.4 and 0.82."""
    digits = 0 if milliseconds >= 100 else 1 if milliseconds >= 10 else 2
    return f"{milliseconds:,.{digits}f}"
