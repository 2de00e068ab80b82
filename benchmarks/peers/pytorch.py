"""PyTorch.   python -m benchmarks.peers.pytorch FOLDER eager|channels-last|compiled

Its own layers in a Sequential, torch.optim.SGD(fused=True). channels-last: weights and images in
that order of memory. compiled: the forward pass and the loss through torch.compile.
"""

import platform
import sys
import time

import numpy as np

from benchmarks.peers import protocol


class PyTorch:
    """The network of a plan; protocol.serve says what its methods are for."""

    def __init__(self, folder, how):
        self.folder = folder
        self.plan, batch = protocol.work(folder)
        import torch

        torch.set_num_threads(self.plan["threads"])
        self.torch = torch
        self.order = torch.channels_last if how == "channels-last" else torch.contiguous_format
        self.images = torch.from_numpy(batch["images"]).contiguous(memory_format=self.order)
        self.labels = torch.from_numpy(batch["labels"])
        self.model = torch.nn.Sequential()
        for layer in self.plan["layers"]:
            self.model.add_module(layer["name"], pytorch_layer(torch, layer))
        self.model = self.model.to(memory_format=self.order)
        self.logits, self.loss = self.model, self._loss
        if how == "compiled":
            # The compiler's own choice of channels-last gave wrong gradients in 2.13.0 (`paper` at
            # batch 128: losses 0.001 off), and these programs must compute the same numbers.
            import torch._inductor.config

            torch._inductor.config.layout_optimization = False
            self.logits, self.loss = torch.compile(self.model), torch.compile(self._loss)
        self.versions = {"python": platform.python_version(), "numpy": np.__version__}
        self.versions |= {"torch": torch.__version__}
        self.restart(dropout=True)

    def _loss(self):
        return self.torch.nn.functional.cross_entropy(self.model(self.images), self.labels)

    def restart(self, dropout):
        with self.torch.no_grad():
            tensors = dict(self.model.state_dict())
            for name, array in protocol.weights(self.folder):
                tensors[name].copy_(self.torch.from_numpy(array))
        names = ("lr", "momentum", "weight_decay")
        self.optimizer = self.torch.optim.SGD(
            self.model.parameters(), **{name: self.plan[name] for name in names}, fused=True
        )
        for layer in self.model:
            if hasattr(layer, "dropping"):
                layer.dropping = dropout

    def step(self):
        if not self.model.training:
            self.model.train()
        start = time.perf_counter()
        loss = self.loss()
        value = loss.item()
        forward = time.perf_counter()
        self.optimizer.zero_grad()
        loss.backward()
        backward = time.perf_counter()
        self.optimizer.step()
        end = time.perf_counter()
        return {
            "loss": value, "seconds": end - start, "forward": forward - start,
            "backward": backward - forward, "update": end - backward,
        }  # fmt: skip

    def infer(self):
        if self.model.training:
            self.model.eval()
        with self.torch.no_grad():
            return self.logits(self.images).numpy()

    def state(self):
        for name, parameter in self.model.named_parameters():
            yield name, parameter.detach().numpy()


def pytorch_layer(torch, layer):
    """PyTorch's layer of a plan's."""
    nn, arguments = torch.nn, layer["arguments"]
    match layer["kind"]:
        case "Conv2d":
            names = ("in_channels", "out_channels", "kernel", "stride", "padding")
            return nn.Conv2d(*(arguments[name] for name in names), groups=arguments["groups"])
        case "Linear":
            return nn.Linear(arguments["in_features"], arguments["out_features"])
        case "ReLU":
            return nn.ReLU()
        case "Tanh":
            return nn.Tanh()
        case "Flatten":
            return nn.Flatten()
        case "MaxPool2d" | "AvgPool2d" as kind:
            sizes = (arguments["window"], arguments["stride"])
            return getattr(nn, kind)(*sizes, ceil_mode=arguments["ceil_mode"])
        case "AdaptiveAvgPool2d":
            return nn.AdaptiveAvgPool2d(arguments["size"])
        case "BatchNorm2d":
            numbers = {name: arguments[name] for name in ("eps", "momentum")}
            return nn.BatchNorm2d(arguments["channels"], **numbers)
        case "LocalResponseNorm":
            size, beta, k = (arguments[name] for name in ("size", "beta", "k"))
            alpha = arguments["alpha"] * (1 if arguments["divide_by_size"] else size)
            return nn.LocalResponseNorm(size, alpha, beta, k)
        case "Dropout":
            return _dropout(torch, **arguments)
    raise SystemExit(f"PyTorch: no layer is known for {layer['name']}, {layer['kind']}")


def _dropout(torch, drop, scale):
    """Dropout in either convention, that can be switched off in training: dropping."""

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
