"""The console that wide tables are printed on."""

from rich.console import Console

COLUMNS = 120


def wide_console() -> Console:
    """A rich Console of stdout with at least 120 columns: in fewer, figures would be cut short, and
    a pipe claims to have 80."""
    console = Console()
    console.width = max(console.width, COLUMNS)
    return console
