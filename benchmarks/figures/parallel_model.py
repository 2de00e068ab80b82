"""A model of the time of a data-parallel step on n ranks, fitted to some runs and held against
others.

    step      = compute + max(handling, carrying - overlapped x compute) + messages x latency
    compute   = (fixed + per_image x images of a rank) x ranks / processors
    handling  = per_byte x bytes x ranks / processors
    carrying  = frame bytes x 8 / rate of the link + serial x handling
    bytes     = 2 (n - 1) / n x bytes of all gradients
    messages  = 2 (n - 1)

Handling: processors copy and add what is sent, which they cannot do while they compute. While the
link is the slower one, they do it in the pauses, so that the longer of both counts. Serial: the
share of handling for which the link waits, since a ring adds a part before it sends it on. What the
link carries while backward computes costs nothing more: overlapped is the share of compute in which
it does. Where there are fewer processors than ranks, all work of a processor takes as much longer.
Messages: of the last sum. Those of the others travel while more is computed or carried.

Fitted: fixed, per_image, per_byte, serial, overlapped, by least squares of relative errors.
Measured: frame bytes, latency. Known: the rate.
"""

import statistics
from dataclasses import asdict, dataclass

import numpy as np
from scipy.optimize import least_squares

PARAMETERS = ("fixed", "per_image", "per_byte", "serial", "overlapped")  # those that are fitted
TARGET = 0.15  # relative error


@dataclass(frozen=True)
class Model:
    """Seconds; serial and overlapped are shares, 0 to 1. frames: bytes of frames over bytes of
    gradients."""

    fixed: float
    per_image: float
    per_byte: float
    serial: float
    overlapped: float
    latency: float
    frames: float

    def compute(self, point) -> float:
        images = point["batch_size"] / point["ranks"]
        return (self.fixed + self.per_image * images) * point["ranks"] / point["processors"]

    def seconds(self, point) -> float:
        """The time of a step. point: {"ranks", "processors", "batch_size", "formula_bytes": that a
        rank sends, "gbit"}, as benchmarks.scaling --ranks reports it."""
        compute = self.compute(point)
        if point["ranks"] == 1:
            return compute
        handling = self.per_byte * point["formula_bytes"] * point["ranks"] / point["processors"]
        transfer = 8 * self.frames * point["formula_bytes"] / (1e9 * point["gbit"])
        waiting = max(handling, transfer + self.serial * handling - self.overlapped * compute)
        return compute + waiting + 2 * (point["ranks"] - 1) * self.latency


def is_fitted(point, points) -> bool:
    """Whether the model is fitted to this point: one rank; or two, with the smallest or the largest
    batch and the slowest or the fastest link. The others are held against it."""
    batches = [other["batch_size"] for other in points]
    rates = [other["gbit"] for other in points if other["gbit"] is not None]
    return point["ranks"] == 1 or (
        point["ranks"] == 2
        and point["batch_size"] in (min(batches), max(batches))
        and point["gbit"] in (min(rates), max(rates))
    )


def fit(points) -> Model:
    """The Model of these points, which have "seconds": {"median"}, "frame_bytes" and "latency" too.

    Raises ValueError for fewer points than parameters.
    """
    if len(points) < len(PARAMETERS):
        raise ValueError(f"fit: {len(points)} points; {len(PARAMETERS)} or more determine a model")
    sent = [p for p in points if p["ranks"] > 1]
    frames = statistics.mean(p["frame_bytes"] / p["formula_bytes"] for p in sent)
    latency = statistics.median(p["latency"] for p in sent)
    measured = np.array([p["seconds"]["median"] for p in points])
    # Of the size of one, so that steps of the search are alike.
    longest, bytes_sent = measured.max(), max(p["formula_bytes"] for p in sent)
    images = max(p["batch_size"] for p in points)
    scale = np.array([longest, longest / images, longest / bytes_sent, 1.0, 1.0])

    def model(x):
        fitted = dict(zip(PARAMETERS, (scale * x).tolist(), strict=True))
        return Model(**fitted, latency=latency, frames=frames)

    def errors(x):
        return np.array([model(x).seconds(p) for p in points]) / measured - 1

    ends = [0.0] * 5, [np.inf] * 3 + [1.0] * 2
    starts = [[0.1, 1, handling, 0.3, o] for handling in (0.05, 0.5) for o in (0.05, 0.3, 0.7)]
    tries = [least_squares(errors, start, bounds=ends) for start in starts]
    return model(min(tries, key=lambda found: found.cost).x)


def held_against(points) -> dict | None:
    """The Model of these points, tinynet's, and how far it is from each; None where too few points
    are there, or none to hold it against.

    parameters     of the Model
    points         [{"ranks", "batch_size", "gbit", "measured" and "predicted": seconds, "error":
                   relative, "fitted": whether the model was fitted to it}]
    largest_error  of the points that it was not fitted to
    """
    fitted = [is_fitted(point, points) for point in points]
    chosen = [point for point, own in zip(points, fitted, strict=True) if own]
    if len(chosen) < len(PARAMETERS) or all(fitted):
        return None
    model = fit(chosen)
    rows = []
    for point, own in zip(points, fitted, strict=True):
        row = {name: point[name] for name in ("ranks", "batch_size", "gbit")}
        row |= {"measured": point["seconds"]["median"], "predicted": model.seconds(point)}
        rows.append(row | {"error": row["predicted"] / row["measured"] - 1, "fitted": own})
    return {
        "parameters": asdict(model),
        "points": rows,
        "largest_error": max(abs(row["error"]) for row in rows if not row["fitted"]),
    }


def words(held: dict) -> str:
    """The parameters, and how far the model is from the points that it was not fitted to."""
    found = held["parameters"]
    count = sum(not point["fitted"] for point in held["points"])
    within = "within" if held["largest_error"] <= TARGET else "not within"
    return (
        f"Fitted: {1e3 * found['fixed']:.3g} ms and {1e3 * found['per_image']:.3g} ms an image, "
        f"handling {1e9 * found['per_byte']:.3g} ns a byte, {found['serial']:.0%} of it serial, "
        f"overlapped {found['overlapped']:.0%} of computing. Measured: "
        f"{1e3 * found['latency']:.3g} ms a message. The largest error of the {count} points that "
        f"the model was not fitted to is {held['largest_error']:.0%}, {within} the {TARGET:.0%} "
        "that were aimed at."
    )
