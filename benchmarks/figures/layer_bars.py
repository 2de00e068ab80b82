"""The time of each layer as bars, tinynet's beside PyTorch's: the README's picture.

A report of benchmarks.layers gives the same picture, bit by bit, with the same Matplotlib. The
picture notes its source, so that benchmarks.readme --check can tell, without drawing, whether it
shows the present result.
"""

from benchmarks import machine

SIZE, DPI = (10, 4.5), 110  # inches, dots an inch
COLOURS = {"tinynet": "tab:blue", "pytorch": "tab:orange"}
NAMES = {"tinynet": "tinynet", "pytorch": "PyTorch, eager"}
WIDTH = 0.4  # of a bar; layers are 1 apart


def times(report: dict) -> dict[str, dict[str, dict[str, float]]]:
    """{layer: {program: {direction: milliseconds}}} in the network's order; the update is a
    direction too. Rows with an error are left out."""
    layers = {}
    for row in report["layers"]:
        if "error" not in row:
            for program, seconds in row["seconds"].items():
                programs = layers.setdefault(row["layer"], {})
                programs.setdefault(program, {})[row["direction"]] = 1e3 * seconds["median"]
    return layers


def draw(report: dict, path, source: str) -> None:
    """Write the picture of a report of benchmarks.layers to the file, a PNG.

    source  a text that the picture keeps under the key "Source"
    Raises OSError where the file cannot be written.
    """
    from matplotlib.figure import Figure

    layers = times(report)
    programs = [name for name in COLOURS if any(name in each for each in layers.values())]
    figure = Figure(figsize=SIZE, dpi=DPI, layout="constrained")
    axes = figure.subplots()
    for place, name in enumerate(programs):
        x = [number + place * WIDTH for number in range(len(layers))]
        backward = [_sum(each.get(name), "backward") for each in layers.values()]
        others = [_sum(each.get(name), "forward", "update") for each in layers.values()]
        axes.bar(x, others, WIDTH, color=COLOURS[name], label=NAMES[name])
        axes.bar(x, backward, WIDTH, bottom=others, color=COLOURS[name], alpha=0.5)
    middle = (len(programs) - 1) * WIDTH / 2
    axes.set_xticks([number + middle for number in range(len(layers))], layers, rotation=90)
    axes.set_ylabel("ms")
    axes.margins(x=0.01)
    axes.grid(axis="y", alpha=0.25)
    axes.set_axisbelow(True)
    if len(programs) > 1:
        _write_ratios(axes, layers, middle)
        axes.legend()
    axes.set_title(
        f"{report['network']}, batch {report['batch_size']}: forward, and backward (pale); "
        f"numbers: PyTorch's time over tinynet's\n"
        f"{machine.words(report['machine'])}" + ("" if report["idle"] else "; machine not idle"),
        fontsize=10,
    )
    figure.savefig(path, format="png", metadata={"Software": None, "Source": source})


def _write_ratios(axes, layers, middle):
    """Above each pair of bars: how many times as fast tinynet is."""
    for number, each in enumerate(layers.values()):
        ours, theirs = (sum(each[name].values()) for name in COLOURS)
        axes.annotate(
            f"{theirs / ours:.1f}", (number + middle, max(ours, theirs)), (0, 2),
            textcoords="offset points", ha="center", fontsize=8,
        )  # fmt: skip


def _sum(directions, *names):
    return sum((directions or {}).get(name, 0.0) for name in names)
