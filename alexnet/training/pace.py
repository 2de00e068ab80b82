"""What the ranks tell one another after each step: the ranks of their labels, and how long they
took. All wait for the slowest one.

A rank's own seconds of a step are those in which it neither waited for other ranks nor for images
that its threads were still reading. Once a minute the ranks' own seconds are compared.
"""

import statistics
import time
from collections.abc import Callable

import numpy as np

MINUTE = 60.0  # seconds between two reports
SLOW = 1.25  # times as long as the others' median


class Pace:
    """The own seconds of this rank, and a comparison of all ranks'.

    ranks    an engine (tinynet/parallel)
    loader   the training images' Loader, which has this rank's share of each batch, or all
    """

    def __init__(self, ranks, loader):
        self._ranks, self._loader = ranks, loader
        self._totals, self._since = [0.0] * ranks.size, time.monotonic()
        self.restart()

    def restart(self) -> None:
        """Begin a step now."""
        self._began = time.monotonic()
        self._waited = self._ranks.waited + self._loader.waited

    def of_all_ranks(self, label_ranks: np.ndarray, say: Callable[[str], None]) -> np.ndarray:
        """The ranks of the labels of the whole batch, from this rank's; says which process is slow.
        Every rank must ask, after each step."""
        shared = self._ranks.share((label_ranks, self.own_seconds()))
        if slow := self.report([seconds for _, seconds in shared]):
            say(slow)
        if self._loader.ranks == 1:  # each rank has every image
            return label_ranks
        return np.concatenate([each for each, _ in shared])

    def own_seconds(self) -> float:
        """The own seconds since the last call, or since restart()."""
        waited = self._ranks.waited + self._loader.waited - self._waited
        seconds = time.monotonic() - self._began - waited
        self.restart()
        return seconds

    def report(self, own_seconds: list[float]) -> str:
        """Count a step, and return a line about a rank that is slow, once a minute; else "".

        own_seconds  of each rank in this step
        """
        self._totals = [total + s for total, s in zip(self._totals, own_seconds, strict=True)]
        if time.monotonic() - self._since < MINUTE:
            return ""
        totals, self._totals = self._totals, [0.0] * self._ranks.size
        self._since = time.monotonic()
        slowest = max(range(len(totals)), key=totals.__getitem__)
        others = [total for rank, total in enumerate(totals) if rank != slowest]
        times = totals[slowest] / max(statistics.median(others), 1e-9)
        if times < SLOW:
            return ""
        return (
            f"rank {slowest} on {self._ranks.hosts[slowest]} is slow: its steps take {times:.1f} "
            "times as long as the others', which wait for it"
        )
