"""The consoles that tables are printed on."""

from rich.console import Console

COLUMNS = 120
PIPE_COLUMNS = 10_000  # no line is as long: in a pipe no cell is folded


def wide_console() -> Console:
    """A rich Console on stdout with at least 120 columns. rich assumes 80 for a pipe, where figures
    would be cut short."""
    console = Console()
    console.width = max(console.width, COLUMNS)
    return console


def plain_console() -> Console:
    """A rich Console on stdout that prints names as they are: [brackets] and :colons: have no
    meaning in them. In a pipe lines are as long as they need to be."""
    console = Console(markup=False, emoji=False, highlight=False)
    if not console.is_terminal:
        console.width = PIPE_COLUMNS
    return console
