"""Pages of docs/ that commands make from results: written, or compared with what they should be."""

import sys
from pathlib import Path

from alexnet.errors import writing


def write_or_check(page: Path, text: str, command: str, check: bool) -> int:
    """Write the text to the page; with `check` compare them instead. Returns the exit code: 1 where
    they differ. Raises DiskError.

    command  the name of the command that makes the page
    """
    if not check:
        with writing(page):
            page.write_text(text, encoding="utf-8")
        return 0
    if page.exists() and page.read_text(encoding="utf-8") == text:
        return 0
    name = f"{page.parent.name}/{page.name}"
    print(f"{name} is not what its results say: python -m {command}", file=sys.stderr)
    return 1
