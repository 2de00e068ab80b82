"""The picture of alexnet.transfer: validation accuracy over time, a line for each method."""

from typing import BinaryIO

COLOURS = {"scratch": "tab:grey", "fine-tuning": "tab:orange", "features": "tab:blue"}


def draw_methods(results, title: str, file: BinaryIO) -> None:
    """Draw into an open file, as PNG.

    results  with method, validation, seconds and test (training/method_results.py)
    The epochs of a method are drawn as equally long, and what comes before them as no time. Raises
    ImportError without matplotlib.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4), layout="constrained")
    axes = figure.subplots()
    for result in results:
        count = len(result.validation)
        minutes = [result.seconds * (n + 1) / count / 60 for n in range(count)]
        accuracy = [100 * top1 for top1 in result.validation]
        test = "" if result.test is None else f", test {result.test:.1%}"
        axes.plot(
            minutes, accuracy, "o-", markersize=3, color=COLOURS[result.method],
            label=result.method + test,
        )  # fmt: skip
    axes.set_xlabel("minutes since the method's start")
    axes.set_ylabel("validation top-1, %")
    axes.set_xlim(left=0)
    axes.set_ylim(0, 100)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    axes.set_title(title, parse_math=False)
    figure.savefig(file, dpi=150, format="png")
