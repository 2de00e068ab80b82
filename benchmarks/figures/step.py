"""The figures of benchmarks/step.py: images a second, shares, ratios with their bounds; as tables.

A turn is a list of steps, {"seconds", "forward", ...}; a spread is (median, low, high), where the
middle 80 % lie from low to high.
"""

import statistics

from rich import box
from rich.table import Table

from benchmarks import machine

STAGES = ("seconds", "forward", "backward", "update", "data", "host_seconds")
COLUMNS = {"seconds": "step", "host_seconds": "host"}  # where they differ from the stage
UNGROUPED = {"groups": 1, "norm": "none"}

# Of `paper` at its own size, on a processor with two threads, on a GPU: our speed over theirs and
# the share of sgemm, at least; in inference time, and memory, at most.
BOUNDS = {"pytorch": 2.2, "best": 1.6, "tensorflow": 1.0, "share": 0.85, "memory": 0.8}
UNGROUPED_BOUNDS = {"best": 1.2, "tensorflow": 1.0}
INFERENCE_BOUNDS = {"pytorch": 1.0, "best": 1.0}
GPU_BOUNDS = {"pytorch": 1.2, "pytorch-compiled": 1.0, "pytorch-compiled-channels-last": 1.0}


def summary(turns, rates, batch_size, flop) -> dict:
    """{name: figures}: milliseconds of each stage, images_per_second and of_sgemm, each a spread;
    the last two over rounds.

    turns  {name: [turn of each round]}
    rates  GFLOP/s of sgemm in each round
    flop   of an image
    """
    figures = {}
    for name, rounds in turns.items():
        steps = [step for turn in rounds for step in turn]
        speeds = _speeds(rounds, batch_size)
        figures[name] = {
            "milliseconds": {
                stage: machine.spread(1e3 * step[stage] for step in steps)
                for stage in STAGES
                if stage in steps[0]
            },
            "images_per_second": machine.spread(speeds),
            "of_sgemm": machine.spread(
                flop * speed / (rate * 1e9) for speed, rate in zip(speeds, rates, strict=True)
            ),
        }
    return figures


def _speeds(rounds, batch_size):
    """Images a second of each round."""
    return [batch_size / statistics.median(step["seconds"] for step in turn) for turn in rounds]


def ratios(turns, figures, peaks, what, bounds) -> list[dict]:
    """[{"what", "ratio": spread, "bound", "at_most"}, ...]: tinynet over the other programs, by
    rounds: speed in training, time in inference. bound: at_most or at least, None where none is."""
    rows = []

    def row(text, numbers, bound, at_most=False):
        ratio = machine.spread(numbers)
        rows.append({"what": text, "ratio": ratio, "bound": bound, "at_most": at_most})

    def against(ours, text, name, key):
        pairs = zip(_speeds(turns[ours], 1), _speeds(turns[name], 1), strict=True)
        who = "" if ours == "tinynet" else f"{ours}, "
        if what == "training":
            row(f"{who}images/s over {text}", (a / b for a, b in pairs), bounds.get(key))
        else:
            row(f"{who}time over {text}", (b / a for a, b in pairs), bounds.get(key), at_most=True)

    ways = [name for name in turns if name.startswith("pytorch")]
    for ours in turns:
        if not ours.startswith("tinynet"):
            continue
        for name in turns:
            if not name.startswith("tinynet"):
                against(ours, f"{name}'s", name, name)
        if len(ways) > 1:
            best = max(ways, key=lambda name: figures[name]["images_per_second"][0])
            against(ours, f"PyTorch's best, {best}", best, "best")
    if what == "training":
        share = figures["tinynet"]["of_sgemm"]
        rows.append(
            {"what": "of sgemm", "ratio": share, "bound": bounds.get("share"), "at_most": False}
        )
    if peaks.get("tinynet") and peaks.get("pytorch"):
        ratio = peaks["tinynet"] / peaks["pytorch"]
        row("peak memory over pytorch's", [ratio], bounds.get("memory"), at_most=True)
    return rows


def bounds_for(what, spec, changes, image_size, batch_size, threads, backend="numba") -> dict:
    """The bounds for this work; {} where none were set."""
    if spec != "paper" or image_size != 227:
        return {}
    if backend == "cupy":
        return GPU_BOUNDS if what == "training" and not changes and batch_size in (128, 512) else {}
    if threads != 2:
        return {}
    if what == "inference":
        return INFERENCE_BOUNDS if not changes and batch_size in (1, 128) else {}
    if batch_size != 128 or changes not in ({}, UNGROUPED):
        return {}
    return UNGROUPED_BOUNDS if changes else BOUNDS


def met(row: dict) -> bool:
    """Whether a ratio keeps its bound."""
    middle = row["ratio"][0]
    return middle <= row["bound"] if row["at_most"] else middle >= row["bound"]


# --- tables ---------------------------------------------------------------------------------------


def program_table(report: dict) -> Table:
    """One line a program: images/s, milliseconds of the step and its stages, share of sgemm, peak
    memory."""
    options, rate = report["options"], report["sgemm_gflop_per_second"]["spread"][0]
    changes = "".join(f", {name} {value}" for name, value in options["changes"].items())
    title = (
        f"{options['what']}, {options['spec']}{changes}, {options['image_size']} x "
        f"{options['image_size']}, batch {options['batch_size']}, {options['precision']}"
        f"{'' if report['idle'] else ', NOT IDLE'}"
    )
    caption = (
        f"medians, (middle 80 %) of {options['rounds']} rounds of {options['steps_a_turn']} steps; "
        f"milliseconds; sgemm {rate:,.0f} GFLOP/s; {machine.words(report['machine'])}"
    )
    table = Table(title=title, caption=caption, box=box.SIMPLE, padding=(0, 1))
    table.add_column("program", no_wrap=True)
    programs = report["programs"].values()
    stages = [stage for stage in STAGES if any(stage in row["milliseconds"] for row in programs)]
    columns = [COLUMNS.get(stage, stage) for stage in stages]
    for column in ("images/s", *columns, "of sgemm", "memory"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, row in report["programs"].items():
        milliseconds, peak = row["milliseconds"], row["peak_bytes"]
        table.add_row(
            name,
            _spread(row["images_per_second"], 1),
            *(_number(milliseconds[stage][0]) if stage in milliseconds else "" for stage in stages),
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
        bound = row["bound"]
        table.add_row(
            row["what"],
            _spread(row["ratio"], 2),
            "" if bound is None else f"{'<=' if row['at_most'] else '>='} {bound}",
            "" if bound is None else "met" if met(row) else "missed",
        )
    return table


def _spread(three, digits):
    middle, low, high = three
    if low == high:
        return f"{middle:.{digits}f}"
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def _number(milliseconds):
    """Three digits at least: 2,104 and 13.4 and 0.82."""
    digits = 0 if milliseconds >= 100 else 1 if milliseconds >= 10 else 2
    return f"{milliseconds:,.{digits}f}"
