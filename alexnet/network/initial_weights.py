"""initialise: draw a network's initial weights by the rule of its spec.

    normal   weights N(0, deviation^2), biases constant; a deviation and a bias for each layer
    he       weights N(0, 2 / fan-in); biases 0
    glorot   weights uniform, bound sqrt(6 / (fan-in + fan-out)); biases 0
    pytorch  weights and biases uniform, bound 1 / sqrt(fan-in)

Source: docs/facts.md, section 3; He and others, Delving deep into rectifiers (2015); Glorot,
Bengio, Understanding the difficulty of training deep feedforward neural networks (2010).
"""

import math

from alexnet.network.spec_row import InitialWeights
from tinynet import nn


def initialise(model, weights: InitialWeights) -> None:
    """Set every parameter of the model anew. A parameter's random numbers follow from tinynet's
    seed and its index in the model. The scale of a batch normalisation starts at 1, its shift at 0.
    """
    parameters = dict(model.named_parameters())
    weighted_layers = [
        name.removesuffix(".weight")
        for name in parameters
        if name.endswith(".weight") and not name.startswith("norm")
    ]
    for index, (name, parameter) in enumerate(parameters.items()):
        layer, kind = name.rsplit(".", 1)
        if layer not in weighted_layers:
            nn.init.constant(parameter, 1.0 if kind == "weight" else 0.0)
            continue
        fan_in, fan_out = nn.init.fans(parameters[f"{layer}.weight"])
        position = weighted_layers.index(layer)
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
