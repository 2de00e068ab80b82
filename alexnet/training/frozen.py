"""Layers that keep their weights (--freeze), and rates of layers (--lr-scale) and biases
(--bias-lr).

The parameters of a frozen layer require no gradient, and neither do images. So no op below the
first trained layer is recorded: no gradient is computed there, and no activation is kept for one. A
frozen layer above a trained one passes the gradient on, and computes none of its own parameters.

A frozen batch normalisation stays in test mode, so its running statistics keep their numbers too.
Dropout has no numbers to keep: it goes on as in training, whatever lies around it.

Source for biases: docs/facts.md, section 4 (Caffe, and the authors' program).
"""

import math

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


def bias_rate(text: str) -> tuple[float, float | None]:
    """(factor on the rate, constant rate or None) of --bias-lr: "2x" is twice the rate of the
    weights, "0.02" a rate that no schedule changes. Raises ValueError for other text."""
    try:
        number = float(text.removesuffix("x"))
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise ValueError(f"2x (twice the weights' rate) or 0.02 (constant) fits, got {text!r}")
    return (number, None) if text.endswith("x") else (1.0, number)


def parameter_groups(
    model: nn.Sequential,
    factors: dict[str, float],
    bias_lr: str = "1x",
    decay_biases: bool = True,
) -> list[dict]:
    """Groups for tn.optim.SGD of the parameters that are trained, in the order of the network:
    neighbours with the same rate and decay are one group.

    factors       {layer: factor on its rate}; other layers have 1
    bias_lr       the rate of biases, the shifts of batch norms among them, as for bias_rate
    decay_biases  whether they have weight decay
    """
    factor, constant = bias_rate(bias_lr)
    of_biases = {"lr_scale": factor}
    if constant is not None:
        of_biases |= {"lr": constant, "own_lr": True}
    if not decay_biases:
        of_biases |= {"weight_decay": 0.0}
    groups = []
    for layer, module in model:
        for name, parameter in module.named_parameters():
            if not parameter.requires_grad:
                continue
            settings = {"lr_scale": 1.0} | (of_biases if name == "bias" else {})
            settings["lr_scale"] *= factors.get(layer, 1.0)
            if not groups or groups[-1][0] != settings:
                groups.append((settings, []))
            groups[-1][1].append(parameter)
    return [settings | {"parameters": parameters} for settings, parameters in groups]
