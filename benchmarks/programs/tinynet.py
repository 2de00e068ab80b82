"""tinynet, as alexnet.train uses it.   python -m benchmarks.programs.tinynet FOLDER BACKEND [HOW]

HOW is "" or, on a GPU, "cuda-graph": the step is recorded once and launched whole.
"""

import platform
import sys

import numpy as np

import tinynet as tn
from alexnet.data.normalization import Normalization
from alexnet.network.build import make
from alexnet.network.plan import Layer
from alexnet.train import take_step
from benchmarks import machine
from benchmarks.clocks import CupyClock, HostClock
from benchmarks.programs import protocol


class Tinynet:
    """The network of a plan; protocol.serve says what its methods are for.

    On a processor its step begins with what the others are spared: the batch's uint8 images become
    numbers (the stage "data"). On a GPU the batch lies on the device.
    """

    def __init__(self, folder, backend, how="", clock=None):
        self.folder = folder
        self.plan, self.batch = protocol.work(folder)
        tn.use_backend(backend)
        kernels = tn.get_backend()
        kernels.set_threads(self.plan["threads"])
        self.clock = clock or (CupyClock() if kernels.asynchronous else HostClock())
        self.how, self.lr = how, self.plan["lr"]
        self.normalization = Normalization(self.batch["mean"], self.batch["divisor"])
        layers = [Layer(**row) for row in self.plan["layers"]]
        self.classes = layers[-1].outputs[0]
        self.model = make(layers)
        self.versions = {"python": platform.python_version(), "numpy": np.__version__}
        self.versions |= {"tinynet": tn.__version__, "backend": backend}
        self.versions |= machine.versions("numba", "scipy") if backend == "numba" else {}
        self.about = machine.gpu_description() if kernels.asynchronous else {}
        self.use(len(self.batch["labels"]))
        self.restart(dropout=True)

    def use(self, batch_size, precision="float32"):
        self.clock.set_precision(precision)
        self.photos = self.batch["photos"][:batch_size]
        self.labels = tn.Labels(self.batch["labels"][:batch_size], self.classes)
        self.images = self._ready_images() if self.clock.asynchronous else None

    def _ready_images(self):
        return tn.Tensor(self.batch["images"][: len(self.photos)])

    def restart(self, dropout):
        self.model.load_state_dict(dict(protocol.initial_weights(self.folder, self.clock)))
        self.optimizer = tn.optim.SGD(
            self.model.parameters(), self.lr, self.plan["momentum"], self.plan["weight_decay"]
        )
        self.model.zero_grad()
        layers = [row for row in self.model if dropout or not isinstance(row[1], tn.nn.Dropout)]
        self.network = tn.nn.Sequential(layers)
        self.recorded = tn.gpu.CudaGraph(take_step) if self.how == "cuda-graph" else None

    def step(self):
        self.network.train()
        marks = {"start": self.clock.mark()}
        if self.recorded:
            loss, _ = self.recorded(self.network, self.optimizer, self.images, self.labels, self.lr)
            marks["step"] = self.clock.mark()
            return self._number(loss), marks
        x = self.images
        if not self.clock.asynchronous:
            x = tn.Tensor(self.normalization(self.photos))
            marks["data"] = self.clock.mark()
        loss = tn.softmax_cross_entropy(self.network(x), self.labels)
        marks["forward"] = self.clock.mark()
        self.optimizer.zero_grad()
        loss.backward()
        marks["backward"] = self.clock.mark()
        self.optimizer.step()
        marks["update"] = self.clock.mark()
        return self._number(loss), marks

    def infer(self):
        self.model.eval()
        if self.images is None:
            self.images = self._ready_images()
        start = self.clock.mark()
        with tn.no_grad():
            logits = self.model(self.images)
        marks = {"start": start, "infer": self.clock.mark()}
        return tn.gpu.download(logits), marks

    def state(self):
        return ((name, parameter.numpy()) for name, parameter in self.model.named_parameters())

    def _number(self, loss):
        copy = tn.gpu.download(loss)
        return lambda: float(copy())


if __name__ == "__main__":
    protocol.serve(Tinynet(*sys.argv[1:]), sys.argv[1])
