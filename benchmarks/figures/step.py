"""The figures of benchmarks/step.py: images a second, shares, ratios; as tables.

A turn is a list of steps, {"seconds", "forward", ...}; a spread is (median, low, high), where the
middle 80 % lie from low to high.
"""

import statistics

from rich import box
from rich.table import Table

from benchmarks import machine

STAGES = ("seconds", "forward", "backward", "update", "data", "host_seconds")
COLUMNS = {"seconds": "step", "host_seconds": "host"}  # where they differ from the stage


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
        shares = [flop * speed / 1e9 / rate for speed, rate in zip(speeds, rates, strict=True)]
        figures[name] = {
            "milliseconds": {
                stage: machine.spread(1e3 * step[stage] for step in steps)
                for stage in STAGES
                if stage in steps[0]
            },
            "images_per_second": machine.spread(speeds),
            "of_sgemm": machine.spread(shares),
        }
    return figures


def _speeds(rounds, batch_size):
    """Images a second of each round."""
    return [batch_size / statistics.median(step["seconds"] for step in turn) for turn in rounds]


def ratios(turns, figures, peaks) -> dict:
    """{what: spread}: tinynet's images/s over the other programs', by rounds, and its peak memory
    over PyTorch's."""
    rows = {}
    ways = [name for name in turns if name.startswith("pytorch")]
    best = max(ways, key=lambda name: figures[name]["images_per_second"][0], default=None)
    for ours in turns:
        if ours.startswith("tinynet"):
            for name in turns:
                if not name.startswith("tinynet"):
                    pairs = zip(_speeds(turns[ours], 1), _speeds(turns[name], 1), strict=True)
                    note = " (PyTorch's best)" if name == best and len(ways) > 1 else ""
                    rows[f"{ours} over {name}{note}"] = machine.spread(a / b for a, b in pairs)
    if peaks.get("tinynet") and peaks.get("pytorch"):
        rows["peak memory, tinynet over pytorch"] = (peaks["tinynet"] / peaks["pytorch"],) * 3
    return rows


# --- tables ---------------------------------------------------------------------------------------


def program_table(report: dict) -> Table:
    """One line a program: images/s, milliseconds of the step and its stages, share of sgemm, peak
    memory."""
    options, rate = report["options"], report["sgemm_gflop_per_second"]["spread"][0]
    table = Table(
        title=f"{options['what']}, {options['network']}, batch {options['batch_size']}, "
        f"{options['precision']}{'' if report['idle'] else ', NOT IDLE'}",
        caption=f"medians (middle 80 %) of {options['rounds']} rounds of "
        f"{options['steps_a_turn']} steps; milliseconds; sgemm {rate:,.0f} GFLOP/s; "
        f"{machine.words(report['machine'])}",
        box=box.SIMPLE,
    )
    programs = report["programs"]
    stages = [s for s in STAGES if any(s in row["milliseconds"] for row in programs.values())]
    table.add_column("program", no_wrap=True)
    for column in ("images/s", *(COLUMNS.get(s, s) for s in stages), "of sgemm", "memory"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, row in programs.items():
        times = [row["milliseconds"].get(stage, [None])[0] for stage in stages]
        cells = ["" if time is None else _number(time) for time in times]
        memory = f"{row['peak_bytes'] / 1e9:.2f} GB" if row["peak_bytes"] else ""
        speed = spread_words(row["images_per_second"], 1)
        table.add_row(name, speed, *cells, f"{row['of_sgemm'][0]:.0%}", memory)
    return table


def ratio_table(ratios: dict) -> Table:
    """One line a ratio."""
    table = Table("", "ratio", box=box.SIMPLE)
    for what, spread in ratios.items():
        table.add_row(what, spread_words(spread, 2))
    return table


def spread_words(spread, digits: int) -> str:
    """'2.40 (2.31 to 2.52)'."""
    middle, low, high = (f"{number:,.{digits}f}" for number in spread)
    return middle if low == high else f"{middle} ({low} to {high})"


def _number(milliseconds):
    """Three digits at least: 2,104 and 13.4 and 0.82."""
    digits = 0 if milliseconds >= 100 else 1 if milliseconds >= 10 else 2
    return f"{milliseconds:,.{digits}f}"
