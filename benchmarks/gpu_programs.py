"""A training step on a GPU as programs to be timed: tinynet's, captured or not, and PyTorch's.

    work = Work(folder)                   network, weights and batch of benchmarks.programs
    program = PROGRAMS["pytorch"](work)
    program.restart(dropout=True)         the initial weights
    program.queue()                       one step on the device; nothing waits
    program.step()                        {"loss": ...} of one step; waits for the device

All live in this process, with the batch on the device. A step is forward, mean softmax
cross-entropy, backward and SGD with momentum and weight decay; benchmarks/peers/protocol.py says
what restart, step and state are for.
"""

import json
import sys
from pathlib import Path

import numpy as np

import tinynet as tn
from benchmarks.peers import protocol
from benchmarks.peers.pytorch import pytorch_layer
from benchmarks.programs import LR, MOMENTUM, WEIGHT_DECAY, ProgramError


class Work:
    """What benchmarks.programs.write_work left in a folder.

    layers  of the plan, dicts
    images  (N, 3, H, W) float32
    labels  (N,) int64
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self.layers = json.loads((self.folder / "plan.json").read_text())["layers"]
        with np.load(self.folder / "batch.npz") as file:
            self.images, self.labels = file["images"], file["labels"]


# --- tinynet --------------------------------------------------------------------------------------


class Tinynet:
    """The step as alexnet.train does it; the default backend is cupy.

    wrap  makes of a function that queues a step one that does so in another way: see captured
    """

    def __init__(self, work, wrap=None):
        self._work, self._wrap = work, wrap
        self._images = tn.Tensor(work.images)
        self._labels = tn.Labels(work.labels, int(work.labels.max()) + 1)
        self.model = tn.nn.Sequential(
            [
                (layer["name"], getattr(tn.nn, layer["kind"])(**layer["arguments"]))
                for layer in work.layers
            ]
        )

    def restart(self, dropout):
        self.model.load_state_dict(dict(protocol.weights(self._work.folder)))
        self._optimizer = tn.optim.SGD(self.model.parameters(), LR, MOMENTUM, WEIGHT_DECAY)
        self.model.zero_grad()
        self._dropout = dropout
        self._run = self._wrap(self._step) if self._wrap else self._step

    def queue(self):
        (self._loss,) = self._run()

    def step(self):
        self.queue()
        return {"loss": float(tn.get_backend().to_numpy(self._loss))}

    def state(self):
        return ((name, parameter.numpy()) for name, parameter in self.model.named_parameters())

    def _step(self):
        """Queue one step; its loss's array is returned alone in a list."""
        loss = tn.softmax_cross_entropy(self._logits(), self._labels)
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        return [loss.data]

    def _logits(self):
        x = self._images
        for _, layer in self.model:
            if self._dropout or not isinstance(layer, tn.nn.Dropout):
                x = layer(x)
        return x


def captured(step):
    """The step as a CUDA graph: recorded once, then replayed with one launch."""
    return tn.gpu.CudaGraph(step)


# --- PyTorch --------------------------------------------------------------------------------------


class PyTorch:
    """The layers of benchmarks/peers/pytorch.py in a Sequential, torch.optim.SGD(fused=True).

    order     "channels-first" or "channels-last": of weights and images in memory
    compiled  whether forward and loss go through torch.compile, in its default mode
    device    PyTorch's name of it
    """

    def __init__(self, work, order="channels-first", compiled=False, device="cuda"):
        import torch

        self._torch, self._work = torch, work
        formats = {
            "channels-first": torch.contiguous_format, "channels-last": torch.channels_last,
        }  # fmt: skip
        self._model = torch.nn.Sequential()
        for layer in work.layers:
            self._model.add_module(layer["name"], pytorch_layer(torch, layer))
        self._model = self._model.to(device, memory_format=formats[order])
        self._images = torch.from_numpy(work.images).to(device, memory_format=formats[order])
        self._labels = torch.from_numpy(work.labels).to(device)
        self._run = _compiled(torch, self._forward) if compiled else self._forward

    def restart(self, dropout):
        torch, model = self._torch, self._model
        with torch.no_grad():
            tensors = dict(model.state_dict())
            for name, array in protocol.weights(self._work.folder):
                tensors[name].copy_(torch.from_numpy(array))
        numbers = {"lr": LR, "momentum": MOMENTUM, "weight_decay": WEIGHT_DECAY}
        self._optimizer = torch.optim.SGD(model.parameters(), **numbers, fused=True)
        for layer in model:
            if hasattr(layer, "dropping"):
                layer.dropping = dropout

    def queue(self):
        loss = self._run()
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        self._loss = loss.detach()

    def step(self):
        self.queue()
        return {"loss": self._loss.item()}

    def state(self):
        for name, parameter in self._model.named_parameters():
            yield name, parameter.detach().cpu().numpy()

    def _forward(self):
        return self._torch.nn.functional.cross_entropy(self._model(self._images), self._labels)


def _compiled(torch, function):
    # The compiler's own choice of channels-last gave wrong gradients in 2.13.0 on a processor; the
    # order of images and weights is chosen here, by program.
    import torch._inductor.config

    torch._inductor.config.layout_optimization = False
    # The batch never changes its size: dynamic shapes would compile for any.
    return torch.compile(function, dynamic=False)


PROGRAMS = {
    "tinynet": Tinynet,
    "tinynet-captured": lambda work: Tinynet(work, captured),
    "pytorch": PyTorch,
    "pytorch-channels-last": lambda work: PyTorch(work, "channels-last"),
    "pytorch-compiled": lambda work: PyTorch(work, compiled=True),
    "pytorch-compiled-channels-last": lambda work: PyTorch(work, "channels-last", compiled=True),
}


def forget_compiled():
    """Drop what torch.compile keeps, so that the next batch size is compiled by itself."""
    if "torch" in sys.modules:
        sys.modules["torch"].compiler.reset()


# --- the same numbers -----------------------------------------------------------------------------

# How far programs may be apart after three steps, relative. TF32 keeps 10 bits of what goes into a
# product. Rounding there to the nearest or cutting off, as libraries differ in, moved the losses of
# `paper` by 2.4e-3, its parameters' moves by 4e-3 and its pulls by 1e-2 of themselves (emulated on
# a processor, batch 8).
TOLERANCES = {
    "float32": {"losses": 1e-3, "moves": 2e-2, "pulls": 5e-2},
    "tf32": {"losses": 1e-2, "moves": 3e-2, "pulls": 0.2},
}
# Of a weight that hardly gets longer or shorter, the pull is the rest of large sums; what weight
# decay alone does to every weight in three steps is what must be seen in it.
DECAY = LR * WEIGHT_DECAY * (1 + (1 + MOMENTUM) + (1 + MOMENTUM + MOMENTUM**2))


def check_numbers(name, ours, theirs, precision) -> dict[str, float]:
    """How far apart two answers of protocol.numbers are: {"losses": ..., "moves": ..., "pulls":
    ...}, the largest relative difference of each. Raises ProgramError beyond TOLERANCES."""
    if list(ours["moves"]) != list(theirs["moves"]):
        raise ProgramError(f"{name} has parameters of other names: {sorted(theirs['moves'])}")
    apart = {"losses": _apart(ours["losses"], theirs["losses"], 0.0)}
    for what, least in (("moves", 0.0), ("pulls", DECAY)):
        apart[what] = _apart(*(list(answer[what].values()) for answer in (ours, theirs)), least)
    for what, distance in apart.items():
        allowed = TOLERANCES[precision][what]
        if not distance <= allowed:  # NaN is no agreement
            raise ProgramError(
                f"{name} computes other numbers than tinynet: its {what} differ by {distance:.2g} "
                f"of their size, {precision} explains {allowed:g}; it is not compared"
            )
    return apart


def _apart(a, b, least):
    """The largest difference of two lists of numbers over their size, or over least."""
    a, b = np.array(a), np.array(b)
    size = np.maximum(np.maximum(np.abs(a), np.abs(b)), max(least, 1e-30))
    return float((np.abs(a - b) / size).max())
