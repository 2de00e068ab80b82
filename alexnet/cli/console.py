"""The console that wide tables are printed on."""

from rich.console import Console

COLUMNS = 120


def wide_console() -> Console:
    """A rich Console on stdout with at least 120 columns. rich assumes 80 for a pipe, where figures
    would be cut short."""
    console = Console()
    console.width = max(console.width, COLUMNS)
    return console
