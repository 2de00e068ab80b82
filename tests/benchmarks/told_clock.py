"""A clock that is told its times, in the place of a GPU's."""

import time


class ToldClock:
    """Work is done at once, and a mark is a time.

    ticks   of each mark, in turn; None: the processor's clock
    behind  the device is slower than the processor after this many products; None: always
    """

    asynchronous, cache_bytes, product_flop = True, 1000, 1000

    def __init__(self, ticks=None, behind=None):
        self.ticks, self.behind, self.queued = ticks and iter(ticks), behind, 0
        self.precisions = []

    def set_precision(self, precision):
        self.precisions.append(precision)

    def mark(self):
        return next(self.ticks) if self.ticks else time.perf_counter()

    def passed(self, mark):
        return self.behind is not None and self.queued < self.behind

    def between(self, first, last):
        return last - first

    def synchronize(self):
        self.queued = 0

    def product(self):
        self.queued += 1

    def copies(self):
        return 60, lambda: None

    def peak_bytes(self, run):
        run()
        return 250

    def release(self):
        self.released = True
