"""The picture of alexnet.transfer: validation accuracy over time, a line for each method."""

from typing import BinaryIO

COLOURS = ("tab:grey", "tab:orange", "tab:blue")


def draw_methods(results, title: str, file: BinaryIO) -> None:
    """Draw into an open PNG file.

    results  with method, validation, seconds, first_seconds, test (training/method_results.py)
    The epochs of a method are drawn as equally long. Raises ImportError without matplotlib.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4), layout="constrained")
    axes = figure.subplots()
    for result, colour in zip(results, COLOURS, strict=False):
        count = len(result.validation)
        each = (result.seconds - result.first_seconds) / count
        minutes = [(result.first_seconds + each * (n + 1)) / 60 for n in range(count)]
        accuracy = [100 * top1 for top1 in result.validation]
        test = "" if result.test is None else f", test {result.test:.1%}"
        axes.plot(minutes, accuracy, "o-", markersize=3, color=colour, label=result.method + test)
    axes.set_xlabel("minutes since the method's start")
    axes.set_ylabel("validation top-1, %")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    axes.set_title(title, parse_math=False)
    figure.savefig(file, dpi=150, format="png")
