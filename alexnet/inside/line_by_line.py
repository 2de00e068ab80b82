"""The numpy kernel of a layer, line by line: each line of source that ran, and what it changed.

Python's own trace function (sys.settrace) is called before each line of the kernel's file. A line's
changes are seen when the next one of its function begins, or when the function returns.
"""

import linecache
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from alexnet.inside.backends_beside import run
from alexnet.inside.trace import TracedLayer

KERNELS = Path(sys.modules["tinynet"].__file__).parent / "backends" / "numpy"


@dataclass(frozen=True)
class Line:
    """One line that ran.

    file, number, source   where it stands
    function    the function it belongs to
    turn        how often it has run, from 1
    changed     name -> what the variable holds now, for the variables that the line changed
    """

    file: str
    number: int
    source: str
    function: str
    turn: int
    changed: dict[str, str]


def lines(traced: TracedLayer, at: tuple[int, ...], image: int = 0) -> list[Line]:
    """The lines of the numpy kernel of a layer on one image, in the order in which they ran; none
    for a layer without a kernel, such as flatten, which only renames its input.

    at  the output whose value is shown beside every array of the output's shape
    """
    watch = _Watch((0, *at), (1, *traced.y.shape[1:]))
    before = sys.gettrace()
    sys.settrace(watch.enter)
    try:
        run(traced, "numpy", "im2col" if traced.kind == "Conv2d" else None, image)
    finally:
        sys.settrace(before)
    return watch.lines


class _Watch:
    """Collects the lines of one run."""

    def __init__(self, at, shape):
        self.lines, self._at, self._shape = [], at, shape
        self._turns, self._before = {}, {}

    def enter(self, frame, event, argument):
        """Called at each function's start: only functions of the kernels' files are watched."""
        path = Path(frame.f_code.co_filename)
        if path.parent != KERNELS or path.name == "__init__.py":
            return None
        self._before[frame] = None, {}
        return self._at_line

    def _at_line(self, frame, event, argument):
        if event not in ("line", "return"):
            return self._at_line
        ran, known = self._before[frame]
        now = {name: self._text(value) for name, value in frame.f_locals.items()}
        if ran is not None:
            self._add(frame.f_code, ran, {n: t for n, t in now.items() if known.get(n) != t})
        elif now:
            self._add(frame.f_code, frame.f_code.co_firstlineno, now)
        self._before[frame] = frame.f_lineno, now
        if event == "return":
            del self._before[frame]
        return self._at_line

    def _add(self, code, number, changed):
        turn = self._turns[code, number] = self._turns.get((code, number), 0) + 1
        source = linecache.getline(code.co_filename, number).rstrip()
        file = Path(code.co_filename).name
        self.lines.append(Line(file, number, source, code.co_name, turn, changed))

    def _text(self, value):
        """A variable's contents in a line."""
        if not isinstance(value, np.ndarray):
            return repr(value)
        text = f"{value.shape} {value.dtype}"
        if value.size:
            with np.errstate(invalid="ignore"):
                text += f", {value.min():.6g} to {value.max():.6g}"
        if value.shape == self._shape:
            text += f", at {list(self._at)} {value[self._at]:.9g}"
        return text
