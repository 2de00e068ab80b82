"""The law by which measured figures grow: t = a + b n^p; in words, and drawn.

a is what does not depend on n, p the order of growth: 1 where n images cost n times one image's
time, -1 where n threads share the work and a is the part that they cannot share (Amdahl's law).
Where p is the least or the greatest that is tried, the figures do not determine it.
"""

import math

import numpy as np
from scipy.optimize import nnls

from benchmarks import machine

EXPONENTS = [p / 100 for p in range(-300, 401) if abs(p) >= 5]  # n^0 would be another a
CONSTANT = 0.03  # figures nearer than this to their middle do not grow


def fit(n, t) -> dict | None:
    """{"a", "b", "p", "deviation"} of t = a + b n^p: least squares of the relative errors, a and b
    not negative, p to two digits. deviation: the largest |a + b n^p - t| / t; None where the law
    goes through two points, which says nothing of how well it holds.

    n, t  positive numbers, as many of each
    Fewer than four points determine no a: it is 0 then, and p is the slope of log t over log n.
    Figures that all lie within 3 % of their middle: a is that, b and p are 0.
    None for fewer than two different n.
    """
    n, t = np.asarray(n, float), np.asarray(t, float)
    if len(set(n)) < 2:
        return None
    middle = (t.min() + t.max()) / 2
    if np.abs(t / middle - 1).max() <= CONSTANT:
        a, b, p = middle, 0.0, 0.0
    elif len(set(n)) < 4:
        p, logarithm = np.polyfit(np.log(n), np.log(t), 1)
        a, b = 0.0, np.exp(logarithm)
    else:
        a, b, p = min(
            ((*_shares(n, t, p), p) for p in EXPONENTS), key=lambda law: _error(n, t, law)
        )
    deviation = float(np.abs((a + b * n**p) / t - 1).max()) if b == 0 or len(set(n)) > 2 else None
    return {"a": float(a), "b": float(b), "p": float(p), "deviation": deviation}


def value(law, n):
    """a + b n^p of a fit."""
    return law["a"] + law["b"] * np.asarray(n, float) ** law["p"]


def _shares(n, t, p):
    """The best a and b for this exponent; each point's row is divided by its t, so that the error
    is relative."""
    return nnls(np.stack([1 / t, n**p / t], axis=1), np.ones(len(t)))[0]


def _error(n, t, law):
    a, b, p = law
    return np.square((a + b * n**p) / t - 1).sum()


def text(law, factor, unit) -> str:
    """'12 ms + 3.4 ms n^1.02 (off by at most 2%)', or '... (through two points)'."""
    if law is None:
        return "no law: fewer than two points, or unknown figures"
    parts = [f"{factor * law['a']:.4g} {unit}"] if law["a"] or not law["b"] else []
    parts += [f"{factor * law['b']:.3g} {unit} n^{law['p']:.2f}"] if law["b"] else []
    if law["deviation"] is None:
        return f"{' + '.join(parts)} (through two points)"
    return f"{' + '.join(parts)} (off by at most {law['deviation']:.0%})"


def draw(report, path) -> None:
    """Time above, memory below, a column for each sweep: the points and their law."""
    from matplotlib.figure import Figure

    sweeps = report["sweeps"]
    figure = Figure(figsize=(3.6 * len(sweeps), 6), dpi=110, layout="constrained")
    grid = figure.subplots(2, len(sweeps), squeeze=False)
    for (name, sweep), above, below in zip(sweeps.items(), *grid, strict=True):
        n = [row["n"] for row in sweep["points"]]
        x = np.linspace(min(n), max(n), 100)
        seconds = [row["seconds"]["median"] for row in sweep["points"]]
        peaks = [row["peak_bytes"] or math.nan for row in sweep["points"]]
        columns = ((above, "time", seconds, 1e3, "ms"), (below, "memory", peaks, 1e-6, "MB"))
        for axes, kind, figures, factor, unit in columns:
            axes.plot(n, factor * np.array(figures), "o", color="tab:blue")
            if sweep[kind]:
                axes.plot(x, factor * value(sweep[kind], x), color="tab:orange", zorder=0)
            title = text(sweep[kind], factor, unit).partition(" (")[0]
            axes.set_title(title, fontsize=9)
            axes.set(xlabel=name, ylabel=f"{kind} a step, {unit}" if kind == "time" else "peak, MB")
            axes.set_ylim(0, 1.08 * axes.get_ylim()[1])
            axes.grid(alpha=0.25)
    title = f"{report['network']}\n{machine.words(report['machine'])}"
    figure.suptitle(title, fontsize=10)
    figure.savefig(path)
