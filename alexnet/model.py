"""build: a row of SPECS and the wanted changes become a network of tinynet.nn layers.

    spec --changed()--> spec --plan()--> list of layers with their shapes --build()--> Sequential
           changes.py

Each change is one argument: the paper's ablations are build("paper", norm="none"),
build("paper", pool=(2, 2)), build("paper", activation="tanh"), build("paper", dropout=0.0),
build("paper", groups=1). The first two steps compute with numbers only, so that alexnet/summary.py
can describe a network of any size without making it.
"""

import math
from bisect import bisect_left
from dataclasses import asdict, dataclass

import numpy as np

from alexnet.changes import changed, is_count
from alexnet.specs import SPECS, InitialWeights, Spec
from tinynet import nn
from tinynet.ops.windows import output_size


@dataclass(frozen=True)
class Layer:
    """One layer of a plan: nn.<kind>(**arguments) takes maps of shape inputs to shape outputs,
    both without the batch: (channels, rows, columns), or (width,) from flatten on."""

    name: str
    kind: str
    arguments: dict
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def build(
    spec,
    num_classes=1000,
    image_size=None,
    dtype=np.float32,
    *,
    activation=None,
    norm=None,
    pool=None,
    dropout=None,
    groups=None,
    width=1.0,
    init=None,
):
    """The network of this spec with fresh weights: an nn.Sequential with the paper's layer names.

    It takes (N, 3, image_size, image_size), of dtype, to logits (N, num_classes). None leaves a
    thing as the spec has it.

    spec         a name or a row of SPECS
    num_classes  1 or more
    image_size   rows and columns of the input, down to where a map would be empty
    dtype        float32 or float64
    activation   "relu" or "tanh": every one of them, convolutional and fully connected
    norm         "lrn", "batch" or "none"; what a spec did not have comes as its source has it:
                 "lrn" closes blocks 1 and 2 with the numbers of `caffenet`, "batch" follows every
                 convolution's activation with the numbers of `batch-norm`
    pool         (window, stride) of every pool: (3, 2) overlaps, (2, 2) does not
    dropout      probability to drop, 0 <= dropout < 1; 0 leaves the dropout layers out
    groups       1 (one tower) or 2 (the paper's towers: conv2, conv4, conv5)
    width        factor on every width but the classes; kernels are rounded to a multiple of the
                 largest groups
    init         "published" (the spec's own), "he", "glorot" or "pytorch": alexnet/specs.py,
                 InitialWeights; drawn from tinynet.seed

    The model's options is a dict of plain values with build(**model.options) the same network;
    spec (the changed row), image_size, num_classes are attributes too. ValueError or TypeError for
    an argument that does not fit.
    """
    published = find_spec(spec)
    if dtype not in (np.float32, np.float64, "float32", "float64"):
        raise ValueError(f"build: dtype must be float32 or float64, got {dtype!r}")
    image_size = published.image_size if image_size is None else image_size
    row = changed(
        published,
        activation=activation,
        norm=norm,
        pool=pool,
        dropout=dropout,
        groups=groups,
        width=width,
        init=init,
    )
    layers = plan(row, num_classes, image_size)
    model = nn.Sequential([(layer.name, _make(layer, np.dtype(dtype))) for layer in layers])
    initialise(model, row.weights)
    model.spec, model.image_size, model.num_classes = row, int(image_size), int(num_classes)
    model.options = {
        "spec": published.name,
        "num_classes": int(num_classes),
        "image_size": int(image_size),
        "dtype": np.dtype(dtype).name,
        "activation": activation,
        "norm": norm,
        "pool": None if pool is None else [row.pool.window, row.pool.stride],
        "dropout": None if dropout is None else float(dropout),
        "groups": None if groups is None else int(groups),
        "width": float(width),
        "init": init,
    }
    return model


def find_spec(spec) -> Spec:
    """The row of SPECS with this name, or this row itself."""
    name = spec.name if isinstance(spec, Spec) else spec
    if not isinstance(name, str) or name not in SPECS:
        raise ValueError(
            f"build: there is no spec {name!r}; there are {', '.join(SPECS)} (a row of your own "
            "goes into SPECS under its name, so that a checkpoint can find it again)"
        )
    if isinstance(spec, Spec) and spec != SPECS[name]:
        raise ValueError(
            f"build: this row differs from SPECS[{name!r}]; give it a name of its own and put it "
            "into SPECS, so that a checkpoint can find it again"
        )
    return SPECS[name]


def _make(layer, dtype):
    """The nn layer itself; those with parameters are told their dtype."""
    arguments = dict(layer.arguments)
    if layer.kind in ("Conv2d", "Linear", "BatchNorm2d"):
        arguments["dtype"] = dtype
    return getattr(nn, layer.kind)(**arguments)


# --- the plan: from a row to layers with shapes ---------------------------------------------------


def plan(spec: Spec, num_classes: int, image_size: int) -> list[Layer]:
    """Every layer of the network in order, with its arguments and shapes.

    ValueError for an image_size that leaves an empty map; it names the smallest that works.
    """
    if not is_count(num_classes):
        raise ValueError(f"build: num_classes must be an integer from 1, got {num_classes!r}")
    if not is_count(image_size):
        raise ValueError(f"build: image_size must be an integer from 1, got {image_size!r}")
    layers = _layers(spec, num_classes, image_size)
    empty = next((layer for layer in layers if min(layer.outputs) < 1), None)
    if empty is not None:
        raise ValueError(
            f"build: image_size {image_size} leaves nothing of the maps at {empty.name}; the "
            f"smallest that works with spec {spec.name} is {smallest_image_size(spec)}"
        )
    return layers


def smallest_image_size(spec: Spec) -> int:
    """The smallest image_size with which no map of the network is empty."""

    def works(size):
        return all(min(layer.outputs) >= 1 for layer in _layers(spec, 1, size))

    return bisect_left(range(1 << 40), True, key=works)


def _layers(spec, num_classes, image_size):
    """The layers of a plan; where the image is too small, sizes of less than 1 are among them."""
    layers, shape = [], (3, image_size, image_size)
    convolutions, widths = iter(spec.convolutions), iter((*spec.hidden, num_classes))
    for number, block in enumerate(spec.blocks, start=1):
        for word in block.split():
            if word in ("fc", "dropout") and len(shape) == 3:
                layers.append(Layer("flatten", "Flatten", {}, shape, (math.prod(shape),)))
                shape = layers[-1].outputs
            if word == "conv":
                layer = _convolution(f"conv{number}", next(convolutions), shape)
            elif word == "fc":
                last = spec.last_name if number == len(spec.blocks) else None
                layer = _linear(last or f"fc{number}", next(widths), shape)
            else:
                layer = _other_layer(word, number, spec, shape)
            layers.append(layer)
            shape = layer.outputs
    return layers


def _convolution(name, row, shape):
    side = output_size(shape[1], row.kernel, row.stride, row.padding)
    arguments = {"in_channels": shape[0], "out_channels": row.out, "kernel": row.kernel}
    arguments |= {"stride": row.stride, "padding": row.padding, "groups": row.groups}
    return Layer(name, "Conv2d", arguments, shape, (row.out, side, side))


def _linear(name, width, shape):
    arguments = {"in_features": shape[0], "out_features": width}
    return Layer(name, "Linear", arguments, shape, (width,))


def _other_layer(word, number, spec, shape):
    """The layer of a word that is neither conv nor fc."""
    channels = shape[0]
    match word:
        case "relu":
            return Layer(f"relu{number}", "ReLU", {}, shape, shape)
        case "tanh":
            return Layer(f"tanh{number}", "Tanh", {}, shape, shape)
        case "lrn":
            return Layer(f"norm{number}", "LocalResponseNorm", asdict(spec.lrn), shape, shape)
        case "batchnorm":
            arguments = {"channels": channels, **asdict(spec.batch_norm)}
            return Layer(f"norm{number}", "BatchNorm2d", arguments, shape, shape)
        case "maxpool" | "avgpool":
            side = output_size(shape[1], spec.pool.window, spec.pool.stride, 0, spec.pool.ceil_mode)
            kind = "MaxPool2d" if word == "maxpool" else "AvgPool2d"
            return Layer(f"pool{number}", kind, asdict(spec.pool), shape, (channels, side, side))
        case "adaptive":
            size = spec.adaptive_size
            outputs = (channels, size, size)
            return Layer("avgpool", "AdaptiveAvgPool2d", {"size": size}, shape, outputs)
        case "dropout":
            return Layer(f"dropout{number}", "Dropout", asdict(spec.dropout), shape, shape)


# --- initial weights ------------------------------------------------------------------------------


def initialise(model, weights: InitialWeights) -> None:
    """Draw every parameter of the model anew; a parameter's index in the model is its draw. The
    scale of a batch normalisation starts at 1, its shift at 0."""
    parameters = dict(model.named_parameters())
    drawn = [
        name.removesuffix(".weight")
        for name in parameters
        if name.endswith(".weight") and not name.startswith("norm")
    ]
    for index, (name, parameter) in enumerate(parameters.items()):
        layer, kind = name.rsplit(".", 1)
        if layer not in drawn:
            nn.init.constant(parameter, 1.0 if kind == "weight" else 0.0)
            continue
        fan_in, fan_out = nn.init.fans(parameters[f"{layer}.weight"])
        position = drawn.index(layer)
        if weights.rule == "pytorch":
            nn.init.uniform(parameter, 1 / math.sqrt(fan_in), index=index)
        elif kind == "bias":
            bias = weights.biases[position] if weights.rule == "normal" else 0.0
            nn.init.constant(parameter, bias)
        elif weights.rule == "normal":
            nn.init.normal(parameter, weights.deviations[position], index=index)
        elif weights.rule == "he":
            nn.init.normal(parameter, math.sqrt(2 / fan_in), index=index)
        else:
            nn.init.uniform(parameter, math.sqrt(6 / (fan_in + fan_out)), index=index)
