"""PyTorch.   python -m benchmarks.programs.pytorch FOLDER DEVICE HOW

Its own layers in a Sequential, torch.optim.SGD(fused=True). DEVICE: cpu or cuda. HOW: eager,
channels-last (weights and images in that order of memory), compiled (forward pass and loss through
torch.compile) or compiled-channels-last.
"""

import platform
import sys

import numpy as np

from benchmarks.clocks import HostClock, TorchClock
from benchmarks.programs import protocol


class PyTorch:
    """The network of a plan; protocol.serve says what its methods are for."""

    def __init__(self, folder, device, how="eager", clock=None):
        self.folder = folder
        self.plan, self.batch = protocol.work(folder)
        import torch

        if device == "cpu":
            torch.set_num_threads(self.plan["threads"])
        self.clock = clock or (HostClock() if device == "cpu" else TorchClock())
        self.torch, self.device, self.compiled = torch, device, how.startswith("compiled")
        channels_last = how.endswith("channels-last")
        self.order = torch.channels_last if channels_last else torch.contiguous_format
        self.model = torch.nn.Sequential()
        for layer in self.plan["layers"]:
            self.model.add_module(layer["name"], pytorch_layer(torch, **layer))
        self.model = self.model.to(device, memory_format=self.order)
        self.versions = {"python": platform.python_version(), "numpy": np.__version__}
        self.versions |= {"torch": torch.__version__}
        if device != "cpu":
            self.versions |= {"torch_cuda": torch.version.cuda}
            self.versions |= {"cudnn": torch.backends.cudnn.version()}
        self.about = {}
        self.use(len(self.batch["labels"]))
        self.restart(dropout=True)

    def use(self, batch_size, precision="float32"):
        torch = self.torch
        self.clock.set_precision(precision)
        images = torch.from_numpy(self.batch["images"][:batch_size])
        self.images = images.to(self.device, memory_format=self.order)
        self.labels = torch.from_numpy(self.batch["labels"][:batch_size]).to(self.device)
        self.logits, self.loss = self.model, self._loss
        if self.compiled:
            # The compiler's own choice of channels-last gave wrong gradients in 2.13.0 (`paper` at
            # batch 128: losses 0.001 off), and these programs must compute the same numbers.
            import torch._inductor.config

            torch._inductor.config.layout_optimization = False
            torch.compiler.reset()  # what was compiled for another batch
            # A batch never changes its size: dynamic shapes would compile for any.
            self.logits = torch.compile(self.model, dynamic=False)
            self.loss = torch.compile(self._loss, dynamic=False)

    def _loss(self):
        return self.torch.nn.functional.cross_entropy(self.model(self.images), self.labels)

    def restart(self, dropout):
        with self.torch.no_grad():
            tensors = dict(self.model.state_dict())
            for name, array in protocol.initial_weights(self.folder, self.clock):
                tensors[name].copy_(self.torch.from_numpy(array))
        numbers = {name: self.plan[name] for name in ("lr", "momentum", "weight_decay")}
        self.optimizer = self.torch.optim.SGD(self.model.parameters(), **numbers, fused=True)
        for layer in self.model:
            if hasattr(layer, "dropping"):
                layer.dropping = dropout

    def step(self):
        if not self.model.training:
            self.model.train()
        marks = {"start": self.clock.mark()}
        loss = self.loss()
        marks["forward"] = self.clock.mark()
        self.optimizer.zero_grad()
        loss.backward()
        marks["backward"] = self.clock.mark()
        self.optimizer.step()
        marks["update"] = self.clock.mark()
        return loss.detach().item, marks

    def infer(self):
        if self.model.training:
            self.model.eval()
        start = self.clock.mark()
        with self.torch.no_grad():
            logits = self.logits(self.images)
        return logits.cpu, {"start": start, "infer": self.clock.mark()}

    def state(self):
        for name, parameter in self.model.named_parameters():
            yield name, parameter.detach().cpu().numpy()


def pytorch_layer(torch, name, kind, arguments, **shapes):
    """PyTorch's layer of a plan's row."""
    nn, a = torch.nn, arguments
    match kind:
        case "Conv2d":
            sizes = (a["in_channels"], a["out_channels"], a["kernel"])
            end = (shapes["outputs"][1] - 1) * a["stride"] + a["kernel"]
            zeros = max(0, end - shapes["inputs"][1] - 2 * a["padding"])
            conv = _rounded_up(torch, zeros) if zeros else nn.Conv2d
            return conv(*sizes, a["stride"], a["padding"], groups=a["groups"])
        case "Linear":
            return nn.Linear(a["in_features"], a["out_features"])
        case "ReLU" | "Tanh" | "Flatten":
            return getattr(nn, kind)()
        case "MaxPool2d" | "AvgPool2d":
            return getattr(nn, kind)(a["window"], a["stride"], ceil_mode=a["ceil_mode"])
        case "AdaptiveAvgPool2d":
            return nn.AdaptiveAvgPool2d(a["size"])
        case "BatchNorm2d":
            return nn.BatchNorm2d(a["channels"], a["eps"], a["momentum"])
        case "LocalResponseNorm":
            alpha = a["alpha"] * (1 if a["divide_by_size"] else a["size"])
            norm = nn.LocalResponseNorm(a["size"], alpha, a["beta"], a["k"])
            return norm if a["groups"] == 1 else _within_towers(torch, norm, a["groups"])
        case "SameMapNorm":
            return _same_map(torch, **a)
        case "Dropout":
            return _dropout(torch, **a)
    raise TypeError(f"PyTorch: no layer is known for {name}, {kind}; add it to {__name__}")


def _rounded_up(torch, zeros):
    """The class of convolutions of maps with this many rows and columns of zeros at their end."""

    class Conv2d(torch.nn.Conv2d):
        def forward(self, x):
            return super().forward(torch.nn.functional.pad(x, (0, zeros, 0, zeros)))

    return Conv2d


def _within_towers(torch, norm, groups):
    """norm of each tower's maps."""

    class Towers(torch.nn.Module):
        def forward(self, x):
            images, channels, *sizes = x.shape
            towers = x.reshape(images * groups, channels // groups, *sizes)
            return norm(towers).reshape(x.shape)

    return Towers()


def _same_map(torch, size, alpha, beta, k):
    """x / (k + alpha * mean of x^2 over the window) ** beta; the border's zeros count."""

    class SameMapNorm(torch.nn.Module):
        def forward(self, x):
            mean = torch.nn.functional.avg_pool2d(x * x, size, 1, size // 2)
            return x / (k + alpha * mean).pow(beta)

    return SameMapNorm()


def _dropout(torch, drop, scale):
    """Dropout in either convention, which can be switched off in training: dropping."""

    class Dropout(torch.nn.Module):
        dropping = True

        def forward(self, x):
            if not self.training:
                return x * (1 - drop) if scale == "test" else x
            if not self.dropping:
                return x
            if scale == "train":
                return torch.nn.functional.dropout(x, drop)
            return x * torch.empty_like(x).bernoulli_(1 - drop)

    return Dropout()


if __name__ == "__main__":
    protocol.serve(PyTorch(*sys.argv[1:]), sys.argv[1])
