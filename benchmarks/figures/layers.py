"""The figures of benchmarks/layers.py: rates, shares of a roof, ratios, totals; as a table."""

import statistics

from rich import box
from rich.table import Table

from benchmarks import machine

PRODUCTS = ("Conv2d", "Linear")  # kinds that are bound by arithmetic


def roof(precision: str) -> str:
    """The name of the rate of products, "sgemm" or "sgemm tf32"."""
    return "sgemm" if precision == "float32" else f"sgemm {precision}"


def empty_row(layer, what, need, precision="float32") -> dict:
    """The report's row of one direction of a layer, without figures. need: from work.work()."""
    return {
        "layer": layer.name, "kind": layer.kind, "direction": what, "precision": precision,
        "flop": need.flop, "bytes": need.bytes,
    }  # fmt: skip


def rows_of(layer, todo, measured, rates, precision="float32") -> list[dict]:
    """The report's rows of one layer: one for each direction.

    todo      from work.work()
    measured  {program: {direction: [[seconds of each run] of each round]}}
    rates     {roof: GFLOP/s, or GB/s of "copy"}
    """
    rows = []
    for what, need in todo.items():
        seconds = {name: _spread(rounds[what]) for name, rounds in measured.items()}
        ours, bound = seconds["tinynet"]["median"], "copy"
        if layer.kind in PRODUCTS:
            bound = roof(precision)
        gflops, gbytes = need.flop / ours / 1e9, need.bytes / ours / 1e9
        row = empty_row(layer, what, need, precision)
        row |= {"seconds": seconds, "gflops": gflops, "gbytes": gbytes, "roof": bound}
        row["share"] = (gbytes if bound == "copy" else gflops) / rates[bound]
        if "pytorch" in measured:
            pairs = zip(measured["tinynet"][what], measured["pytorch"][what], strict=True)
            ratios = [statistics.median(a) / statistics.median(b) for a, b in pairs]
            row["ratio"] = statistics.median(ratios)
        rows.append(row)
    return rows


def _spread(rounds):
    median, low, high = machine.spread([seconds for turn in rounds for seconds in turn])
    return {"median": median, "low": low, "high": high}


def totals(rows, rates) -> dict:
    """Sums of the rows' median seconds in float32, by direction and of all: the time of a training
    step if its layers ran as they do alone. share: the products' FLOP over the time of everything,
    of the sgemm rate. Rows with an error count nowhere."""
    rows = [row for row in rows if "error" not in row and row["precision"] == "float32"]
    sums = {}
    for what in dict.fromkeys([*(row["direction"] for row in rows), "all"]):
        those = [row for row in rows if what in (row["direction"], "all")]
        sums[what] = {
            name: sum(row["seconds"][name]["median"] for row in those)
            for name in (those[0]["seconds"] if those else ())
        }
        if "pytorch" in sums[what]:
            sums[what]["ratio"] = sums[what]["tinynet"] / sums[what]["pytorch"]
    if rows:
        flop = sum(row["flop"] for row in rows if row["roof"] == "sgemm")
        sums["all"]["share"] = flop / sums["all"]["tinynet"] / 1e9 / rates["sgemm"]
    return sums


def layer_table(report) -> Table:
    """One line a layer, direction and precision, and the totals."""
    peer, rates = report["pytorch"], report["rates"]
    factor, unit = (1e6, "µs") if "gpu" in report["machine"] else (1e3, "ms")
    roofs = (
        f"{name} {rate:,.1f} {'GB/s' if name == 'copy' else 'GFLOP/s'}"
        for name, rate in rates.items()
    )
    table = Table(
        title=f"{report['network']}, batch {report['batch_size']}, backend {report['backend']}"
        + ("" if report["idle"] else ", NOT IDLE"),
        caption=f"medians of {report['rounds']} rounds; roofs: {', '.join(roofs)}; "
        f"{machine.words(report['machine'])}; "
        + (f"PyTorch {peer}" if peer else "PyTorch is not installed: no peer, no ratio"),
        box=box.SIMPLE, padding=(0, 1),
    )  # fmt: skip
    for heading in ("layer", "", ""):
        table.add_column(heading, no_wrap=True)
    headings = [unit, "middle 80 %", "GFLOP/s", "GB/s", "share"]
    for heading in headings + ([f"PyTorch {unit}", "ratio"] if peer else []):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in report["layers"]:
        precision = "" if row["precision"] == "float32" else row["precision"]
        table.add_row(row["layer"], row["direction"], precision, *_cells(row, factor))
    table.add_section()
    for what, sums in report["totals"].items():
        cells = [_digits(factor * sums[name]) for name in ("tinynet", "pytorch") if name in sums]
        share = f"{sums['share']:.0%}" if "share" in sums else ""
        ratio = [f"{sums['ratio']:.2f}"] if "ratio" in sums else []
        table.add_row("total", what, "", *cells[:1], "", "", "", share, *cells[1:], *ratio)
    return table


def _cells(row, factor):
    if "error" in row:
        return ["error"]
    ours, peer = ({n: factor * s for n, s in t.items()} for t in _both(row["seconds"]))
    gaps = "" if row.get("device_bound", True) else " *"
    cells = [_digits(ours["median"]) + gaps, f"{_digits(ours['low'])} - {_digits(ours['high'])}"]
    by_arithmetic = row["roof"] != "copy"
    cells += [f"{row['gflops']:,.1f}" if by_arithmetic else ""]
    cells += ["" if by_arithmetic else f"{row['gbytes']:,.1f}", f"{row['share']:.0%}"]
    return cells + ([_digits(peer["median"]), f"{row['ratio']:.2f}"] if peer else [])


def _both(seconds):
    return seconds["tinynet"], seconds.get("pytorch", {})


def _digits(number):
    """Four digits, at most three of them behind the point."""
    before_the_point = len(str(int(number)))
    return f"{number:,.{max(0, 4 - before_the_point)}f}"
