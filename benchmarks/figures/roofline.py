"""The roofline of a network: how fast each layer runs, under what the machine allows.

    GFLOP/s <= min(sgemm rate, FLOP per byte x copy rate)

Left of the ridge a layer waits for memory, right of it for arithmetic. The gap between a point and
the roof above it is speed that the implementation does not reach. Both scales are logarithmic. A
layer is two points, of its forward (filled) and its backward (hollow); the update is one.

Source: Williams, Waterman, Patterson, Roofline: an insightful visual performance model for
multicore architectures (Communications of the ACM, 2009).
"""

import numpy as np

from benchmarks import machine

SIZE, DPI = (13, 8.5), 110  # inches, dots an inch
COLOURS = {
    "Conv2d": "tab:blue", "Linear": "tab:purple", "LocalResponseNorm": "tab:red",
    "SameMapNorm": "tab:red", "BatchNorm2d": "tab:red", "MaxPool2d": "tab:green",
    "AvgPool2d": "tab:green", "AdaptiveAvgPool2d": "tab:green", "ReLU": "tab:orange",
    "Tanh": "tab:orange", "Dropout": "tab:brown", "SoftmaxCrossEntropy": "tab:gray", "SGD": "black",
}  # fmt: skip


def draw(report: dict, path) -> None:
    """Write the picture of a report of benchmarks.layers to the file, of any format of matplotlib.

    Rows with an error, and in another precision than float32, are left out. Raises OSError where
    the file cannot be written.
    """
    from matplotlib.figure import Figure

    rows = [
        row
        for row in report["layers"]
        if "error" not in row and row.get("precision", "float32") == "float32"
    ]
    figure = Figure(figsize=SIZE, dpi=DPI, layout="constrained")
    axes = figure.subplots()
    _draw_roofs(axes, rows, report["rates"])
    for row in rows:
        colour = COLOURS[row["kind"]]
        face = "none" if row["direction"] == "backward" else colour
        axes.plot(*_point(row), "o", color=colour, markerfacecolor=face, markersize=6)
    axes.set_xlabel("FLOP per byte that must move")
    axes.set_ylabel("GFLOP/s")
    axes.set_title(
        f"{report['network']}, batch {report['batch_size']}, backend {report['backend']}; "
        f"{machine.words(report['machine'])}\n"
        "filled: forward; hollow: backward" + ("" if report["idle"] else "; machine not idle"),
        fontsize=10,
    )
    axes.grid(which="major", alpha=0.25)
    _draw_labels(figure, axes, rows)
    figure.savefig(path)


def _point(row):
    return row["flop"] / row["bytes"], row["gflops"]


def _draw_roofs(axes, rows, rates):
    """The two roofs over all points, with the scales that show both."""
    intensities = [_point(row)[0] for row in rows]
    ridge = rates["sgemm"] / rates["copy"]
    low, high = min([*intensities, ridge]) / 2, max([*intensities, ridge]) * 3
    bottom = min([*(row["gflops"] for row in rows), low * rates["copy"]]) / 2
    top = max([*(row["gflops"] for row in rows), rates["sgemm"]]) * 2.5
    x = np.geomspace(low, high, 400)
    axes.loglog(x, np.minimum(x * rates["copy"], rates["sgemm"]), "k-")
    axes.set(xlim=(low, high), ylim=(bottom, top))
    # Both names stand left of the ridge and close to the roof, where no point is: layers that beat
    # the copy, because they run from a cache, are lower; Winograd's, which beat sgemm, are right of
    # the ridge.
    for text, place, offset in (
        (f"sgemm {rates['sgemm']:.0f} GFLOP/s", (ridge, rates["sgemm"]), (0, 5)),
        (f"copy {rates['copy']:.1f} GB/s", (ridge / 2, rates["sgemm"] / 2), (-8, 4)),
    ):
        axes.annotate(text, place, offset, textcoords="offset points", ha="right")


def _draw_labels(figure, axes, rows):
    """A name beside each point, where it covers no other name; points and roofs are kept clear as
    far as there is room. A thin line leads to a name that had to go further."""
    from adjustText import adjust_text
    from matplotlib.transforms import Bbox

    figure.draw_without_rendering()  # fixes the layout
    figure.set_layout_engine("none")
    points = np.array([_point(row) for row in rows])
    names = [
        axes.text(x, y, row["layer"], fontsize=8, color=COLOURS[row["kind"]], ha="center")
        for (x, y), row in zip(points, rows, strict=True)
    ]
    roof = axes.lines[0].get_xydata()[::5]
    pixels = axes.transData.transform(points)
    taken = [Bbox([point - 8, point + 8]) for point in pixels]
    taken += [text.get_window_extent() for text in axes.texts[: -len(rows)]]
    adjust_text(
        names, *roof.T, objects=taken, ax=axes, iter_lim=500, expand=(1.3, 1.8),
        force_text=(0.2, 0.4), force_static=(0.2, 0.4), min_arrow_len=12,
        arrowprops={"arrowstyle": "-", "linewidth": 0.5, "alpha": 0.5},
    )  # fmt: skip
