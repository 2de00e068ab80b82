"""The metadata are in setup.cfg; this file adds README.md as a package index can show it."""

import re
from pathlib import Path

from setuptools import setup

LINK = re.compile(r"!?\[((?:[^]\\]|\\.)*)\]\(([^)\s]+)\)")


def without_relative_links(text: str) -> str:
    """Markdown in which a link to a file is the file's path, and a link to a heading its text: on a
    package index both lead nowhere."""

    def plain(link):
        words, target = link.groups()
        if target.startswith(("http://", "https://")):
            return link[0]
        return words if target.startswith("#") else f"`{target}`"

    return LINK.sub(plain, text)


readme = Path(__file__).with_name("README.md").read_text(encoding="utf-8")
setup(long_description=without_relative_links(readme))
