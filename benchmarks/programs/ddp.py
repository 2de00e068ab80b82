"""PyTorch on several ranks: its DistributedDataParallel (DDP), with gloo.

    mpiexec -n 4 python -m benchmarks.programs.ddp FOLDER STEPS

The ranks find each other by a file in FOLDER. The variable GLOO_SOCKET_IFNAME names the network
interface. Where there is one rank, it is the plain network, without DDP.
"""

import sys
import time
from pathlib import Path

from benchmarks.programs import rank
from benchmarks.programs.pytorch import PyTorch


class Ddp(PyTorch):
    """One rank's part of the network of a plan; rank.run says what its methods are for."""

    def __init__(self, folder):
        self.rank, self.size = rank.place_in_training()
        super().__init__(folder, "cpu")
        self.restart(dropout=False)
        self.network = self.model
        if self.size > 1:
            from torch import distributed
            from torch.nn.parallel import DistributedDataParallel

            meeting = Path(folder).resolve() / "meeting"
            distributed.init_process_group(
                "gloo", init_method=f"file://{meeting}", rank=self.rank, world_size=self.size
            )
            self.network = DistributedDataParallel(self.model)

    def use(self, batch_size):
        """Take this rank's images of a batch. DDP takes the mean of the ranks' gradients, so that
        every rank must have as many."""
        count = batch_size // self.size
        mine = slice(self.rank * count, (self.rank + 1) * count)
        self.images = self.torch.from_numpy(self.batch["images"][mine])
        self.labels = self.torch.from_numpy(self.batch["labels"][mine])

    def step(self):
        """The stages "forward", "backward" (sums included) and "update"."""
        self.network.train()
        start = time.perf_counter()
        loss = self.torch.nn.functional.cross_entropy(self.network(self.images), self.labels)
        forward = time.perf_counter()
        self.optimizer.zero_grad()
        loss.backward()
        backward = time.perf_counter()
        self.optimizer.step()
        update = time.perf_counter()
        return float(loss.detach()) / self.size, {
            "forward": forward - start, "backward": backward - forward, "update": update - backward
        }  # fmt: skip

    def barrier(self):
        if self.size > 1:
            self.torch.distributed.barrier()

    def sent_bytes(self):
        return {}

    def latency(self):
        return None


if __name__ == "__main__":
    folder, steps = sys.argv[1:]
    rank.use_own_processors()
    rank.run(Ddp(folder), folder, int(steps))
