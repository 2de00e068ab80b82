"""One weird trick: data parallel convolutions, model parallel fully connected layers.

    rank 0                              rank 1
    images 0-63                         images 64-127           each its share of a batch
    conv1 ... pool5, all kernels        conv1 ... pool5         the same weights on every rank
         '-------------- activations of images ------------.
                                                           v    by one of three schemes
    fc6, units 0-2047                   fc6, units 2048-4095    the same images on every rank
         <------------------ all units ------------------->
    fc7, units 0-2047                   fc7, units 2048-4095
         <------------------ all units ------------------->
    fc8, classes 0-499                  fc8, classes 500-999
         <------------------ all logits ------------------>

Convolutions have 90 to 95 % of the computation and 5 % of the weights, so it is cheap to add up
their gradients over the ranks (tinynet/parallel/gradient_sum.py). Fully connected layers have 5 to
10 % of the computation and 95 % of the weights, so those stay where they are, and activations are
sent. The schemes by which the images of K ranks reach every rank; here K is 2, rank 0 has images
0-3 and rank 1 has images 4-7:

         pass 1                      pass 2
    (a)  0 1 2 3 4 5 6 7                             every rank sends all: one big batch
    (b)  0 1 2 3                     4 5 6 7         the ranks send all in turn: K passes
    (c)  0 1 4 5                     2 3 6 7         every rank sends 1 / K at a time: K passes

A pass is forward and backward through the fully connected layers; it ends with the gradients by the
activations at the ranks that sent them. After the last pass each rank goes backward through the
convolutions, with its own images. The schemes send the same bytes: in (b) one rank sends in a pass
while the others listen, in (a) and (c) all do; (b) and (c) need memory for 1 / K of the activations
of (a).

Every rank has the logits of all images of a pass, and their mean loss. The loss of the whole is the
sum of the ranks' losses (tinynet/parallel), so each takes 1 / K of it. Gradients of K passes add
up, and the weights change once, after the last one: every scheme takes the step of one process. The
paper's own variant changes the fully connected weights after each pass of (b) and (c), as if their
batch were the smaller one; and it sends the next pass's activations while it computes this one's,
where here each pass waits for its own.

Source: Krizhevsky, One weird trick for parallelizing convolutional neural networks (2014).
"""

import math
from functools import cached_property
from typing import NamedTuple

import numpy as np

import tinynet as tn
from alexnet.network.build import make
from alexnet.network.parts import AllGather, Part, gathered_bytes, units_of
from alexnet.network.plan import Layer, array_shapes, plan
from tinynet import nn
from tinynet.parallel import GradientSum, all_gather, broadcast, share_of

SCHEMES = ("a", "b", "c")


class OneWeirdTrick(Part):
    """This rank's part of a network: all convolutions, and some units of each fully connected
    layer. A call maps this rank's images to their logits, in one pass whatever the scheme; every
    rank must make it, with its share (share_of) of a batch.

    network  alexnet.build's, the same on every rank
    ranks    an engine (tinynet/parallel)
    scheme   "a", "b" or "c"
    A batch normalisation has the mean and variance of each rank's own images, unless its ranks say
    otherwise (nn.BatchNorm2d.ranks).
    Raises ValueError for another scheme, and for a layer that has fewer units than there are ranks.
    """

    def __init__(self, network: nn.Sequential, ranks, scheme: str = "a"):
        if scheme not in SCHEMES:
            raise ValueError(f'one weird trick: scheme must be "a", "b" or "c", got {scheme!r}')
        layers = plan(network.spec, network.num_classes, network.image_size)
        whole, _ = split_plan(layers)
        arrays, buffers = array_shapes(whole)
        own = _layers(layers, ranks, network.parameters()[0].dtype)
        super().__init__(own, ranks, [*arrays, *buffers])
        self.scheme = scheme
        self._first_dense = len(whole)
        first = next(layer for layer in layers if layer.kind == "Linear")
        self._input = f"{first.name}.input"  # what the passes send
        self.load_state_dict(self.split(network.state_dict()))

    def forward(self, images):
        counts = self.ranks.share(len(images.data))
        shares = [share_of(sum(counts), rank, len(counts)) for rank in range(len(counts))]
        if min(counts) < 1 or counts != [share.stop - share.start for share in shares]:
            raise ValueError(
                f"one weird trick: the ranks have {counts} images; each rank's share_of a batch "
                "fits, at least one image"
            )
        features = self._convolutions(images)
        features = all_gather(features, self.ranks, 0, self._input, sum(counts))
        return self._dense(features, ((0, sum(counts)),))[shares[self.ranks.rank]]

    def gradients(self, images, labels):
        """Forward, loss and backward: parameter.grad is the gradient of the mean loss of the whole
        batch, by all convolutions' weights (the same on every rank) and by the own units'.

        images  Tensor (n, 3, S, S), this rank's; labels  (n,), theirs, tn.Labels or integers
        Returns (loss, logits): the mean loss of the whole batch, and the logits (n, classes) of
        this rank's images.
        Raises ValueError where the ranks have not equally many images.
        """
        labels = self._labels_of_all(images, labels)
        size = self.ranks.size
        self.zero_grad()
        features = self._convolutions(images)
        dfeatures = tn.get_backend().xp.zeros_like(features.data)
        every, total, logits = passes(self.scheme, len(labels) // size, size), 0.0, []
        draws = tn.random.get_state()
        for one in every:
            tn.random.set_state(draws)  # every pass has its rows of the same masks
            # The graph begins here: backward of a pass ends here, and frees it.
            sent = tn.Tensor(features.data[one.sent], requires_grad=features.requires_grad)
            logits.append(self._dense(self._exchanged(sent, one.root), one.blocks))
            loss = tn.softmax_cross_entropy(logits[-1], labels[one.rows])
            loss = loss * (len(one.rows) / len(labels))
            (loss / size).backward()
            total = loss.detach() + total
            if features.requires_grad:
                dfeatures[one.sent] += sent.grad
        if features.requires_grad:
            features.backward(dfeatures, when_whole=self._sums.add)
            self._sums.wait()
        rows = np.concatenate([one.rows for one in every])
        own = np.argsort(rows)[share_of(len(labels), self.ranks.rank, size)]
        return total, tn.concatenate([each.detach() for each in logits])[own]

    def _convolutions(self, images):
        """The layers up to flatten: (n, 3, S, S) to (n, units)."""
        return self[: self._first_dense](images)

    def _exchanged(self, sent, root):
        """What every rank receives in a pass: of the root, or of every rank."""
        if root is None:
            return all_gather(sent, self.ranks, 0, self._input)
        return broadcast(sent, self.ranks, root, self._input)

    def _dense(self, received, blocks):
        """The layers after flatten, with the rows of the batch in these blocks."""
        for layer in self.modules():
            if isinstance(layer, DropoutOfRows):
                layer.blocks = blocks
        return self[self._first_dense :](received)

    @cached_property
    def _sums(self):
        """Made at the first step, when it is known which layers are frozen."""
        convolutions = self[: self._first_dense].named_parameters()
        return GradientSum(convolutions, self.ranks)

    def _labels_of_all(self, images, labels):
        """The labels of the whole batch, in the order of ranks."""
        own = labels.host if isinstance(labels, tn.Labels) else np.asarray(labels)
        shared = self.ranks.share((len(images.data), own))
        counts = [count for count, _ in shared]
        if len(set(counts)) > 1:
            raise ValueError(
                f"one weird trick: the ranks have {counts} images; a batch that {len(counts)} "
                "ranks divide into equal shares fits"
            )
        return np.concatenate([each for _, each in shared])


class Pass(NamedTuple):
    """What the fully connected layers take at a time.

    sent    which of a rank's own images it sends
    root    the rank that sends; None: every rank does
    blocks  ((first row, rows), ...): where the images that every rank receives are in the batch
    """

    sent: slice
    root: int | None
    blocks: tuple[tuple[int, int], ...]

    @property
    def rows(self) -> np.ndarray:
        """Which rows of the batch these are, in the order in which they are received."""
        return np.concatenate([np.arange(first, first + rows) for first, rows in self.blocks])


def passes(scheme: str, images: int, ranks: int) -> list[Pass]:
    """The passes of a scheme, where each rank has so many images."""
    if scheme == "a":
        return [Pass(slice(0, images), None, ((0, ranks * images),))]
    if scheme == "b":
        return [Pass(slice(0, images), root, ((root * images, images),)) for root in range(ranks)]
    listed, count = [], min(images, ranks)  # no pass without images
    for number in range(count):
        sent = share_of(images, number, count)
        firsts = [rank * images + sent.start for rank in range(ranks)]
        blocks = tuple((first, sent.stop - sent.start) for first in firsts)
        listed.append(Pass(sent, None, blocks))
    return listed


class DropoutOfRows(nn.Dropout):
    """Dropout of some rows and columns of the whole batch's activations, by the whole's mask.

    columns  which columns of the whole this rank has, of how many: (first, whole)
    blocks   which rows come next: ((first, rows), ...)
    """

    def __init__(self, drop: float, scale: str, columns: tuple[int, int]):
        super().__init__(drop, scale)
        self.columns, self.blocks = columns, ()

    def forward(self, x):
        first, whole = self.columns
        if not self.training or len(self.blocks) == 1:
            part = (self.blocks[0][0], first, whole) if self.training else None
            return tn.dropout(x, self.drop, self.training, self.scale, part=part)
        draw, masks = tn.random.next_dropout_draw(), []
        for row, count in self.blocks:
            ones = tn.Tensor(tn.get_backend().xp.full((count, x.shape[1]), 1, x.dtype))
            part = row, first, whole
            masks.append(tn.dropout(ones, self.drop, True, self.scale, draw, part))
        return x * tn.concatenate(masks)


def sent_bytes(layers: list[Layer], batch: int, ranks: int, itemsize: int = 4) -> dict[str, float]:
    """{name: bytes} that a rank sends in a step, a mean over the ranks, by any of the schemes: the
    sum of convolutions' gradients, then activations in forward and as many gradients in backward.

    layers    the plan of the network
    batch     images of all ranks together
    itemsize  bytes of a number: 4 in float32
    """
    convolutions, dense = split_plan(layers)
    arrays, _ = array_shapes(convolutions)
    weights = sum(math.prod(shape) for shape in arrays.values())
    sent = {"gradients": 2 * (ranks - 1) / ranks * weights * itemsize}
    first, *others = [layer for layer in dense if layer.kind == "Linear"]
    # A rank's own images to each of the others, and their gradients back.
    own = batch // ranks * first.inputs[0]
    sent[f"{first.name}.input"] = 2 * (ranks - 1) * own * itemsize
    for layer in others:
        units = layer.inputs[0]
        sent[f"{layer.name}.input"] = gathered_bytes(units, batch, ranks, itemsize)
    sent["logits"] = gathered_bytes(layers[-1].outputs[0], batch, ranks, itemsize)
    return sent


def split_plan(layers: list[Layer]) -> tuple[list[Layer], list[Layer]]:
    """The layers up to flatten, which every rank has whole, and those after it."""
    first = 1 + next(i for i, layer in enumerate(layers) if layer.kind == "Flatten")
    return layers[:first], layers[first:]


def _layers(layers, ranks, dtype):
    """(name, layer) of this rank, in order, with the layers that exchange units."""
    convolutions, dense = split_plan(layers)
    yield from make(convolutions, dtype)
    own = [units_of(layer, ranks) if layer.kind == "Linear" else layer for layer in dense]
    own = make(own, dtype)
    divided = False  # whether what comes next has some of the units only
    for layer, (name, module) in zip(dense, own, strict=True):
        units = layer.inputs[0]
        if layer.kind == "Linear":
            if divided:
                yield f"gather_{name}", AllGather(units, ranks, f"{name}.input")
            divided = True
        if layer.kind == "Dropout":
            first = share_of(units, ranks.rank, ranks.size).start if divided else 0
            module = DropoutOfRows(module.drop, module.scale, (first, units))
        yield name, module
    yield "gather_logits", AllGather(layers[-1].outputs[0], ranks, "logits")
