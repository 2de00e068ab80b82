"""The paper's two towers on two ranks: its figure 2, as it ran on two GPUs.

                 rank 0: the upper tower               rank 1: the lower tower

    images       all of them                           all of them
    conv1        kernels 0-47                          kernels 48-95
    norm1        ................ <--- two maps each way ---> ................   (a)
    conv2        kernels 0-127                         kernels 128-255
    norm2        ................ <--- two maps each way ---> ................   (a)
                 ================ <------ all maps ---------> ================
    conv3        kernels 0-191                         kernels 192-383
    conv4        kernels 0-191                         kernels 192-383
    conv5        kernels 0-127                         kernels 128-255
                 ================ <------ all maps ---------> ================
    fc6          units 0-2047                          units 2048-4095
                 ================ <------ all units --------> ================
    fc7          units 0-2047                          units 2048-4095
                 ================ <------ all units --------> ================
    fc8          classes 0-499                         classes 500-999
                 ================ <----- all logits --------> ================
    loss / 2     of all images                         of all images

Every rank sees every image. A convolution in two groups (conv2, conv4, conv5) reads the maps of its
own tower, which are at home. A convolution in one group (conv3) and the fully connected layers read
both towers: their inputs cross in forward, and the gradients by them in backward.

(a) Normalisation across all maps, as in the paper's text, reads two maps beyond the towers' border.
The authors' program, spec code-2012, normalises each tower by itself, and nothing crosses.

At the end both ranks have the same logits and the same loss. The loss of the whole is the sum of
the ranks' losses (tinynet/parallel), so each takes one half of it. No weight is on both ranks: each
gradient is whole where its weight is, and nothing is left to sum.

Source: the paper, section 3.5 and figure 2; section 3.1 says which layers communicate.
"""

import math
from dataclasses import replace

import tinynet as tn
from alexnet.network.build import make
from alexnet.network.parts import AllGather, Part, gathered_bytes, units_of
from alexnet.network.plan import Layer, plan
from tinynet import nn
from tinynet.parallel import share_of, with_neighbours, without_neighbours

TOWERS = 2


class Towers(Part):
    """This rank's tower of a network, with its part of the weights. A call maps all images to all
    logits; both ranks must make it.

    network  alexnet.build's, the same on both ranks; two of its convolutions' groups are towers
    ranks    an engine of two ranks (tinynet/parallel)
    Raises ValueError for another number of ranks, and for a network that has no two towers.
    """

    def __init__(self, network: nn.Sequential, ranks):
        layers = plan(network.spec, network.num_classes, network.image_size)
        check(layers, ranks.size)
        super().__init__(_tower(layers, ranks, network.parameters()[0].dtype), ranks)
        self.load_state_dict(self.split(network.state_dict()))

    def gradients(self, images, labels):
        """Forward, loss and backward: parameter.grad is the gradient by this rank's weights of the
        mean loss of all images.

        images  Tensor (N, 3, S, S), the same on both ranks; labels  (N,), theirs
        Returns (loss, logits): the mean loss and the logits (N, classes), the same on both ranks.
        """
        logits = self(images)
        loss = tn.softmax_cross_entropy(logits, labels)
        self.zero_grad()
        (loss / TOWERS).backward()
        return loss, logits


class AcrossTowers(nn.Module):
    """Local response normalisation across the maps of both towers.

    norm  the layer; name  what is counted as sent (tinynet/parallel/traffic.py)
    """

    def __init__(self, norm: nn.LocalResponseNorm, ranks, name: str):
        self.norm, self.ranks, self.name = norm, ranks, name

    def forward(self, x):
        channels = _border(self.norm.size, x.shape[1])
        y = self.norm(with_neighbours(x, self.ranks, channels, self.name))
        return without_neighbours(y, self.ranks, channels)


def check(layers: list[Layer], ranks: int) -> None:
    """Raises ValueError where a network of these layers does not fit on so many ranks as towers."""
    if ranks != TOWERS:
        raise ValueError(f"towers: there are two, one a rank, and {ranks} ranks; 2 ranks fit")
    convolutions = [layer for layer in layers if layer.kind == "Conv2d"]
    if not any(layer.arguments["groups"] == TOWERS for layer in convolutions):
        raise ValueError(
            "towers: this network has one tower, no convolution in two groups; specs paper, "
            "code-2012, caffe, onnx-zoo and caffenet have two, and build(..., groups=2)"
        )
    for layer in layers:
        groups = layer.arguments.get("groups", 1)
        if groups not in (1, TOWERS):
            raise ValueError(f"towers: {layer.name} has {groups} groups; 1 or 2 fit")
    for layer in convolutions:
        if layer.arguments["out_channels"] % TOWERS:
            raise ValueError(
                f"towers: {layer.name} has {layer.arguments['out_channels']} kernels; an even "
                "number fits, half for each tower"
            )


def sent_bytes(layers: list[Layer], images: int, itemsize: int = 4) -> dict[str, int]:
    """{name: bytes} that a rank sends in a step, in the order of the layers: activations in
    forward, and as many gradients in backward.

    layers    the plan of the network, of which both towers are a half
    images    in the batch
    itemsize  bytes of a number: 4 in float32
    """
    sent = {}
    for position, layer in enumerate(layers):
        if _crosses_border(layer):
            channels, height, width = layer.inputs
            border = _border(layer.arguments["size"], channels // TOWERS)
            sent[f"{layer.name}.border"] = 2 * images * border * height * width * itemsize
        if position and _reads_both(layer):
            units = math.prod(layer.inputs)
            sent[f"{layer.name}.input"] = gathered_bytes(units, images, TOWERS, itemsize)
    sent["logits"] = gathered_bytes(layers[-1].outputs[0], images, TOWERS, itemsize)
    return sent


def _tower(layers, ranks, dtype):
    """(name, layer) of this rank, in order, with the layers that exchange."""
    own = make([_half(layer, ranks) for layer in layers], dtype)
    for position, (layer, (name, module)) in enumerate(zip(layers, own, strict=True)):
        if position and _reads_both(layer):
            yield f"gather_{name}", AllGather(layer.inputs[0], ranks, f"{name}.input")
        if _crosses_border(layer):
            module = AcrossTowers(module, ranks, f"{name}.border")
        if layer.kind == "Dropout":
            units = share_of(layer.inputs[0], ranks.rank, TOWERS)
            module.part = 0, units.start, layer.inputs[0]
        yield name, module
    yield "gather_logits", AllGather(layers[-1].outputs[0], ranks, "logits")


def _half(layer, ranks):
    """A layer of the plan with this rank's half of its kernels, units or channels."""
    arguments = layer.arguments
    match layer.kind:
        case "Linear":
            return units_of(layer, ranks)
        case "Conv2d":
            half = {"out_channels": arguments["out_channels"] // TOWERS}
            # What the kernels read: their own tower's half, or all maps.
            half |= {"in_channels": arguments["in_channels"] // arguments["groups"], "groups": 1}
        case "BatchNorm2d":
            half = {"channels": arguments["channels"] // TOWERS}
        case "LocalResponseNorm":
            half = {"groups": 1}
        case _:
            return layer
    return replace(layer, arguments=arguments | half)


def _reads_both(layer):
    """Whether each unit of the layer reads the activations of both towers."""
    return layer.kind == "Linear" or (layer.kind == "Conv2d" and layer.arguments["groups"] == 1)


def _crosses_border(layer):
    """Whether the layer normalises across the towers' border."""
    return layer.kind == "LocalResponseNorm" and layer.arguments["groups"] == 1


def _border(size, channels):
    """How many maps of the other tower's `channels` a window of LRN can reach."""
    return min(size // 2, channels)
