"""Explain one output of a layer: the pixels that it saw, its arithmetic, what each backend makes of
it, and where its gradient goes.

    derivative of the loss by an input  =  derivative by y  *  dy / dx

That is the part of it that goes through this output. The loss is the softmax cross-entropy of one
label; derivatives are those of the network in test mode, without dropout.
"""

from dataclasses import dataclass

import numpy as np

from alexnet.inside.arithmetic import Arithmetic, arithmetic
from alexnet.inside.backends_beside import Computed, computed
from alexnet.inside.trace import Trace
from alexnet.network.plan import Layer
from alexnet.network.receptive_fields import pixels_seen


@dataclass(frozen=True)
class Gradient:
    """How the loss changes with one output, and through it with what it read.

    label        of the loss
    by_output    the derivative by y
    by_inputs    by the inputs that y read, of their shape
    by_weights   by the weights that multiplied them, or None
    """

    label: int
    by_output: float
    by_inputs: np.ndarray
    by_weights: np.ndarray | None


@dataclass(frozen=True)
class Explanation:
    """One number of a network, explained.

    layer, kind, arguments   of the layer
    at            (channel, row, column), or (unit,)
    value         the number, as the trace has it
    pixels        the rows and the columns of the image that can change it
    arithmetic    the formula with the numbers in it
    computed      the same number by each backend
    gradient      or None
    """

    layer: str
    kind: str
    arguments: dict
    at: tuple[int, ...]
    value: float
    pixels: tuple[slice, slice]
    arithmetic: Arithmetic
    computed: list[Computed]
    gradient: Gradient | None


def explain(
    seen: Trace, layer: str, at: tuple[int, ...], *, image: int = 0, label: int | None = None
) -> Explanation:
    """The Explanation of one output.

    seen    from trace(model, x)
    layer   the layer's name: "conv2"
    at      (channel, row, column) of a map, (unit,) of a fully connected layer, counted from 0
    image   the image's place in x
    label   explain the gradient of this class's loss too
    Raises KeyError for a name that is no layer's, ValueError for a place outside its output, and
    NotFinite for a trace that holds NaN or infinity, which no fraction is.
    """
    seen.check_finite()
    traced = seen[layer]
    steps = arithmetic(traced, at, image)
    row, column = at[1:] if len(at) == 3 else (0, 0)
    return Explanation(
        layer, traced.kind, traced.arguments, at, float(traced.y[(image, *at)]),
        pixels_seen(_layers(seen), layer, row, column), steps,
        computed(traced, at, steps.exact, image),
        None if label is None else _gradient(seen, layer, at, image, label, steps),
    )  # fmt: skip


def _gradient(seen, layer, at, image, label, steps):
    by_output = float(seen.gradient(layer, label, image)[(0, *at)])
    by_weights = None if steps.weights is None else by_output * steps.read
    return Gradient(label, by_output, by_output * steps.slopes, by_weights)


def _layers(seen):
    """The traced layers as a plan has them."""
    return [
        Layer(traced.name, traced.kind, traced.arguments, traced.x.shape[1:], traced.y.shape[1:])
        for traced in seen
    ]
