"""The roofline of a network: how fast each layer runs, under what the machine allows.

    GFLOP/s <= min(sgemm rate, FLOP per byte x copy rate)

Left of the ridge a layer waits for memory, right of it for arithmetic; what lies between a point
and the roof above it is what an implementation gives away. Both scales are logarithmic. A layer is
two points, of its forward (filled) and its backward (hollow); the update is one.

Source: Williams, Waterman, Patterson, Roofline: an insightful visual performance model for
multicore architectures (Communications of the ACM, 2009).
"""

import numpy as np

SIZE, DPI = (13, 8.5), 110  # inches, dots an inch
COLOURS = {
    "Conv2d": "tab:blue", "Linear": "tab:purple", "LocalResponseNorm": "tab:red",
    "BatchNorm2d": "tab:red", "MaxPool2d": "tab:green", "AvgPool2d": "tab:green",
    "AdaptiveAvgPool2d": "tab:green", "ReLU": "tab:orange", "Tanh": "tab:orange",
    "Dropout": "tab:brown", "SoftmaxCrossEntropy": "tab:gray", "SGD": "black",
}  # fmt: skip


def draw(report: dict, path) -> None:
    """Write the picture of a report of benchmarks.layers to the file, of any format of matplotlib.

    Rows with an error are left out. Raises OSError where the file cannot be written.
    """
    from matplotlib.figure import Figure

    rows = [row for row in report["layers"] if "error" not in row]
    figure = Figure(figsize=SIZE, dpi=DPI, layout="constrained")
    axes = figure.subplots()
    _draw_roofs(axes, rows, report["rates"])
    for row in rows:
        colour = COLOURS[row["kind"]]
        face = "none" if row["direction"] == "backward" else colour
        axes.plot(*_point(row), "o", color=colour, markerfacecolor=face, markersize=6)
    axes.set_xlabel("FLOP per byte that must move")
    axes.set_ylabel("GFLOP/s")
    about = report["machine"]
    axes.set_title(
        f"{report['network']}, batch {report['batch_size']}, backend {report['backend']}; "
        f"{about['processor']}, threads {about['threads']}\n"
        "filled: forward; hollow: backward" + ("" if report["idle"] else "; machine not idle")
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
    # So high, left of the ridge, there is no layer: what outruns the copy from a cache is below,
    # Winograd's convolutions, which outrun sgemm, are right of it.
    for text, place, offset in (
        (f"sgemm {rates['sgemm']:.0f} GFLOP/s", (ridge, rates["sgemm"]), (0, 5)),
        (f"copy {rates['copy']:.1f} GB/s", (ridge / 2, rates["sgemm"] / 2), (-8, 4)),
    ):
        axes.annotate(text, place, offset, textcoords="offset points", ha="right")


# --- labels ---------------------------------------------------------------------------------------


def _draw_labels(figure, axes, rows):
    """A name beside each point, where it covers no other name, no point and no roof; a thin line
    leads to those that had to go further."""
    figure.draw_without_rendering()  # fixes the layout, so that pixels mean something
    points = axes.transData.transform([_point(row) for row in rows])
    roof = axes.transData.transform(axes.lines[0].get_xydata())
    taken = [(*(point - 6), *(point + 6)) for point in points]
    taken += [(*(point - 1), *(point + 1)) for point in roof]
    taken += [_box(text) for text in axes.texts]
    frame = axes.get_window_extent().extents
    for row, point in zip(rows, points, strict=True):
        text = axes.annotate(
            row["layer"], _point(row), (0, 0), textcoords="offset pixels", fontsize=8,
            color=COLOURS[row["kind"]], ha="center", va="center",
        )  # fmt: skip
        left, bottom, right, top = _box(text)
        half = np.array([right - left, top - bottom]) / 2 + 1
        offset, distance = _free_place(point, half, taken, frame)
        text.xyann = tuple(offset)
        taken.append((*(point + offset - half), *(point + offset + half)))
        if distance > 0:
            end = axes.transData.inverted().transform(point + offset)
            x, y = zip(_point(row), end, strict=True)
            axes.plot(x, y, color=COLOURS[row["kind"]], linewidth=0.5, alpha=0.5, zorder=0)
            text.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.8})


def _box(text):
    return tuple(text.get_window_extent().extents)


def _free_place(point, half, taken, frame):
    """(offset in pixels, distance beyond the nearest places) of a box of this half size: the first
    one, on ever wider rings round the point, that is inside the frame and overlaps nothing."""
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    for distance in range(0, 1000, 8):
        for angle in angles:
            direction = np.array([np.cos(angle), np.sin(angle)])
            offset = direction * (half + 8 + distance)
            low, high = point + offset - half, point + offset + half
            inside = (low >= frame[:2]).all() and (high <= frame[2:]).all()
            if inside and not any(_overlap((*low, *high), other) for other in taken):
                return offset, distance
    return np.zeros(2), 0  # a picture so full has no place left


def _overlap(a, b):
    """Whether two boxes (left, bottom, right, top) have a pixel in common."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
