"""Stochastic gradient descent with momentum and weight decay.

    rule="paper"    v = momentum v - weight_decay lr w - lr g      w = w + v
    rule="pytorch"  v = momentum v + (g + weight_decay w)          w = w - lr v

Source: the paper, section 5; docs/facts.md, section 4: the two are equal while lr is constant, not
after it changes.
"""

import numpy as np

from tinynet.tensor import Tensor


class SGD:
    """Moves parameters against their gradients.

    parameters  a list of Tensors, or of groups {"parameters": [...], "lr": ..., "lr_scale": ...,
                "momentum": ..., "weight_decay": ...}; a key that a group leaves out has the value
                of SGD's own argument
    lr, momentum, weight_decay  numbers, none negative
    rule        "paper" or "pytorch"

    A group's rate is lr times lr_scale, which is 1 by default. A group of biases with lr_scale=2
    learns at twice the rate of the weights, as in Caffe's AlexNet. groups is the list of these
    dicts and may be changed: for group in sgd.groups: group["lr"] = ... Raises ValueError for a
    number out of range, an unknown rule or key, or a parameter passed twice, TypeError for a
    parameter that is no Tensor with requires_grad.
    """

    def __init__(self, parameters, lr, momentum=0.0, weight_decay=0.0, rule="paper"):
        if rule not in ("paper", "pytorch"):
            raise ValueError(f'SGD: rule must be "paper" or "pytorch", got {rule!r}')
        self.rule = rule
        defaults = {
            "lr": lr, "lr_scale": 1.0, "momentum": momentum, "weight_decay": weight_decay,
        }  # fmt: skip
        parameters = list(parameters)
        if not parameters:
            raise ValueError("SGD: parameters is empty; give model.parameters()")
        if not isinstance(parameters[0], dict):
            parameters = [{"parameters": parameters}]
        self.groups = [_checked_group(group, defaults) for group in parameters]
        every = [p for group in self.groups for p in group["parameters"]]
        if len({id(p) for p in every}) < len(every):
            raise ValueError("SGD: a parameter is passed twice")
        self._velocities = {}

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for group in self.groups:
            for parameter in group["parameters"]:
                parameter.grad = None

    def step(self, lr=None) -> None:
        """Move every parameter that has a gradient, in place, group by group.

        lr  the rate of this step for every group, times the group's lr_scale: a number, or on cupy
            a Tensor () of the parameters' dtype, which a recorded step reads at each launch. None:
            the group's own lr
        Raises ValueError for a negative rate, TypeError for a Tensor of another dtype.
        """
        for group in self.groups:
            moved = [p for p in group["parameters"] if p.grad is not None]
            if not moved:
                continue
            kernels = moved[0]._kernels
            kernel = kernels.sgd_paper if self.rule == "paper" else kernels.sgd_pytorch
            rate = _rate(group["lr"] if lr is None else lr, group["lr_scale"], moved[0].dtype)
            kernel(
                [p.data for p in moved],
                [p.grad for p in moved],
                [self._velocity(p) for p in moved],
                rate, float(group["momentum"]), float(group["weight_decay"]),
            )  # fmt: skip
            for parameter in moved:
                parameter.raise_version()

    def _velocity(self, parameter):
        if id(parameter) not in self._velocities:
            self._velocities[id(parameter)] = parameter._kernels.xp.zeros_like(parameter.data)
        return self._velocities[id(parameter)]

    def state_dict(self) -> dict[str, np.ndarray]:
        """{"0": ..., "1": ...}, the velocity of each parameter in order, copies."""
        every = [p for group in self.groups for p in group["parameters"]]
        return {
            str(i): np.array(p._kernels.to_numpy(self._velocity(p))) for i, p in enumerate(every)
        }

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        """Copy the velocities of a state_dict. Raises ValueError where one does not fit."""
        every = [p for group in self.groups for p in group["parameters"]]
        if len(state) != len(every):
            raise ValueError(f"SGD: {len(state)} velocities for {len(every)} parameters")
        for i, parameter in enumerate(every):
            velocity = np.array(state[str(i)])
            if velocity.shape != parameter.shape or velocity.dtype != parameter.dtype:
                raise ValueError(
                    f"SGD: velocity {i} is {velocity.dtype} {velocity.shape}, its parameter "
                    f"{parameter.dtype} {parameter.shape}"
                )
            self._velocities[id(parameter)] = parameter._kernels.from_numpy(velocity)


def _rate(lr, scale, dtype):
    """lr times scale, as kernels take it: a number, or an array (). Both are rounded to the
    parameters' dtype before they are multiplied, so a number and a Tensor give the same bits."""
    if isinstance(lr, Tensor):
        if lr.dtype != dtype:
            raise TypeError(
                f"SGD: lr is a Tensor of {lr.dtype}, the parameters are {dtype}; a number fits, "
                f"or a Tensor of {dtype}"
            )
        return lr.data if scale == 1 else lr.data * dtype.type(scale)
    if not lr >= 0:  # NaN too
        raise ValueError(f"SGD: lr must not be negative, got {lr}")
    return float(lr) if scale == 1 else float(dtype.type(lr) * dtype.type(scale))


def _checked_group(group, defaults):
    unknown = group.keys() - {"parameters", *defaults}
    if unknown or "parameters" not in group:
        raise ValueError(
            f"SGD: a group has the keys {sorted(group)}; parameters, and if wanted "
            f"{', '.join(defaults)} fit"
        )
    group = {**defaults, **group, "parameters": list(group["parameters"])}
    for name in defaults:
        if not group[name] >= 0:
            raise ValueError(f"SGD: {name} must not be negative, got {group[name]}")
    for parameter in group["parameters"]:
        if not isinstance(parameter, Tensor) or not parameter.requires_grad:
            raise TypeError("SGD: a parameter must be a Tensor that requires a gradient")
    return group
