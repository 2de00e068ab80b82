"""The tables of benchmarks/gpu_step.py and benchmarks/gpu_layers.py."""

from rich import box
from rich.table import Table

from benchmarks.step_tables import ratio_table


def step_tables(report: dict, run: dict) -> list[Table | str]:
    """The programs of one batch size and precision, and tinynet beside PyTorch; where nothing was
    measured, a line that says so."""
    given, about = report["options"], report["machine"]
    changes = "".join(f", {name} {value}" for name, value in given["changes"].items())
    title = (
        f"training, {given['spec']}{changes}, {given['image_size']} x {given['image_size']}, "
        f"batch {run['batch_size']}, {run['precision']}"
    )
    if not run["programs"]:
        return [f"{title}: nothing measured"]
    rate = run["product_flop_per_second"]["median"]
    caption = (
        f"medians, (middle 80 %) of {given['rounds']} rounds of {given['steps_a_turn']} steps; "
        f"{about['gpu']}, sgemm {rate / 1e12:.1f} TFLOP/s"
    )
    table = Table(title=title, caption=caption, box=box.SIMPLE, padding=(0, 1))
    table.add_column("program", no_wrap=True)
    for column in ("images/s", "ms", "host ms", "of sgemm", "memory", "losses apart"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, row in run["programs"].items():
        speed, low, high = row["images_per_second"]
        table.add_row(
            name,
            f"{speed:,.0f} ({low:,.0f} to {high:,.0f})",
            f"{row['milliseconds'][0]:.2f}",
            f"{row['host_milliseconds'][0]:.2f}",
            f"{row['of_sgemm'][0]:.0%}",
            f"{row['peak_bytes'] / 1e9:.2f} GB",
            f"{row['apart']['losses']:.1e}",
        )
    return [table, ratio_table(run)] if run["ratios"] else [table]


def layer_table(report: dict) -> Table:
    """One line a layer, direction and precision."""
    rates, about = report["rates"], report["machine"]
    products = ", ".join(f"{name} {rate:,.0f}" for name, rate in rates["sgemm"].items())
    title = f"{report['network']}, batch {report['batch_size']}, {about['gpu']}"
    caption = (
        f"medians of {report['rounds']} rounds; sgemm {products} GFLOP/s, copy "
        f"{rates['copy']:,.0f} GB/s; floor: the time at that rate; *: with gaps between launches"
    )
    table = Table(title=title, caption=caption, box=box.SIMPLE, padding=(0, 1))
    for column in ("layer", "", ""):
        table.add_column(column, no_wrap=True)
    headings = ["µs", "floor µs", "GFLOP/s", "GB/s", "share"]
    peer = any("ratio" in row for row in report["layers"])
    for heading in headings + (["PyTorch µs", "ratio"] if peer else []):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in report["layers"]:
        table.add_row(row["layer"], row["direction"], row["precision"], *_layer_cells(row))
    return table


def _layer_cells(row):
    if "error" in row:
        return ["error"]
    ours, peer = row["seconds"]["tinynet"]["median"], row["seconds"].get("pytorch")
    by_arithmetic = row["roof"] == "sgemm"
    cells = [
        f"{1e6 * ours:,.1f}{'' if row['device_bound'] else ' *'}",
        f"{1e6 * ours * row['share']:,.1f}",
        f"{row['gflops']:,.0f}" if by_arithmetic else "",
        "" if by_arithmetic else f"{row['gbytes']:,.0f}",
        f"{row['share']:.0%}",
    ]
    return cells + ([f"{1e6 * peer['median']:,.1f}", f"{row['ratio']:.2f}"] if peer else [])
