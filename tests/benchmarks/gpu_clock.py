"""A clock that is told what to say, in the place of a GPU, and what tests of the GPU's benchmarks
measure with it."""

import time

from alexnet import SPECS
from alexnet.network.build import plan
from alexnet.network.variants import changed

ABOUT = {"gpu": "a stand-in", "l2_bytes": 1000}
PLAN = plan(changed(SPECS["cifar10"], norm="lrn", width=0.1), 10, 12)
TINY = "--spec cifar10 --norm lrn --width 0.1 --image-size 12 --rounds 2".split()


class Clock:
    """A device without one: what is queued is done at once, and a mark is a time.

    ticks   of each mark, in turn; None: the processor's clock
    behind  after so many products the device is slower than the processor; None: always
    """

    product_flop = 1000

    def __init__(self, ticks=None, behind=None):
        self.ticks, self.behind, self.products = ticks and iter(ticks), behind, 0
        self.precisions, self.released = [], 0

    def set_precision(self, precision):
        self.precisions.append(precision)

    def mark(self):
        return next(self.ticks) if self.ticks else time.perf_counter()

    def passed(self, mark):
        return self.behind is not None and self.products < self.behind

    def between(self, first, last):
        return last - first

    def synchronize(self):
        self.products = 0

    def product(self):
        self.products += 1

    def copies(self, size):
        self.copied = size
        return lambda: None

    def used_bytes(self):
        return 100

    def peak_bytes(self, run):
        run()
        return 350

    def release(self):
        self.released += 1
