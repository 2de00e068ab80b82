"""The least work of a layer: its arithmetic, and the bytes that it must move, as numbers.

    flop    convolution, fully connected: 2 x multiply-adds forward and 4 x backward, half for each
            of the two gradients; the first convolution computes no image gradient: 2 x.
            Others: additions, products, comparisons, roots, powers and exponentials of the
            definition, one each. Windows that hang over an edge count as whole.
    bytes   every array that goes in or out, once, 4 bytes a number. Arrays that an implementation
            saves between forward and backward, or reads twice, are its own cost, not counted:

            kind                          forward            backward
            convolution, connected        x, parameters, y   dy, x, d parameters; weight, dx
            max and average pool          x, y               dy, dx
            LRN, same-map, batch norm     x, y               x, dy, dx
            relu, tanh                    x, y               dy, y, dx
            dropout                       x, y               dy, dx
            softmax cross-entropy         logits             logits, dlogits
            SGD                           weight, velocity, gradient; weight, velocity

Winograd's convolutions need fewer products than the definition, which is counted for them too;
their rate may exceed the rate of a matrix product.
"""

import math
from dataclasses import dataclass

from alexnet.network.layer_numbers import summarize
from alexnet.network.plan import Layer

BYTES = 4  # of a float32


@dataclass(frozen=True)
class Work:
    """One run of a layer, or of its backward, on a whole batch."""

    flop: int
    bytes: int


def loss_and_update(layers: list[Layer]) -> list[Layer]:
    """The rest of a training step as rows of a plan: the loss of the last layer's output, and the
    update of all weights."""
    parameters = sum(row.parameters for row in summarize(layers))
    return [
        Layer("loss", "SoftmaxCrossEntropy", {}, layers[-1].outputs, ()),
        Layer("update", "SGD", {}, (parameters,), (parameters,)),
    ]


def flop_per_image(layers: list[Layer], what: str) -> int:
    """FLOP of one image of a step: 2 for each multiply-add forward; in training 6, but 4 in the
    first layer that has any, whose input needs no gradient. what: "training" or "inference"."""
    counts = [row.multiply_adds for row in summarize(layers) if row.multiply_adds]
    if what == "inference":
        return 2 * sum(counts)
    return 4 * counts[0] + 6 * sum(counts[1:])


def work(layer: Layer, batch_size: int, needs_dx: bool = True) -> dict[str, Work]:
    """{"forward": Work, "backward": Work} of a layer, {"update": Work} of SGD.

    layer     a row of a plan or of loss_and_update
    needs_dx  whether the backward computes the gradient of the layer's input; it matters only to
              convolutions and fully connected layers
    Raises TypeError for a kind without counts.
    """
    if layer.kind == "SGD":
        weights = math.prod(layer.inputs)
        return {"update": Work(6 * weights, 5 * BYTES * weights)}
    x, y = batch_size * math.prod(layer.inputs), batch_size * math.prod(layer.outputs)
    if layer.kind in ("Conv2d", "Linear"):
        return _products(layer, batch_size, x, y, needs_dx)
    forward, backward = _arithmetic(layer, x, y)
    arrays = {"forward": x + y, "backward": x + y}
    if layer.kind in ("LocalResponseNorm", "SameMapNorm", "BatchNorm2d", "ReLU", "Tanh"):
        arrays["backward"] += x
    if layer.kind == "SoftmaxCrossEntropy":
        arrays = {"forward": x, "backward": 2 * x}
    return {
        "forward": Work(forward, BYTES * arrays["forward"]),
        "backward": Work(backward, BYTES * arrays["backward"]),
    }


def _products(layer, batch_size, x, y, needs_dx):
    """A convolution or a fully connected layer; x, y: numbers of elements."""
    row = summarize([layer])[0]
    multiply_adds = batch_size * row.multiply_adds
    weight = row.parameters - layer.outputs[0]  # the others are biases
    backward = Work(2 * multiply_adds, BYTES * (y + x + row.parameters))
    if needs_dx:
        backward = Work(4 * multiply_adds, backward.bytes + BYTES * (weight + x))
    return {
        "forward": Work(2 * multiply_adds, BYTES * (x + row.parameters + y)),
        "backward": backward,
    }


def _arithmetic(layer, x, y):
    """(flop forward, flop backward) of a layer without matrix products; x, y: numbers of
    elements."""
    arguments = layer.arguments
    match layer.kind:
        case "ReLU" | "Dropout":
            return x, x
        case "Tanh":
            return x, 3 * x  # dx = dy (1 - y y)
        case "MaxPool2d":
            return (arguments["window"] ** 2 - 1) * y, y
        case "AvgPool2d":
            return arguments["window"] ** 2 * y, (arguments["window"] ** 2 + 1) * y
        case "AdaptiveAvgPool2d":
            return x, x + y
        case "LocalResponseNorm":
            # y = x f, f = scale^-beta, scale = k + a sum of squares: a square, size - 1 sums, a
            # product, a sum, a power, a product.
            # dx = dy f - 2 a beta x sum(dy f x / scale): a power, dy f, a product and a quotient in
            # the sum, size - 1 sums, 2 products, a difference.
            return (arguments["size"] + 4) * x, (arguments["size"] + 6) * x
        case "SameMapNorm":
            # As LRN, with windows of size x size.
            return (arguments["size"] ** 2 + 4) * x, (arguments["size"] ** 2 + 6) * x
        case "BatchNorm2d":
            # mean 1, variance 3, then 2. Sums of dy and of dy x_hat: 1 + 4; dx 4.
            return 6 * x, 9 * x
        case "SoftmaxCrossEntropy":
            return 4 * x, 2 * x  # largest, difference, exponential, sum; quotient, difference
    raise TypeError(f"work: nothing is counted for {layer.kind}; add it to {__name__}")
