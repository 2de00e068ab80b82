"""How far a long piece of work is, on stderr: stdout is for its result."""

import time
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.live import Live
from rich.text import Text

from alexnet.cli import ending
from alexnet.training.progress import clock

SECONDS_BETWEEN_LINES = 5  # in a pipe


def counted(items: Iterable, total: int, what: str, done: int = 0) -> Iterator:
    """Yield the items, and say `what` with the number of those that are done: on a terminal in one
    line that goes away at the end, in a pipe in a line every five seconds.

    done  how many of the total were done before
    """
    first, began = done, time.monotonic()

    def line():
        seconds = time.monotonic() - began
        left = ""
        if done > first and seconds >= SECONDS_BETWEEN_LINES:
            left = f", left {clock(seconds / (done - first) * (total - done))}"
        return f"{what}: {done:,} of {total:,}{left}"

    console = Console(stderr=True)
    if console.is_terminal:
        with Live(
            console=console, transient=True, redirect_stdout=False,
            get_renderable=lambda: Text(line()),
        ):  # fmt: skip
            for item in items:
                yield item
                done += 1
        return
    said = time.monotonic()
    for item in items:
        yield item
        done += 1
        if time.monotonic() - said >= SECONDS_BETWEEN_LINES:
            said = time.monotonic()
            ending.say(line())
