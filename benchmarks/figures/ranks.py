"""Figures of benchmarks.scaling --ranks: tables, and efficiency against ranks as a picture.

A step's time is computing (forward, backward, update), exchanging (starting sums of gradients
during backward, and letting them advance) and waiting for the rest. What the thread that moves sums
takes from a processor (tinynet/parallel/mpi.py) is in computing. MB: of a rank in a step, as
tinynet counts them, by the formula of a sum around a ring, and of frames on the link.
"""

from rich import box
from rich.table import Table

from alexnet.cli.console import wide_console
from benchmarks import machine
from benchmarks.figures import parallel_model

NAMES = {"tinynet": "tinynet", "pytorch": "PyTorch DDP"}
WHICH = ("program", "ranks", "threads", "batch", "Gbit/s")
TIMES = (*WHICH, "ms a step", "middle 80 %", "images/s", "efficiency", "x PyTorch")
PARTS = (*WHICH, "computing, ms", "exchanging", "waiting", "MB sent", "by formula", "in frames")


def print_report(report) -> None:
    """Times, and where they go."""
    note = "" if report["idle"] else "; not idle: other programs ran too"
    print(f"{machine.words(report['machine'])}; backend {report['backend']}{note}")
    for headings, rows in tables(report["points"]):
        table = Table(box=box.SIMPLE, padding=(0, 1), title=f"{report['network']}: ranks")
        for heading in headings:
            table.add_column(heading, justify="right")
        for row in rows:
            table.add_row(*row)
        wide_console().print(table)
    if report["model"]:
        print(parallel_model.words(report["model"]))


def tables(points) -> list[tuple[list[str], list[list[str]]]]:
    """[(headings, rows of cells)]: the times of all points, and where they go, for those that tell
    it. Columns without a cell are left out."""
    parts = [point for point in points if split(point["stages"]) or point["frame_bytes"]]
    both = [(TIMES, [which(p) + times(p) for p in points])]
    both.append((PARTS, [which(p) + where(p) for p in parts]))
    return [_filled(headings, rows) for headings, rows in both if rows]


def _filled(headings, rows):
    kept = [i for i in range(len(headings)) if any(row[i] for row in rows)]
    return [headings[i] for i in kept], [[row[i] for i in kept] for row in rows]


def which(point) -> list[str]:
    numbers = [str(point[name]) for name in ("ranks", "threads", "batch_size")]
    link = "" if point["gbit"] is None else f"{point['gbit']:g}"
    return [NAMES[point["program"]], *numbers, link]


def times(point) -> list[str]:
    median, low, high = (1e3 * point["seconds"][what] for what in ("median", "low", "high"))
    share, ratio = point.get("efficiency"), point.get("times_as_fast_as_pytorch")
    return [
        f"{median:,.0f}", f"{low:,.0f} - {high:,.0f}", f"{point['images_per_second']:,.1f}",
        f"{share['median']:.0%}" if share else "",
        f"{ratio['median']:.2f} ({ratio['low']:.2f} - {ratio['high']:.2f})" if ratio else "",
    ]  # fmt: skip


def where(point) -> list[str]:
    parts = split(point["stages"])
    stages = [f"{1e3 * seconds:,.0f}" for seconds in parts.values()] if parts else [""] * 3
    sent = sum(point["sent_bytes"].values()) or None
    return [*stages, *map(_mb, (sent, point["formula_bytes"] or None, point["frame_bytes"]))]


def _mb(count):
    return "" if count is None else f"{count / 1e6:,.1f}"


def split(stages) -> dict[str, float] | None:
    """{"computing", "exchanging", "waiting"}, seconds of a step; None where the program does not
    tell its sums from its backward."""
    if "waiting" not in stages:
        return None
    computing = sum(stages[name] for name in ("forward", "backward", "update"))
    return {
        "computing": computing, "exchanging": stages["exchange"], "waiting": stages["waiting"]
    }  # fmt: skip


def draw(report, path) -> None:
    """Left: efficiency against ranks. Right: where tinynet's step goes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5), dpi=110, layout="constrained")
    left, right = figure.subplots(1, 2)
    alone, lines = {}, {}
    for row in (row for row in report["points"] if "efficiency" in row):
        line = f"{NAMES[row['program']]}, batch {row['batch_size']}"
        point = row["ranks"], row["efficiency"]["median"]
        if row["ranks"] == 1:
            alone[line] = point
        else:
            lines.setdefault((line, _link(row)), [alone[line]]).append(point)
    for (line, link), points in lines.items():
        left.plot(*zip(*points, strict=True), "o-", label=line + link)
    sizes = sorted({row["ranks"] for row in report["points"]})
    left.set(xlabel="ranks", ylabel="efficiency", xticks=sizes)
    left.set_ylim(0, 1.08 * left.get_ylim()[1])
    left.grid(alpha=0.25)
    if lines:
        left.legend(fontsize=7)
    own = [row for row in report["points"] if split(row["stages"])]
    bottom = [0.0] * len(own)
    for part in ("computing", "exchanging", "waiting"):
        heights = [1e3 * split(row["stages"])[part] for row in own]
        right.bar(range(len(own)), heights, bottom=bottom, label=part)
        bottom = [low + high for low, high in zip(bottom, heights, strict=True)]
    names = [f"{row['ranks']} ranks, batch {row['batch_size']}{_link(row)}" for row in own]
    right.set_xticks(range(len(own)), names, rotation=90, fontsize=7)
    right.set(ylabel="tinynet: ms a step")
    right.legend(fontsize=8)
    figure.suptitle(f"{report['network']}\n{machine.words(report['machine'])}", fontsize=10)
    figure.savefig(path)


def _link(row):
    return "" if row["gbit"] is None else f", {row['gbit']:g} Gbit/s"
