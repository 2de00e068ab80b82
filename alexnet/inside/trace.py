"""Trace: one pass of images through a network, layer by layer, with all that passed.

    for name, layer in model: y = layer(x)          in test mode, without a graph

The trace keeps every layer's input and output, so it takes the memory of all activations: 8 MB for
an image of 227 x 227 in the paper's network.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

import tinynet as tn
from alexnet.errors import NotFinite
from alexnet.evaluation.metrics import in_test_mode
from alexnet.inside.recording import recording
from tinynet import nn


@dataclass(frozen=True)
class TracedLayer:
    """One layer's part of a trace.

    name, layer     as in the model
    x, y            what it read and what it made of it, (N, ...), on the host
    seconds         that its forward took
    """

    name: str
    layer: nn.Module
    x: np.ndarray
    y: np.ndarray
    seconds: float

    @property
    def kind(self) -> str:
        """Conv2d, ReLU, ..."""
        return type(self.layer).__name__

    @property
    def arguments(self) -> dict:
        """The layer's arguments by name: stride, padding, ... without its parameters."""
        return {
            name: value
            for name, value in vars(self.layer).items()
            if not isinstance(value, tn.Tensor) and name != "training" and value is not None
        }

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """Its parameters and buffers by name: weight, bias, running_mean, running_var."""
        return {
            name: value.numpy()
            for name, value in vars(self.layer).items()
            if isinstance(value, tn.Tensor)
        }

    @property
    def bytes(self) -> int:
        """Of its output, its parameters and its buffers."""
        return self.y.nbytes + sum(array.nbytes for array in self.arrays.values())


@dataclass(frozen=True)
class Trace:
    """All layers' parts in order: seen["conv2"], for layer in seen, len(seen).

    model  the network
    """

    model: nn.Module
    layers: tuple[TracedLayer, ...]

    def __getitem__(self, name: str) -> TracedLayer:
        for layer in self.layers:
            if layer.name == name:
                return layer
        names = ", ".join(layer.name for layer in self.layers)
        raise KeyError(f"trace: there is no layer {name!r}; there are {names}")

    def __iter__(self) -> Iterator[TracedLayer]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def check_finite(self) -> None:
        """Raise NotFinite, with its name, for the first layer whose outputs are not finite."""
        for layer in self.layers:
            if not np.isfinite(layer.y).all():
                raise NotFinite(f"its activations at {layer.name} are not finite")

    def gradient(self, name: str, label: int, image: int = 0) -> np.ndarray:
        """The gradient of one image's softmax cross-entropy by the output of a layer, (1, ...).

        The layers after it compute once more, in test mode, from the traced output of that image.
        Raises KeyError for a name that is no layer's.
        """
        place = self.layers.index(self[name])
        y = tn.Tensor(self.layers[place].y[image : image + 1], requires_grad=True)
        with recording(self.model):
            logits = y
            for traced in self.layers[place + 1 :]:
                logits = traced.layer(logits)
            tn.softmax_cross_entropy(logits, np.array([label])).backward()
        return tn.get_backend().to_numpy(y.grad)


def trace(model, x: tn.Tensor) -> Trace:
    """The Trace of a network of named layers (nn.Sequential, alexnet.build) on images x (N, ...).

    Raises TypeError for x that is no Tensor, and the layers' own errors.
    """
    if not isinstance(x, tn.Tensor):
        raise TypeError(
            f"trace: x is {type(x).__name__}; tn.Tensor(images) fits, normalised as in the "
            "network's training"
        )
    layers = []
    with in_test_mode(model), np.errstate(over="ignore", invalid="ignore"):
        for name, layer in model:
            start = time.perf_counter()
            y = layer(x)
            array = y.numpy()  # on a GPU this waits for the layer
            seconds = time.perf_counter() - start
            layers.append(TracedLayer(name, layer, x.numpy(), array, seconds))
            x = y
    return Trace(model, tuple(layers))
