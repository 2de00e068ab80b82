"""What each way to train on n ranks sends, by formulas, and how long a step takes by them.

For n ranks with b images each, 4 bytes a number, each rank sends in a step

    data parallel    2 (n - 1) / n x parameters: the sum of all gradients, round a ring
    towers           (n = 2) half of what each layer reads across the towers, of 2 b images, and its
                     gradient: the inputs of conv3, fc6, fc7, fc8
    one weird trick  2 (n - 1) / n x parameters of the convolutions, and 2 (n - 1) b x what the
                     dense layers read and return: each rank has 1 / n of their units and needs the
                     activations of all n b images

One weird trick's schemes send the same. In (a) all activations come before the dense layers start.
In (b) they come from one rank after the other, in (c) 1 / n of every rank's at a time, and while
one part is computed the next one travels. In (b) only one rank's link sends at a time.

    efficiency = compute / (compute + what is not hidden)

Sums of gradients hide behind a share of the computing. One weird trick's activations of the last
convolution hide in (b) and (c) behind the dense layers, all but the first of n parts; activations
between the dense layers do not hide. Where a processor copies and adds what is sent, that work
takes its time even when the link is fast, and hides behind nothing.

Each message has a latency too. Round a ring, n - 1 messages follow one another in a gather and
2 (n - 1) in a sum. Of the sums only the last one's count, as in parallel_model.py. In (b) and (c)
the dense layers exchange n times as often, each time 1 / n of the images. Trees, which libraries
choose for small arrays, need fewer messages.

Source: Krizhevsky, One weird trick for parallelizing convolutional neural networks (2014); the
towers are figure 2 of the paper of 2012.
"""

import math
from dataclasses import dataclass

from alexnet.network.layer_numbers import summarize
from alexnet.network.plan import Layer
from benchmarks.work import BYTES
from tinynet.parallel.traffic import sent_bytes

SCHEMES = ("data parallel", "towers", "one weird trick (a)", "one weird trick (b)",
           "one weird trick (c)")  # fmt: skip


@dataclass(frozen=True)
class Counts:
    """The counts of a network, of one image where they depend on images.

    convolutions, dense  parameters
    last_maps            numbers that the first dense layer reads
    units                numbers that the others read, and the logits
    across               numbers that convolutions and dense layers read across the towers
    dense_share          of the multiply-adds
    dense_layers         how many
    layers_across        how many layers read across the towers
    """

    convolutions: int
    dense: int
    last_maps: int
    units: int
    across: int
    dense_share: float
    dense_layers: int
    layers_across: int


def counts_of(layers: list[Layer]) -> Counts:
    """The Counts of a plan."""
    rows = summarize(layers)
    pairs = list(zip(layers, rows, strict=True))
    dense = [layer for layer in layers if layer.kind == "Linear"]
    convolutions = [layer for layer in layers if layer.kind == "Conv2d"]
    reading_both = [layer for layer in convolutions[1:] if layer.arguments["groups"] == 1]
    products = sum(row.multiply_adds for row in rows)
    reads = [math.prod(layer.inputs) for layer in dense]
    return Counts(
        convolutions=sum(row.parameters for layer, row in pairs if layer.kind != "Linear"),
        dense=sum(row.parameters for layer, row in pairs if layer.kind == "Linear"),
        last_maps=reads[0],
        units=sum(reads[1:]) + dense[-1].outputs[0],
        across=sum(math.prod(layer.inputs) for layer in reading_both) + sum(reads),
        dense_share=sum(r.multiply_adds for la, r in pairs if la.kind == "Linear") / products,
        dense_layers=len(dense),
        layers_across=len(reading_both) + len(dense),
    )


def bytes_of(scheme: str, counts: Counts, ranks: int, images: int) -> dict[str, float]:
    """{what: bytes that a rank sends in a step}: "gradients", "last_maps", "units".

    images  of each rank
    Raises ValueError for towers on another number of ranks than two.
    """
    if scheme == "data parallel":
        return {"gradients": _summed(counts.convolutions + counts.dense, ranks)}
    if scheme == "towers":
        if ranks != 2:
            raise ValueError(f"two towers train on 2 ranks, not on {ranks}")
        return {"units": 2 * sent_bytes("all_gather", BYTES * 2 * images * counts.across / 2, 2)}
    gathered = {
        name: 2 * sent_bytes("all_gather", BYTES * images * numbers, ranks)
        for name, numbers in (("last_maps", counts.last_maps), ("units", counts.units))
    }
    return {"gradients": _summed(counts.convolutions, ranks), **gathered}


def _summed(parameters, ranks):
    return sent_bytes("all_reduce", BYTES * parameters, ranks)


def messages_of(scheme: str, counts: Counts, ranks: int, images: int) -> int:
    """The messages of a step that follow one another and hide behind nothing.

    images  of each rank
    """
    if scheme == "towers":
        return 2 * counts.layers_across  # its inputs, and their gradient
    around = 2 * (ranks - 1)
    if scheme == "data parallel":
        return around
    passes = {"(a)": 1, "(b)": ranks, "(c)": min(images, ranks)}[scheme[-3:]]
    return around * (2 + passes * counts.dense_layers)  # gradients, last maps, units and logits


@dataclass(frozen=True)
class Worker:
    """What one rank computes with.

    fixed, per_image  seconds of computing in a step: of any batch, and of each image
    per_byte          seconds of a processor for each byte that is sent; 0 for a GPU
    serial            the share of that work for which the link waits in a sum
    overlapped        the share of computing behind which sums of gradients hide
    latency           seconds of a message
    """

    per_image: float
    fixed: float = 0.0
    per_byte: float = 0.0
    serial: float = 0.0
    overlapped: float = 0.0
    latency: float = 0.0

    def compute(self, images: int) -> float:
        return self.fixed + self.per_image * images


def step_seconds(scheme, counts, ranks, images, worker: Worker, gbit) -> float:
    """The time of a step; gbit: Gbit/s of each rank's link, in each direction."""
    compute = worker.compute(images)
    if ranks == 1:
        return compute
    sent = bytes_of(scheme, counts, ranks, images)
    transfer = {name: 8 * count / (1e9 * gbit) for name, count in sent.items()}
    exposed = dict(transfer)
    gradients = sent.get("gradients", 0.0)
    exposed["gradients"] = transfer.get("gradients", 0.0) - worker.overlapped * compute
    exposed["gradients"] += worker.serial * worker.per_byte * gradients
    if scheme[-3:] in ("(b)", "(c)"):
        whole = transfer["last_maps"]
        part = whole if scheme.endswith("(b)") else whole / ranks
        behind = compute * counts.dense_share / ranks
        exposed["last_maps"] = part + (ranks - 1) * max(0.0, part - behind)
    waiting = sum(
        max(seconds, worker.per_byte * sent.get(name, 0.0)) for name, seconds in exposed.items()
    )
    return compute + waiting + worker.latency * messages_of(scheme, counts, ranks, images)


def efficiency(scheme, counts, ranks, images, worker: Worker, gbit) -> float:
    """The share of a step in which a rank computes; times ranks it is the speed-up over one rank,
    where each has as many images."""
    return worker.compute(images) / step_seconds(scheme, counts, ranks, images, worker, gbit)


def even_batches(counts: Counts) -> dict[str, float]:
    """{scheme: the whole batch at which it sends as much as data parallel does}; below, less.

    Towers, n = 2: B x across = parameters. One weird trick, any n: 2 (n - 1) b (last_maps + units)
    = 2 (n - 1) / n x dense, so that B = n b = dense / (last_maps + units).
    """
    return {
        "towers": (counts.convolutions + counts.dense) / counts.across,
        "one weird trick": counts.dense / (counts.last_maps + counts.units),
    }
