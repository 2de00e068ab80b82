"""A convolution as an auto-encoder: kernels from images without labels.

    h  = activation(conv2d(x, W) + b)                 encode
    x' = g conv_transpose2d(h, W) + c                 decode, by the same kernels
    loss = mean of (x' - x)^2 / variance of x         1 - loss: the share that is explained

The layers of a network are trained one after the other, each on what the finished ones below make
of the images. b is the convolution's bias; c has a number for each channel of x. Windows overlap,
so the kernels together lay more on a pixel than they read from it: g, found with c by least squares
on one batch before the training, takes the factor out. So weights keep the scale they were drawn
with, which the layers above count on.

One rate fits every layer, since it is meant for weights of He's scale and inputs of variance 1:
with weights s times as large and inputs of variance v the same descent has the rates s^2 lr for W,
s^2 v lr for b and v lr for c.

Source: Masci, Meier, Ciresan and Schmidhuber, Stacked convolutional auto-encoders for hierarchical
feature extraction (2011); Hinton and Salakhutdinov, Reducing the dimensionality of data with neural
networks (2006), for layer after layer. g and the factors on the rate are our choice.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

import tinynet as tn
from alexnet.errors import NotFinite
from tinynet import nn


class AutoEncoder(nn.Module):
    """A convolution with this name, its activation (nn.ReLU or nn.Tanh) and the decoder's bias.

    inputs    batches of its input, float32 or float64 (N, C, H, W): g, c and variance follow
    variance  of the input about the mean of each channel
    Raises NotFinite for inputs that are all alike, and for outputs that are: nothing can be learnt.
    """

    def __init__(self, name: str, conv: nn.Conv2d, activation: nn.Module, inputs: Iterable):
        self.conv, self.activation = conv, activation
        arrays = [x.numpy() for x in inputs]
        mean = np.mean([_channel_means(x) for x in arrays], axis=0)
        self.variance = float(np.mean([np.square(x - mean[:, None, None]).mean() for x in arrays]))
        with tn.no_grad():
            decoded = self._decoded(tn.Tensor(arrays[0])).numpy().astype(np.float64)
        decoded_mean = _channel_means(decoded)
        centred = decoded - decoded_mean[:, None, None]
        energy = np.square(centred).sum()
        slope = ((arrays[0] - mean[:, None, None]) * centred).sum()
        self.g = float(slope / energy) if energy else 0.0
        self.bias = nn.Parameter((mean - self.g * decoded_mean).astype(arrays[0].dtype))
        if not (self.variance > 0 and self.g > 0 and math.isfinite(self.g)):
            raise NotFinite(
                f"{name} cannot learn to give its input back: its inputs have the variance "
                f"{self.variance:g}, and what its kernels give back of them {energy:g}; larger "
                "initial weights may do, such as --init he"
            )

    def forward(self, x):
        """x', of the shape of x."""
        return self._decoded(x) * self.g + self.bias.reshape(-1, 1, 1)

    def loss(self, x):
        """The mean squared error of x', over the variance of the input."""
        return ((self(x) - x) ** 2).mean() / self.variance

    def groups(self) -> list[dict]:
        """The parameters as groups of tn.optim.SGD, each with its factor on the rate."""
        weight = self.conv.weight.numpy()
        scale = float(np.square(weight, dtype=np.float64).mean() * weight[0].size / 2)  # s^2
        return [
            {"parameters": [self.conv.weight], "lr_scale": scale},
            {"parameters": [self.conv.bias], "lr_scale": scale * self.variance},
            {"parameters": [self.bias], "lr_scale": self.variance},
        ]

    def _decoded(self, x):
        conv, shape = self.conv, x.shape
        h = self.activation(conv(x))
        if conv.ceil_mode:  # the convolution read zeros behind the maps, which are no input
            filled = conv.filled(x).shape
            return self._transposed(h, filled)[:, :, : shape[2], : shape[3]]
        return self._transposed(h, shape)

    def _transposed(self, h, shape):
        conv = self.conv
        return tn.conv_transpose2d(
            h, conv.weight, None, conv.stride, conv.padding, conv.groups, shape[2:]
        )


def _channel_means(x):
    return x.mean(axis=(0, 2, 3), dtype=np.float64)


@dataclass(frozen=True)
class Stage:
    """A convolution that is trained, with its neighbours.

    activation  the next one behind it, which its auto-encoder has
    below       the layers below, which are finished
    behind      the layers behind it up to the last batch normalisation before the next convolution
    """

    name: str
    conv: nn.Conv2d
    activation: nn.Module
    below: list[nn.Module]
    behind: list[nn.Module]

    def input(self, x: tn.Tensor) -> tn.Tensor:
        """What the layers below make of images."""
        with tn.no_grad():
            for layer in self.below:
                x = layer(x)
        return x

    def settle_norms(self, batches: Iterable[tn.Tensor]) -> None:
        """Set the running mean and variance of the batch normalisations behind the convolution to
        the means of those of these batches of images. They start at 0 and 1, which are those of no
        data: in test mode, as the next layers are trained, the layer would not normalise."""
        norms = [layer for layer in self.behind if isinstance(layer, nn.BatchNorm2d)]
        momenta = [norm.momentum for norm in norms]
        for number, images in enumerate(batches if norms else (), start=1):
            for norm in norms:
                norm.train()
                norm.momentum = 1 / number  # so that the running ones are means over the batches
            x = self.input(images)
            with tn.no_grad():
                for layer in (self.conv, *self.behind):
                    x = layer(x)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.eval()
            norm.momentum = momentum


def stages(model: nn.Sequential) -> list[Stage]:
    """The convolutions of a network, in order."""
    layers = list(model)
    places = [at for at, (_, layer) in enumerate(layers) if isinstance(layer, nn.Conv2d)]
    found = []
    for place, end in zip(places, [*places[1:], len(layers)], strict=True):
        name, conv = layers[place]
        own = [layer for _, layer in layers[place + 1 : end]]
        activation = next(layer for layer in own if isinstance(layer, (nn.ReLU, nn.Tanh)))
        norms = [at for at, layer in enumerate(own) if isinstance(layer, nn.BatchNorm2d)]
        behind = own[: norms[-1] + 1] if norms else []
        found.append(Stage(name, conv, activation, [each for _, each in layers[:place]], behind))
    return found
