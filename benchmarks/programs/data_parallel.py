"""tinynet on several ranks.   python -m benchmarks.programs.data_parallel FOLDER BACKEND STEPS"""

import statistics
import sys
import time

import numpy as np

import tinynet as tn
from benchmarks.programs import rank
from benchmarks.programs.tinynet import Tinynet


class DataParallel(Tinynet):
    """One rank's part of the network of a plan; rank.run says what its methods are for."""

    def __init__(self, folder, backend):
        size = rank.place_in_training()[1]
        self.ranks = tn.parallel.start(backend) if size > 1 else tn.parallel.Single()
        super().__init__(folder, backend)
        self.restart(dropout=False)
        self.gradients = tn.parallel.GradientSum(self.model.named_parameters(), self.ranks)

    def use(self, batch_size):
        """Take this rank's images of a batch."""
        mine = tn.parallel.share_of(batch_size, self.ranks.rank, self.ranks.size)
        self.images = tn.Tensor(self.batch["images"][mine])
        self.labels = tn.Labels(self.batch["labels"][mine], self.classes)
        self.share = (mine.stop - mine.start) / batch_size

    def step(self):
        """The stages "forward", "backward", "exchange" (inside backward: starting sums, and letting
        them advance), "waiting" (for sums that are not whole after backward) and "update"."""
        self.network.train()
        self.exchanging = 0.0
        start = time.perf_counter()
        loss = tn.softmax_cross_entropy(self.network(self.images), self.labels) * self.share
        forward = time.perf_counter()
        self.optimizer.zero_grad()
        loss.backward(when_whole=self._exchange)
        backward = time.perf_counter()
        self.gradients.wait()
        whole = time.perf_counter()
        self.optimizer.step()
        update = time.perf_counter()
        return float(loss), {
            "forward": forward - start, "backward": backward - forward - self.exchanging,
            "exchange": self.exchanging, "waiting": whole - backward, "update": update - whole,
        }  # fmt: skip

    def _exchange(self, parameter):
        start = time.perf_counter()
        self.gradients.add(parameter)
        self.exchanging += time.perf_counter() - start

    def barrier(self):
        self.ranks.barrier()

    def sent_bytes(self):
        return dict(self.ranks.traffic.bytes_by_name)

    def latency(self, sums=21):
        size = self.ranks.size
        if size == 1:
            return None
        numbers, seconds = np.ones(size, np.float32), []  # one for each part of a ring
        for _ in range(sums):
            self.ranks.barrier()
            start = time.perf_counter()
            self.ranks.all_reduce(numbers).wait()
            seconds.append(time.perf_counter() - start)
        return statistics.median(seconds) / (2 * (size - 1))


if __name__ == "__main__":
    folder, backend, steps = sys.argv[1:]
    rank.use_own_processors()
    rank.run(DataParallel(folder, backend), folder, int(steps))
