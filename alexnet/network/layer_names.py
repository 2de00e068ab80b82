"""Names of layers as a user writes them: `conv1-conv5`, `conv1,conv2,fc6`, `conv1-conv3,fc8`.

A range takes every layer from its first name to its last, in the order of the network, so that
conv1-conv5 of a network with batch normalisation takes norm1 to norm4 too. Only layers with
parameters count: what is chosen is frozen, or has a rate of its own.
"""

import math
import reprlib

import numpy as np

from alexnet.network.plan import Layer, array_shapes


def layers_with_parameters(layers: list[Layer]) -> list[str]:
    """The names of the layers of this plan that have parameters, in its order."""
    parameters, _ = array_shapes(layers)
    return list(dict.fromkeys(name.rpartition(".")[0] for name in parameters))


def chosen_layers(text: str, layers: list[Layer]) -> list[str]:
    """The names in `conv1-conv3,fc8` that have parameters, in the order of the plan.

    Raises ValueError for a name that the plan does not have, a name or range without parameters, a
    range whose last layer comes before its first, a layer that is named twice, and an empty part.
    """
    chosen = set()
    for part in text.split(","):
        _add(chosen, part.strip(), layers)
    return [name for name in layers_with_parameters(layers) if name in chosen]


def as_ranges(names: list[str], layers: list[Layer]) -> list[str]:
    """The shortest way to write these names, all with parameters: `conv1-conv3` for layers that
    follow each other in the plan. chosen_layers of it, joined by commas, gives the names again."""
    order = layers_with_parameters(layers)
    parts, last = [], -2
    for position, name in enumerate(order):
        if name not in names:
            continue
        if last == position - 1:
            parts[-1][1:] = [name]
        else:
            parts.append([name])
        last = position
    return ["-".join(part) for part in parts]


def layer_factors(text: str, layers: list[Layer]) -> dict[str, float]:
    """{name: factor} of `fc8=10,conv1-conv5=0.1`, the factors of learning rates, in the order of
    the plan.

    Raises ValueError as chosen_layers does, for a part without a factor, and for a factor that
    float32 does not hold as a finite number above 0.
    """
    factors = {}
    for part in text.split(","):
        names, equals, number = part.partition("=")
        if not equals:
            last = layers_with_parameters(layers)[-1]
            raise ValueError(f"{reprlib.repr(part)} has no factor, as {last}=10 has")
        named = set(factors)
        _add(named, names.strip(), layers)
        factors |= dict.fromkeys(named - factors.keys(), _factor(names, number))
    return {name: factors[name] for name in layers_with_parameters(layers) if name in factors}


def _add(chosen, part, layers):
    """Add the layers with parameters of one name or range to this set."""
    first, dash, last = part.partition("-")
    positions = {layer.name: position for position, layer in enumerate(layers)}
    for name in (first, last) if dash else (first,):
        if name not in positions:
            raise ValueError(_unknown(part, name, layers))
    begin, end = positions[first], positions[last if dash else first]
    if end < begin:
        raise ValueError(f"{part} is reversed: {last} comes before {first}; write {last}-{first}")
    named = [layer.name for layer in layers[begin : end + 1]]
    named = [name for name in layers_with_parameters(layers) if name in named]
    if not named:
        raise ValueError(f"{part} has no parameters; {_which_have(layers)}")
    twice = [name for name in named if name in chosen]
    if twice:
        raise ValueError(f"named twice: {', '.join(twice)}; once is enough")
    chosen.update(named)


def _factor(names, text):
    try:
        factor = float(text)
    except ValueError:
        factor = math.nan
    with np.errstate(all="ignore"):
        held = np.float32(factor)
    if not 0 < held < math.inf:
        freeze = f"; --freeze {names.strip()} keeps weights as they are" if factor == 0 else ""
        raise ValueError(
            f"{reprlib.repr(text)} is no factor of a learning rate; a number above 0 that float32 "
            f"holds is{freeze}"
        )
    return factor


def _unknown(part, name, layers):
    if not name or part.count("-") > 1:
        names = layers_with_parameters(layers)
        return (
            f"{reprlib.repr(part)} is neither a layer nor a range of layers, as {names[0]} and "
            f"{names[0]}-{names[-1]} are"
        )
    return f"the network has no layer {reprlib.repr(name)}; {_which_have(layers)}"


def _which_have(layers):
    return f"the layers with parameters are {', '.join(layers_with_parameters(layers))}"
