"""Activations: what the layers of a network make of images, in test mode and without a graph.

    for name, layer in model: x = layer(x)

The walk ends at the wanted layer, so later layers are not computed. The last hidden layer's
activations are the features by which the paper finds similar images.

Source: the paper, section 6.1 and figure 4.
"""

import math
import os
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

import tinynet as tn
from alexnet.errors import NotFinite, UsageError
from alexnet.evaluation.metrics import in_test_mode
from tinynet import nn


def last_hidden(model) -> str:
    """The name of the layer whose output the last fully connected layer reads.

    Where dropout stands between fc7's ReLU and fc8 this is dropout7. In test mode it passes fc7's
    activations on, times 1 - drop in networks whose dropout scales in test (the paper).
    Raises ValueError for a model that has no fully connected layer after its first layer.
    """
    layers = list(model)
    places = [place for place, (_, layer) in enumerate(layers) if isinstance(layer, nn.Linear)]
    if not places or not places[-1]:
        raise ValueError("last_hidden: the model has no fully connected layer after another layer")
    return layers[places[-1] - 1][0]


def outputs(model, x: tn.Tensor, layers: Sequence[str]) -> list[np.ndarray]:
    """The outputs of these layers, (N, ...) each, from one walk that ends at the last of them.

    x  (N, 3, S, S), normalised
    Raises ValueError for a name that is no layer's, and NotFinite for outputs that are not finite.
    """
    unknown = sorted(set(layers) - {name for name, _ in model})
    if unknown:
        raise ValueError(f"outputs: no layer {unknown}; there are {[name for name, _ in model]}")
    found = {}
    with in_test_mode(model), np.errstate(over="ignore", invalid="ignore"):
        for name, layer in model:
            x = layer(x)
            if name in layers:
                found[name] = x.numpy()
                if not np.isfinite(found[name]).all():
                    raise NotFinite(f"its activations at {name} are not finite")
            if len(found) == len(set(layers)):
                break
    return [found[name] for name in layers]


def activations(model, layer: str, batches: Iterable[tn.Tensor]) -> Iterator[np.ndarray]:
    """The outputs of one layer, batch by batch. Arguments and errors: as in outputs."""
    for x in batches:
        (values,) = outputs(model, x, [layer])
        yield values


def gathered(arrays: Iterable[np.ndarray], count: int) -> np.ndarray:
    """float32 (N, ...): the rows of all arrays, one below the other; (0,) without arrays.

    arrays  (n, ...) each
    count   N, or more
    Takes memory for `count` rows, once. Raises UsageError if they need more than half of the
    machine's memory.
    """
    rows, place = np.empty(0, np.float32), 0
    for array in arrays:
        if not place:
            need_memory(count, array.shape[1:])
            rows = np.empty((count, *array.shape[1:]), np.float32)
        rows[place : place + len(array)] = array
        place += len(array)
    return rows[:place]


def dataset_activations(
    model, layer: str, batches: Iterable, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """(float32 (N, ...), int64 (N,)): a layer's outputs for a whole dataset, and its labels.

    batches  pairs of images, a Tensor (n, 3, S, S), and tn.Labels, as alexnet.data.prefetch makes
             them: prefetch(loader, normalization, classes).epoch(0)
    count    the number of images, len(dataset)
    Memory and errors: as in gathered and outputs.
    """
    labels = []

    def images():
        for x, batch_labels in batches:
            labels.append(batch_labels.host)
            yield x

    features = gathered(activations(model, layer, images()), count)
    return features, np.concatenate(labels) if labels else np.empty(0, np.int64)


def need_memory(count: int, shape: tuple[int, ...]) -> None:
    """Raise UsageError if float32 arrays (count, *shape) take more than half of the machine's
    memory."""
    needed = count * math.prod(shape) * np.dtype(np.float32).itemsize
    memory = _memory()
    if needed > memory // 2:
        raise UsageError(
            f"activations {shape} of {count:,} images take {needed:,} bytes, and half of this "
            f"machine's memory is {memory // 2:,}; give fewer images, or a later layer"
        )


def _memory():
    """Bytes of the machine's memory."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
