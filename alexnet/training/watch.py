"""What a training does to each layer (--watch): sizes of weights and updates, activations, ReLUs.

    weight, update    mean |w| of the layer's weights, mean |change of w| in the last step
    ratio             update / weight; near 1e-3 in a healthy training: far below it, a layer
                      hardly learns, far above it, a larger rate will not do
    bias, bias_update the same of its biases
    mean, deviation   of its outputs; layers whose deviations shrink from one to the next fade
    sent              with several ranks: the bytes that this rank sends in a step for the layer's
                      gradients, 2 (n - 1) / n times their size (tinynet/parallel/traffic.py); with
                      --parallel towers and owt for its activations and their gradients too
    zeros, dead       of a ReLU: the share of its outputs that are 0, and the share of its channels
                      (of a fully connected layer: units) that are 0 for every image and place

Outputs are those of one batch, the first one of the first epoch: the same images each time. (Of
several ranks, each with its share of a batch: those of rank 0's share.) The network computes in
test mode, draws nothing and changes nothing, so a watched training keeps its bits. Updates are read
from the velocities, which a step leaves behind; so steps may be recorded.

Source: the authors' program printed the sizes of weights and of updates of each layer; the healthy
ratio: Karpathy, CS231n, Neural networks part 3, "ratio of weights:updates".
"""

from collections import Counter
from contextlib import closing

from rich import box
from rich.table import Table

import tinynet as tn
from alexnet.evaluation.metrics import in_test_mode
from alexnet.training.memory import in_words
from tinynet import nn

_ACTIVATIONS = (nn.ReLU, nn.Tanh, nn.Sigmoid)


def watch_layers(run, training) -> dict[str, dict[str, float]]:
    """{layer: {figure: number}}, the figures above, of each layer with parameters and each
    activation. Call it after a step, once the run has gathered its weights; every rank must. A
    frozen layer has no updates.

    run       a training, of which run.head is watched
    training  its batches, as of batches_for (features.py)
    """
    with closing(training.epoch(0)) as batches:
        x, _ = next(batches)
    layers, updates = {}, mean_updates(run)
    sent = sent_by_layer(run.ranks.traffic, run.head, run.step - run.first_step)
    with in_test_mode(run.head):
        for name, layer in run.head:
            x = layer(x)
            figures = _figures_of_parameters(name, layer, updates)
            if figures or name in sent or isinstance(layer, _ACTIVATIONS):
                layers[name] = figures | _figures_of_outputs(x)
            if isinstance(layer, nn.ReLU):
                layers[name] |= _figures_of_relu(x)
            if name in sent:
                layers[name]["sent"] = sent[name]
    return layers


def mean_updates(run) -> dict[str, float]:
    """{"conv1.weight": mean |change of w| in the last step}, of what is trained. Every rank must
    ask: where the network is divided, each has the updates of its part."""
    lr = run.schedule.rate(run.step - 1)
    divided = run.divided
    own = {}
    for name, parameter in (divided.part if divided else run.head).named_parameters():
        update = run.optimizer.last_update(parameter, lr)
        if update is not None:
            own[name] = _mean_size(update), update.size
    if divided is None:
        return {name: mean for name, (mean, _) in own.items()}
    parts = run.ranks.share(own)
    return {
        name: sum(part[name][0] * part[name][1] for part in parts)
        / sum(part[name][1] for part in parts)
        for name in own
    }


def counted_steps(traffic, steps: int) -> int:
    """How many of these steps the traffic is of. A step that a GPU has recorded is counted when it
    is recorded, not when it is launched. Such a step is data parallel, and sums one loss."""
    return traffic.calls_by_name["loss"] or steps


def sent_by_layer(traffic, model, steps: int) -> dict[str, float]:
    """{layer: bytes that this rank sends in a step for it}.

    traffic  of the ranks (tinynet/parallel/traffic.py) in so many steps; a sum of several gradients
             has their names, joined by +, and is shared among them by their sizes. fc6.input are
             activations that fc6 reads, logits those of the last layer
    """
    steps = counted_steps(traffic, steps)
    names = [name for name, _ in model]
    sizes = {name: parameter.size for name, parameter in model.named_parameters()}
    sent = Counter()
    for name, nbytes in traffic.bytes_by_name.items():
        parts = name.split("+")
        for part in parts:
            layer = names[-1] if part == "logits" else part.rpartition(".")[0]
            if layer in names:
                share = sizes.get(part, 1) / sum(sizes.get(each, 1) for each in parts)
                sent[layer] += nbytes / steps * share
    return dict(sent)


def _figures_of_parameters(layer_name, layer, updates):
    figures = {}
    for name, parameter in layer.named_parameters():
        figures[name] = _mean_size(parameter)
        if (update := updates.get(f"{layer_name}.{name}")) is not None:
            figures["update" if name == "weight" else f"{name}_update"] = update
    if figures.get("weight") and "update" in figures:
        figures["ratio"] = figures["update"] / figures["weight"]
    return figures


def _mean_size(tensor):
    return tn.abs(tensor).mean().item()


def _figures_of_outputs(y):
    mean = y.mean()
    centred = y - mean
    return {"mean": mean.item(), "deviation": tn.sqrt((centred * centred).mean()).item()}


def _figures_of_relu(y):
    """y: (N, C, H, W) or (N, F), 0 or more."""
    largest = y.max(axis=tuple(axis for axis in range(len(y.shape)) if axis != 1))
    return {
        "zeros": (y == 0).sum().item() / y.size,
        "dead": float((largest.numpy() == 0).mean()),
    }


def as_table(layers: dict[str, dict[str, float]]) -> Table:
    """The figures without those of biases, a row for each layer, in 80 columns."""
    table = Table(
        box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), caption_justify="left",
        caption="mean sizes; outputs of one batch, in test mode",
    )  # fmt: skip
    table.add_column("layer", no_wrap=True)
    columns = {
        "weight": "weights", "update": "updates", "ratio": "ratio", "mean": "outputs",
        "deviation": "deviation", "zeros": "zeros", "dead": "dead",
    }  # fmt: skip
    total = sum(figures.get("sent", 0) for figures in layers.values())
    if total:
        columns["sent"] = "MB sent"
        table.caption += f"; MB sent: by each rank in a step, {in_words(total)} in all"
    for heading in columns.values():
        table.add_column(heading, justify="right", no_wrap=True)
    for name, figures in layers.items():
        cells = (_cell(key, figures.get(key)) for key in columns)
        table.add_row(name, *cells)
    return table


def _cell(key, number):
    if number is None:
        return ""
    if key == "sent":
        return f"{number / 1e6:.2g}" if number < 1e7 else f"{number / 1e6:.0f}"
    return f"{number:.1%}" if key in ("zeros", "dead") else f"{number:.1e}"
