"""What the compared programs get: a network, its initial weights and a batch, in files of a folder.

plan.json     {"layers": [{"name", "kind", "arguments", "inputs", "outputs"}, ...], "threads",
              "lr", "momentum", "weight_decay"}; layers as alexnet/network/plan.py gives them
weights.npz   "conv1.weight", ..., as state_dict gives them
batch.npz     photos uint8 (N, 3, S, S), mean and divisor; images float32 (N, 3, S, S), which
              are these photos normalised; labels int64 (N,)
"""

import json
import math
from dataclasses import asdict
from pathlib import Path

import numpy as np

import tinynet as tn
from alexnet.data.normalization import Normalization
from alexnet.network.build import make
from alexnet.network.initial_weights import initialise
from alexnet.network.plan import Layer, plan
from alexnet.network.spec_row import Spec

LR, MOMENTUM, WEIGHT_DECAY = 0.001, 0.9, 5e-4  # a tenth of the paper's rate: the batch is noise


def write_workload(
    folder, spec: Spec, batch_size, threads, num_classes=None, image_size=None
) -> list[Layer]:
    """Write a network, its initial weights and a batch of noise; returns the layers of the plan.

    spec                     a row of SPECS, or of network/variants.py
    num_classes, image_size  None: the spec's
    Raises ValueError where the image is too small.
    """
    folder, num_classes = Path(folder), num_classes or spec.num_classes
    layers = plan(spec, num_classes, image_size or spec.image_size)
    with tn.use_backend("numpy"):  # the benchmark's own process computes nothing: no Numba
        tn.seed(0)
        model = make(layers)
        initialise(model, spec.weights)
        weights = model.state_dict()
    numbers = {"lr": LR, "momentum": MOMENTUM, "weight_decay": WEIGHT_DECAY, "threads": threads}
    whole = {"layers": [asdict(layer) for layer in layers], **numbers}
    (folder / "plan.json").write_text(json.dumps(whole))
    np.savez(folder / "weights.npz", **weights)

    generator = np.random.default_rng(0)
    photos = generator.integers(0, 256, (batch_size, *layers[0].inputs), np.uint8)
    labels = generator.integers(0, num_classes, batch_size)
    write_batch(folder, photos, labels, _normalization(spec))
    return layers


def write_batch(folder, photos, labels, normalization: Normalization) -> None:
    """Write batch.npz."""
    np.savez(
        Path(folder) / "batch.npz",
        photos=photos, labels=labels, images=normalization(photos), **normalization.arrays(),
    )  # fmt: skip


def _normalization(spec):
    """The spec's normalisation; where training would measure a mean image or a deviation, the mean
    and deviation of noise from 0 to 255."""
    mean, divisor = spec.input.mean, spec.input.divisor
    if isinstance(mean, str):
        mean, divisor = [127.5] * 3, [1.0] * 3
        if spec.weights.rule == "he":
            divisor = [math.sqrt((256**2 - 1) / 12)] * 3
    return Normalization(*(np.reshape(three, (3, 1, 1)) for three in (mean, divisor)))
