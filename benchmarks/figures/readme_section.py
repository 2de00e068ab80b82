"""The README's section on speed: paragraphs and tables in Markdown, of the results of full runs.

Reports come by the names of their files, benchmarks.readme.RESULTS. A speed is images/s, a spread
(median, low, high). The number after × says how many times as fast tinynet is, round by round.
"""

import datetime
import statistics

from benchmarks import machine
from benchmarks.figures import growth, layer_bars
from benchmarks.programs.process import PROGRAMS

UNMEASURED = (
    "Not measured yet. `python -m benchmarks.readme` writes the figures here; its `--help` names "
    "the commands that measure them."
)
HEADINGS = {
    "step-paper.json": "training, `paper`, batch 128",
    "step-ungrouped.json": "training, no groups, no LRN, batch 128",
    "inference-128.json": "inference, `paper`, batch 128",
    "inference-1.json": "inference, `paper`, batch 1",
    "pipeline-cifar10.json": "CIFAR-10",
    "pipeline-jpeg.json": "JPEGs of 256 x 256",
}
NAMES = {
    "tinynet": "tinynet", "pytorch": "PyTorch, eager",
    "pytorch-channels-last": "PyTorch, channels last", "pytorch-compiled": "PyTorch, compiled",
    "tensorflow": "TensorFlow, graph mode", "jax": "JAX",
}  # fmt: skip
LIBRARIES = {
    "python": "Python", "numpy": "NumPy", "numba": "Numba", "scipy": "SciPy", "torch": "PyTorch",
    "tensorflow": "TensorFlow", "jax": "JAX",
}  # fmt: skip
SWEEPS = {
    "batch": "images in a batch", "image": "rows, and columns, of an image", "threads": "threads",
    "depth": "convolutional blocks",
}  # fmt: skip
LEFT_OUT = "left out"


class OtherResult(Exception):
    """A result that does not fit. name: its file's; why: words that continue the name."""

    def __init__(self, name, why):
        super().__init__(f"{name} {why}")
        self.name, self.why = name, why


def section(reports: dict[str, dict]) -> str:
    """The section, of {name: report}, one or more.

    Raises OtherResult for a report that lacks figures, or that is of another machine or version
    than the first one.
    """
    makers = {
        "step": _step_column, "layers": _layers, "pipeline": _pipeline_row, "scaling": _scaling,
    }  # fmt: skip
    parts, abouts, stages = {kind: {} for kind in makers}, {}, []
    for name, report in reports.items():
        try:
            kind = report["benchmark"]
            abouts[name] = _about(report)
            parts[kind][name] = makers[kind](name, report)
            stages += [_stages(report)] if name == "step-paper.json" else []
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise OtherResult(name, f"lacks figures ({type(error).__name__}: {error})") from error
    paragraphs = [_measured(abouts)]
    if parts["step"]:
        paragraphs.append(_step_table(reports, parts["step"]))
    paragraphs += [*stages, *parts["layers"].values()]
    if parts["pipeline"]:
        paragraphs.append(_pipeline_table(parts["pipeline"].values()))
    return "\n\n".join([*paragraphs, *parts["scaling"].values()])


# --- with what ------------------------------------------------------------------------------------


def _about(report):
    """{"machine", "idle", "day", "python", "numpy", ..., "torch", ...} of a report. Python and
    NumPy are tinynet's own; a peer in another environment has others."""
    about = report["machine"]
    versions = [row["versions"] for row in report.get("programs", {}).values()]
    versions += report.get("versions", {}).values()
    versions += [{"torch": report["pytorch"]}] if report.get("pytorch") else []
    facts = {name: text for each in versions for name, text in each.items() if name in LIBRARIES}
    facts |= {name: about[name] for name in ("python", "numpy", "numba", "scipy")}
    return facts | {
        "machine": machine.words(about),
        "idle": report["idle"],
        "day": datetime.datetime.fromisoformat(about["date"]).date(),
    }


def _measured(abouts):
    """The sentence on machine, versions, dates and figures."""
    common, source = {}, {}
    for name, about in abouts.items():
        for key, value in about.items():
            if key in ("idle", "day"):
                continue
            if common.setdefault(key, value) != value:
                raise OtherResult(name, f"is of {key} {value}, {source[key]} of {common[key]}")
            source.setdefault(key, name)
    days = [about["day"] for about in abouts.values()]
    dates = " to ".join(f"{day.day} {day:%B %Y}" for day in dict.fromkeys((min(days), max(days))))
    versions = [f"{text} {common[name]}" for name, text in LIBRARIES.items() if name in common]
    idle = all(about["idle"] for about in abouts.values())
    return (
        f"Measured on {dates}: {common['machine']}, float32, {', '.join(versions)}. The programs "
        "compute the same numbers and take turns. Figures are medians, with the middle 80 % in "
        "brackets; × says how many times as fast tinynet is."
        + ("" if idle else " Not idle: other programs ran on the machine too.")
    )


def _not_idle(report):
    return "" if report["idle"] else " (not idle)"


# --- step -----------------------------------------------------------------------------------------


def _step_column(name, report):
    """{program: its cell}: images/s, tinynet's speed over it, in training its peak memory."""
    seconds = {
        program: [statistics.median(step["seconds"] for step in turn) for turn in row["turns"]]
        for program, row in report["programs"].items()
    }
    cells = dict.fromkeys(report["failed"], LEFT_OUT)
    for program, row in report["programs"].items():
        lines = [_spread(row["images_per_second"])]
        if program != "tinynet":
            pairs = zip(seconds[program], seconds["tinynet"], strict=True)
            ratio = machine.spread(theirs / ours for theirs, ours in pairs)
            lines.append(f"× {_spread(ratio, 2)}")
        if report["options"]["what"] == "training" and row["peak_bytes"]:
            lines.append(f"{row['peak_bytes'] / 1e9:.2f} GB")
        cells[program] = "<br>".join(lines)
    return cells


def _step_table(reports, columns):
    """All programs and works, and a sentence on those that are left out."""
    headings = [HEADINGS[name] + _not_idle(reports[name]) for name in columns]
    rows = [
        [NAMES[program], *(cells.get(program, "") for cells in columns.values())]
        for program in PROGRAMS
        if any(program in cells for cells in columns.values())
    ]
    table = _table(["images/s; peak memory", *headings], rows)
    if any(LEFT_OUT in row for row in rows):
        table += f"\n\n{LEFT_OUT.capitalize()}: did not run, or computed other numbers."
    return table


def _stages(report):
    ours = report["programs"]["tinynet"]
    middle = {stage: spread[0] for stage, spread in ours["milliseconds"].items()}
    share, low, high = (f"{100 * number:.0f}" for number in ours["of_sgemm"])
    return (
        f"A training step of `paper` takes tinynet {middle['seconds']:,.0f} ms: forward "
        f"{middle['forward']:,.0f}, backward {middle['backward']:,.0f}, update "
        f"{middle['update']:,.0f}. Counted as in the definition of the layers, its multiplications "
        f"run at {share} % ({low} to {high}) of the rate of sgemm, "
        f"{report['sgemm_gflop_per_second']['spread'][0]:.0f} GFLOP/s; by Winograd's algorithm "
        "there are fewer."
    )


# --- layers, pipeline, scaling --------------------------------------------------------------------


def _layers(name, report):
    """The picture and its caption. Raises KeyError for a report that cannot be drawn."""
    layer_bars.times(report)
    sums = report["totals"]["all"]
    text = f"Each layer by itself: together {1e3 * sums['tinynet']:,.0f} ms in tinynet"
    if "pytorch" in sums:
        text += f", {1e3 * sums['pytorch']:,.0f} ms in PyTorch, eager"
    picture = f"benchmarks/results/{name.removesuffix('.json')}.png"
    return f"![The time of each layer]({picture})\n\n{text}{_not_idle(report)}."


def _pipeline_row(name, report):
    """The cells of one kind of data."""
    cells = {program: _spread(speed) for program, speed in report["images_per_second"].items()}

    def ratio(ours, theirs, digits):
        pairs = zip(report["turns"][ours], report["turns"][theirs], strict=True)
        return _spread(machine.spread(b["seconds"] / a["seconds"] for a, b in pairs), digits)

    cells["pipeline"] += f"<br>{ratio('pipeline', 'network', 1)} times the network's"
    if "pytorch" in cells:
        cells["pytorch"] += f"<br>× {ratio('training', 'pytorch', 2)}"
    label = f"{HEADINGS[name]}{_not_idle(report)}: {report['network']}"
    return [label, *(cells.get(key, "") for key in ("pipeline", "network", "training", "pytorch"))]


def _pipeline_table(rows):
    headings = ("data path alone", "network alone, ready batch", "training, both at once")
    return _table(["images/s", *headings, "PyTorch, eager, ready batch"], rows)


def _scaling(name, report):
    """The laws of all sweeps."""
    rows = [
        [SWEEPS[sweep], growth.text(of["time"], 1e3, "ms"), growth.text(of["memory"], 1e-6, "MB")]
        for sweep, of in report["sweeps"].items()
    ]
    return (
        f"How a training step grows with n, the others as in {report['network']}"
        f"{_not_idle(report)}:\n\n" + _table(["n", "time", "peak memory"], rows)
    )


# --- text -----------------------------------------------------------------------------------------


def _table(headings, rows):
    """A Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _spread(three, digits=None):
    """'18.7 (18.5 to 18.9)'; digits behind the point, by default as for images/s."""
    if digits is None:
        digits = 0 if three[0] >= 100 else 1
    middle, low, high = (f"{number:,.{digits}f}" for number in three)
    return f"{middle} ({low} to {high})"
