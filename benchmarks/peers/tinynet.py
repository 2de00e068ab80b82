"""tinynet, as alexnet.train uses it.   python -m benchmarks.peers.tinynet FOLDER BACKEND"""

import platform
import sys
import time
from pathlib import Path

import numpy as np

import tinynet as tn
from alexnet.data.normalization import Normalization
from benchmarks.peers import protocol


class Tinynet:
    """The network of a plan; protocol.serve says what its methods are for.

    Its step begins with what the others are spared: the batch's uint8 images become numbers
    ("data"). The step's seconds are the others': forward, backward and update.
    """

    def __init__(self, folder, backend):
        self.folder = folder
        self.plan, _ = protocol.work(folder)
        with np.load(Path(folder) / "batch.npz") as file:
            self.photos, self.labels = file["photos"], file["labels"]
            self.normalization = Normalization(file["mean"], file["divisor"])
        tn.use_backend(backend)
        tn.get_backend().set_threads(self.plan["threads"])
        layers = self.plan["layers"]
        self.model = tn.nn.Sequential(
            [
                (layer["name"], getattr(tn.nn, layer["kind"])(**layer["arguments"]))
                for layer in layers
            ]
        )
        self.ready = None  # the batch as numbers, once inference asks for it
        self.versions = {"python": platform.python_version(), "numpy": np.__version__}
        self.versions |= {"tinynet": tn.__version__, "backend": backend}
        if backend == "numba":
            import numba
            import scipy

            self.versions |= {"numba": numba.__version__, "scipy": scipy.__version__}
        self.restart(dropout=True)

    def restart(self, dropout):
        self.model.load_state_dict(dict(protocol.weights(self.folder)))
        numbers = (self.plan[name] for name in ("lr", "momentum", "weight_decay"))
        self.optimizer = tn.optim.SGD(self.model.parameters(), *numbers)
        self.dropout = dropout

    def step(self):
        if not self.model.training:
            self.model.train()
        begin = time.perf_counter()
        x = self.normalization(self.photos)
        start = time.perf_counter()
        loss = tn.softmax_cross_entropy(self._logits(tn.Tensor(x)), self.labels)
        value = loss.item()
        forward = time.perf_counter()
        self.optimizer.zero_grad()
        loss.backward()
        backward = time.perf_counter()
        self.optimizer.step()
        end = time.perf_counter()
        return {
            "loss": value, "seconds": end - start, "forward": forward - start,
            "backward": backward - forward, "update": end - backward, "data": start - begin,
        }  # fmt: skip

    def _logits(self, x):
        for _, layer in self.model:
            if self.dropout or not isinstance(layer, tn.nn.Dropout):
                x = layer(x)
        return x

    def infer(self):
        if self.ready is None:
            self.ready = tn.Tensor(self.normalization(self.photos))
        if self.model.training:
            self.model.eval()
        with tn.no_grad():
            return self.model(self.ready).numpy()

    def state(self):
        return ((name, parameter.numpy()) for name, parameter in self.model.named_parameters())


if __name__ == "__main__":
    protocol.serve(Tinynet(*sys.argv[1:]), sys.argv[1])
