"""Layers that keep their weights (--freeze), and layers with a rate of their own (--lr-scale).

The parameters of a frozen layer require no gradient, and neither do images. So no op below the
first trained layer is recorded: no gradient is computed there, and no activation is kept for one. A
frozen layer above a trained one passes the gradient on, and computes none of its own parameters.

A frozen batch normalisation stays in test mode, so its running statistics keep their numbers too.
Dropout has no numbers to keep: it goes on as in training, whatever lies around it.
"""

import itertools

from alexnet.network.layer_names import chosen_layers, layer_factors, layers_with_parameters
from alexnet.network.plan import Layer
from alexnet.training.options import Options
from tinynet import nn


def frozen_layers(options: Options, layers: list[Layer]) -> list[str]:
    """The names of the layers of this plan that --freeze names, in its order. Raises ValueError for
    names that do not fit the plan, and if no layer is left to train."""
    if options.freeze is None:
        return []
    frozen = chosen_layers(options.freeze, layers)
    if frozen == layers_with_parameters(layers):
        raise ValueError(f"every layer is frozen; leave one to train, for example {frozen[-1]}")
    return frozen


def rate_factors(options: Options, layers: list[Layer]) -> dict[str, float]:
    """{name: factor} of the layers of this plan that --lr-scale names, in its order. Raises
    ValueError for names that do not fit the plan, and for a frozen layer."""
    if options.lr_scale is None:
        return {}
    factors, frozen = layer_factors(options.lr_scale, layers), frozen_layers(options, layers)
    both = [name for name in factors if name in frozen]
    if both:
        raise ValueError(
            f"frozen by --freeze, so without a rate: {', '.join(both)}; leave out what is frozen"
        )
    return factors


def freeze(model: nn.Sequential, names: list[str]) -> None:
    """Freeze the layers of these names: their parameters require no gradient, a batch normalisation
    is set to test mode."""
    for name in names:
        for parameter in model[name].parameters():
            parameter.requires_grad = False
        if isinstance(model[name], nn.BatchNorm2d):
            model[name].eval()


def parameter_groups(model: nn.Sequential, factors: dict[str, float]) -> list[dict]:
    """Groups for tn.optim.SGD of the parameters that are trained, in the order of the network:
    neighbours with the same factor are one group. A layer that factors does not name has 1."""
    trained = [
        (factors.get(name, 1.0), parameter)
        for name, layer in model
        for parameter in layer.parameters()
        if parameter.requires_grad
    ]
    return [
        {"parameters": [parameter for _, parameter in group], "lr_scale": factor}
        for factor, group in itertools.groupby(trained, key=lambda pair: pair[0])
    ]
