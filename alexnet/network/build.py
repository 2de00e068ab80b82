"""build: make a network of tinynet.nn layers from a row of SPECS and its changes.

    spec --changed()--> spec --plan()--> list of layers with shapes --build()--> nn.Sequential
        variants.py          plan.py                              initial_weights.py

Each change is one argument: the paper's ablations are build("paper", norm="none"),
build("paper", pool=(2, 2)), build("paper", activation="tanh"), build("paper", dropout=0.0),
build("paper", groups=1), build("paper", apart=True), build("paper", without="conv4").
"""

import numpy as np

from alexnet.network.initial_weights import initialise
from alexnet.network.plan import Layer, plan
from alexnet.network.specs import find_spec
from alexnet.network.variants import changed
from tinynet import nn


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
    apart=None,
    width=1.0,
    without=None,
    init=None,
):
    """The network of this spec with fresh weights: an nn.Sequential with the paper's layer names.

    It maps images (N, 3, image_size, image_size) to logits (N, num_classes), both of dtype. None
    for an argument keeps the spec's value.

    spec         a name or a row of SPECS
    num_classes  1 or more
    image_size   rows and columns of the input, large enough that no layer's output is empty
    dtype        float32 or float64
    activation   "relu" or "tanh", after convolutions and fully connected layers alike
    norm         "lrn", "same-map", "batch" or "none": the only kind of normalisation that stays. A
                 spec that has this kind keeps it in its place, with its numbers. In another spec
                 "lrn" is added at the end of blocks 1 and 2 with the numbers of `caffenet`,
                 "same-map" there with those published for `cifar10`, "batch" after every
                 convolution's activation with the numbers of `batch-norm`
    pool         (window, stride) of every pool: (3, 2) overlaps, (2, 2) does not
    dropout      probability to drop, 0 <= dropout < 1; 0 removes the dropout layers
    groups       1 (one tower) or 2 (the paper's towers: conv2, conv4, conv5)
    apart        True: two towers that meet only in the first fully connected layer: conv2 to conv5
                 in two groups, and LRN within each tower
    width        factor on the number of kernels of every convolution and on every hidden width;
                 kernels are rounded to a multiple of the largest number of groups
    without      a convolution but the first, or a fully connected layer but the last, which is left
                 out with its activation, normalisation and dropout; a pool stays, and so do the
                 names of the other layers: without conv4, conv5 follows relu3
    init         "published" (the spec's own), "he", "glorot" or "pytorch" (initial_weights.py);
                 drawn from the seed of tinynet.seed

    The model has the attributes spec (the changed row), image_size, num_classes, and
    build_arguments, a dict of plain values: build(**model.build_arguments) makes the same layers.
    Raises ValueError for an argument that does not fit.
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
        apart=apart,
        width=width,
        without=without,
        init=init,
    )
    layers = plan(row, num_classes, image_size)
    model = make(layers, dtype)
    initialise(model, row.weights)
    model.spec, model.image_size, model.num_classes = row, int(image_size), int(num_classes)
    model.build_arguments = {
        "spec": published.name,
        "num_classes": int(num_classes),
        "image_size": int(image_size),
        "dtype": np.dtype(dtype).name,
        "activation": activation,
        "norm": norm,
        "pool": None if pool is None else [row.pool.window, row.pool.stride],
        "dropout": None if dropout is None else float(dropout),
        "groups": None if groups is None else int(groups),
        "apart": apart,
        "width": float(width),
        "without": without,
        "init": init,
    }
    model.options = model.build_arguments  # its older name
    return model


def make(layers: list[Layer], dtype=np.float32) -> nn.Sequential:
    """The layers of a plan as one module, with weights 0; initialise draws them."""
    return nn.Sequential([(layer.name, _make_layer(layer, np.dtype(dtype))) for layer in layers])


def _make_layer(layer, dtype):
    arguments = dict(layer.arguments)
    if layer.kind in ("Conv2d", "Linear", "BatchNorm2d"):  # these have parameters
        arguments["dtype"] = dtype
    if layer.kind in ("Conv2d", "Linear"):
        arguments["draw"] = False
    return getattr(nn, layer.kind)(**arguments)
