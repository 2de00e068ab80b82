"""One layer as a program to be timed: tinynet's, and the same in PyTorch.

    given = draw(layer, 128)         x, dy and the parameters: standard normal numbers
    run = tinynet_program(layer, given)
    seconds, results = run()         {"forward": ..., "backward": ...}, {"y": ..., "dx": ..., ...}

Each run is a fresh forward and then the backward from dy; gradients of the run before are forgotten
first, outside of the clock. Both programs read the same arrays, and results are views of the
programs' own, so a batch of the paper's network needs little more memory than its training.
"""

import math
import time

import numpy as np

import tinynet as tn
from tinynet import nn

TOLERANCE = 1e-4  # the largest difference over the largest number: float32, sums in other orders
SGD = {"lr": 0.01, "momentum": 0.9, "weight_decay": 5e-4}


class OtherNumbers(Exception):
    """Two programs do not compute the same; the message says where."""


def draw(layer, batch_size) -> dict[str, np.ndarray]:
    """The arrays of a layer, float32, the same ones on every call.

    x, dy             like the layer's input and output, with the batch
    parameter names   normal numbers over the square root of fan-in; a batch norm's near 1
    labels            instead of dy, for the loss
    weight, gradient  of SGD, which has no x
    """
    generator = np.random.default_rng(0)

    def normal(*shape):
        return generator.standard_normal(shape, np.float32)

    if layer.kind == "SGD":
        return {"weight": normal(*layer.inputs), "gradient": normal(*layer.inputs)}
    given = {"x": normal(batch_size, *layer.inputs)}
    if layer.kind == "SoftmaxCrossEntropy":
        return given | {"labels": generator.integers(0, layer.inputs[0], batch_size)}
    given["dy"] = normal(batch_size, *layer.outputs)
    for name, parameter in _tinynet_layer(layer).named_parameters():
        array = normal(*parameter.shape)
        array /= np.float32(math.sqrt(math.prod(parameter.shape[1:])))
        given[name] = 1 + array / 4 if layer.kind == "BatchNorm2d" else array
    return given


# --- tinynet --------------------------------------------------------------------------------------


def tinynet_program(layer, given, needs_dx=True):
    """A function that runs the layer once: ({direction: seconds}, {name: array}).

    given     of draw
    needs_dx  whether x requires a gradient: not for the first layer of a network
    """
    if layer.kind == "SGD":
        weight = nn.Parameter(given["weight"].copy())
        weight.grad = given["gradient"]
        sgd = tn.optim.SGD([weight], **SGD)
        return lambda: ({"update": _seconds(sgd.step)}, {"weight": weight.numpy()})

    x = tn.Tensor(given["x"], requires_grad=needs_dx)
    if layer.kind == "SoftmaxCrossEntropy":
        parameters, dy = {}, np.array(1, np.float32)

        def forward():
            return tn.softmax_cross_entropy(x, given["labels"])
    else:
        module, dy = _tinynet_layer(layer), given["dy"]
        parameters = dict(module.named_parameters())
        for name, parameter in parameters.items():
            parameter.data = given[name]

        def forward():
            return module(x)

    def run():
        for tensor in (x, *parameters.values()):
            tensor.grad = None
        start = time.perf_counter()
        y = forward()
        middle = time.perf_counter()
        y.backward(dy)
        end = time.perf_counter()
        results = {"y": y.numpy(), "dx": x.grad}
        results |= {f"d{name}": parameter.grad for name, parameter in parameters.items()}
        return {"forward": middle - start, "backward": end - middle}, results

    return run


def _tinynet_layer(layer):
    return getattr(nn, layer.kind)(**layer.arguments)


def _seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


# --- PyTorch --------------------------------------------------------------------------------------


def pytorch_program(layer, given, needs_dx=True):
    """As tinynet_program, in PyTorch; its SGD is the fused one, its layers in channels-first order.

    Raises TypeError for a layer that PyTorch does not have.
    """
    import torch

    tensors = {name: torch.from_numpy(array) for name, array in given.items()}
    if layer.kind == "SGD":
        weight = torch.nn.Parameter(tensors["weight"].clone())
        weight.grad = tensors["gradient"]
        sgd = torch.optim.SGD([weight], **SGD, fused=True)
        return lambda: ({"update": _seconds(sgd.step)}, {"weight": weight.detach().numpy()})

    x = tensors["x"].requires_grad_(needs_dx)
    if layer.kind == "SoftmaxCrossEntropy":
        parameters, dy = {}, torch.tensor(1.0)

        def forward():
            return torch.nn.functional.cross_entropy(x, tensors["labels"])
    else:
        module, dy = pytorch_layer(torch.nn, layer), tensors["dy"]
        parameters = dict(module.named_parameters())
        for name, parameter in parameters.items():
            parameter.data = tensors[name]

        def forward():
            return module(x)

    def run():
        for tensor in (x, *parameters.values()):
            tensor.grad = None
        start = time.perf_counter()
        y = forward()
        middle = time.perf_counter()
        y.backward(dy)
        end = time.perf_counter()
        results = {"y": y.detach(), "dx": x.grad}
        results |= {f"d{name}": parameter.grad for name, parameter in parameters.items()}
        results = {name: None if t is None else t.numpy() for name, t in results.items()}
        return {"forward": middle - start, "backward": end - middle}, results

    return run


def pytorch_layer(peer, layer):
    """The layer of torch.nn that computes the same; peer: torch.nn."""
    a = layer.arguments
    match layer.kind:
        case "Conv2d":
            sizes = (a["in_channels"], a["out_channels"], a["kernel"])
            return peer.Conv2d(*sizes, a["stride"], a["padding"], groups=a["groups"])
        case "Linear":
            return peer.Linear(a["in_features"], a["out_features"])
        case "MaxPool2d":
            return peer.MaxPool2d(a["window"], a["stride"], ceil_mode=a["ceil_mode"])
        case "AvgPool2d":
            return peer.AvgPool2d(a["window"], a["stride"], ceil_mode=a["ceil_mode"])
        case "AdaptiveAvgPool2d":
            return peer.AdaptiveAvgPool2d(a["size"])
        case "LocalResponseNorm":
            alpha = a["alpha"] * (1 if a["divide_by_size"] else a["size"])
            return peer.LocalResponseNorm(a["size"], alpha, a["beta"], a["k"])
        case "BatchNorm2d":
            return peer.BatchNorm2d(a["channels"], a["eps"], a["momentum"])
        case "ReLU" | "Tanh":
            return getattr(peer, layer.kind)()
        case "Dropout":
            return peer.Dropout(a["drop"])  # scaled in training, whatever the spec says
    raise TypeError(f"no layer of PyTorch is known for {layer.kind}; add it to {__name__}")


# --- equal numbers --------------------------------------------------------------------------------


def check_equal(layer, given, ours, theirs) -> None:
    """Raises OtherNumbers where a result of the two programs differs by more than TOLERANCE.

    Dropout draws other masks in each program. Each is checked by itself: an element is zero in both
    directions or scaled in both, and the share of zeros is what chance allows.
    """
    if layer.kind == "Dropout":
        drop, inverted = layer.arguments["drop"], 1 / (1 - layer.arguments["drop"])
        check_dropout(given, ours, drop, 1.0 if layer.arguments["scale"] == "test" else inverted)
        check_dropout(given, theirs, drop, inverted)
        return
    for name, array in ours.items():
        error = relative_error(array, theirs[name])
        if not error <= TOLERANCE:
            raise OtherNumbers(
                f"{layer.name}: {name} differs from PyTorch's by {error:.1e} of its largest "
                f"number; {TOLERANCE:.0e} is allowed, nothing is compared"
            )


def check_dropout(given, results, drop, scale) -> None:
    """Raises OtherNumbers where a program's dropout is none."""
    kept = results["y"] != 0
    deviation = math.sqrt(drop * (1 - drop) / kept.size)
    fits = abs(kept.mean() - (1 - drop)) <= 6 * deviation
    for name, array in (("y", given["x"]), ("dx", given["dy"])):
        expected = np.where(kept, array * np.float32(scale), 0)
        fits = fits and relative_error(results[name], expected) <= TOLERANCE
    if not fits:
        raise OtherNumbers(f"dropout: not every element is dropped with {drop:g} or scaled")


def relative_error(a, b) -> float:
    """The largest |a - b| over the largest |b|: 0 for None and None, infinite where shapes differ
    or a number is not finite."""
    if a is None and b is None:
        return 0.0
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape or a.dtype != b.dtype:
        return math.inf
    error = float(np.abs(a - b).max() / max(np.abs(b).max(), np.finfo(b.dtype).tiny))
    return error if math.isfinite(error) else math.inf
