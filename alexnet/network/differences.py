"""What differs between two networks, from their rows of SPECS and their plans.

Both lists of layers are laid side by side by the layers' names. A layer that both have differs in
its kind, in arguments, in its output's shape, or in its place:

    paper       conv1  relu1  norm1  pool1         conv2
    code-2012   conv1         norm1  pool1  relu1  conv2        relu1: after conv1, after pool1
"""

import math
from dataclasses import asdict, dataclass
from difflib import SequenceMatcher

from rich import box
from rich.table import Table

from alexnet.network.plan import Layer, array_shapes
from alexnet.network.spec_row import Spec


@dataclass(frozen=True)
class Network:
    """A row of SPECS, perhaps changed, and its plan."""

    spec: Spec
    layers: list[Layer]


@dataclass(frozen=True)
class Difference:
    """subject  what differs: a layer's name, "input", "weights of conv3", ...
    first, second  its values in the two networks: {field: value}; None where a network has no such
                   thing. Of what both have, the fields that differ alone
    """

    subject: str
    first: dict | None
    second: dict | None


def differences(first: Network, second: Network) -> list[Difference]:
    """Everything in which two networks differ: input, layers in their order, initial weights,
    parameters. [] if they compute, and start, alike."""
    return [
        *_compared("input", _input(first), _input(second)),
        *_layers(first.layers, second.layers),
        *_initial_weights(first, second),
        *_compared("network", _parameters(first), _parameters(second)),
    ]


def _compared(subject, first, second):
    """[Difference] with the fields in which two dicts differ, or [] if they are equal."""
    if first is None or second is None:
        return [Difference(subject, first, second)]
    fields = [name for name in first | second if first.get(name) != second.get(name)]
    first, second = ({name: side.get(name) for name in fields} for side in (first, second))
    return [Difference(subject, first, second)] if fields else []


def _input(network):
    row = network.spec.input
    return {"size": network.layers[0].inputs[-1]} | asdict(row)


def _parameters(network):
    shapes, _ = array_shapes(network.layers)
    return {"parameters": sum(map(math.prod, shapes.values()))}


# --- layers ---------------------------------------------------------------------------------------


def _layers(first, second):
    names = [[layer.name for layer in layers] for layers in (first, second)]
    sides = [_described(layers) for layers in (first, second)]
    found = []
    for name, moved in _side_by_side(*names):
        pair = [side.get(name) for side in sides]
        if None not in pair and not moved:
            pair = [{key: v for key, v in fields.items() if key != "after"} for fields in pair]
        found += _compared(name, *pair)
    return found


def _described(layers):
    """{name: the fields of a layer} with the name of the layer before it."""
    before = ["the input", *(layer.name for layer in layers)]
    return {
        layer.name: {"kind": layer.kind, **layer.arguments, "output": layer.outputs, "after": name}
        for layer, name in zip(layers, before, strict=False)
    }


def _side_by_side(first, second):
    """[(name, whether both have it in different places)] of all names, in an order of both."""
    found = {}
    matcher = SequenceMatcher(None, first, second, autojunk=False)
    for tag, i, end_i, j, end_j in matcher.get_opcodes():
        for name in first[i:end_i] if tag == "equal" else [*first[i:end_i], *second[j:end_j]]:
            found.setdefault(name, tag != "equal" and name in first and name in second)
    return list(found.items())


# --- initial weights ------------------------------------------------------------------------------


def _initial_weights(first, second):
    """One difference if the rules differ, else one for each layer that starts otherwise."""
    rules = [network.spec.weights.rule for network in (first, second)]
    if rules[0] != rules[1] or rules[0] != "normal":
        return _compared("initial weights", *({"rule": rule} for rule in rules))
    sides = [_deviations(network) for network in (first, second)]
    shared = [name for name in sides[0] if name in sides[1]]  # other layers are listed as layers
    return [
        difference
        for name in shared
        for difference in _compared(f"weights of {name}", *(side[name] for side in sides))
    ]


def _deviations(network):
    """{name: {"deviation", "bias"}} of the layers that draw their weights from a normal law."""
    weights = network.spec.weights
    names = [layer.name for layer in network.layers if layer.kind in ("Conv2d", "Linear")]
    numbers = zip(names, weights.deviations, weights.biases, strict=True)
    return {name: {"deviation": width, "bias": bias} for name, width, bias in numbers}


# --- in words -------------------------------------------------------------------------------------


def as_table(names: list[str], found: list[Difference]) -> Table:
    """The differences of the networks of these two names, in 80 columns."""
    table = Table(box=box.SIMPLE, padding=0, show_edge=False, width=80)
    table.add_column("what", no_wrap=True, min_width=16)
    for name in names:
        table.add_column(name, ratio=1)
    for row in found:
        table.add_row(row.subject, _words(row.first), _words(row.second))
    return table


def _words(values):
    """The fields of a Difference; "-" where there is no such thing."""
    if values is None:
        return "-"
    return ", ".join(_field(name, value) for name, value in values.items())


def _field(name, value):
    if name == "kind":
        return value
    if name == "parameters":
        return f"{value:,} parameters"
    if isinstance(value, tuple):
        separator = " x " if name == "output" else " "
        value = separator.join(f"{number:g}" for number in value)
    return f"{name} {value}"
