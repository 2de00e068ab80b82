"""Stochastic gradient descent with momentum and weight decay.

    rule="paper"    v = momentum v - weight_decay lr w - lr g      w = w + v
    rule="pytorch"  v = momentum v + (g + weight_decay w)          w = w - lr v

Source: the paper, section 5; FACTS: the two are equal while lr is constant, not after it changes.
"""

import numpy as np

from tinynet.tensor import Tensor


class SGD:
    """Moves parameters against their gradients.

    parameters  a list of Tensors, or of groups {"parameters": [...], "lr": ..., "weight_decay":
                ..., "momentum": ...}; what a group does not say is as given here
    lr, momentum, weight_decay  numbers, none negative
    rule        "paper" or "pytorch"

    groups is a list of such dicts, and may be changed: for group in sgd.groups: group["lr"] = ...
    On cupy a group's lr may be a Tensor (): a recorded step reads it at each launch.
    Raises ValueError for a number out of range, an unknown rule or key, or a parameter given twice.
    """

    def __init__(self, parameters, lr, momentum=0.0, weight_decay=0.0, rule="paper"):
        if rule not in ("paper", "pytorch"):
            raise ValueError(f'SGD: rule must be "paper" or "pytorch", got {rule!r}')
        self.rule = rule
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        parameters = list(parameters)
        if not parameters:
            raise ValueError("SGD: parameters is empty; give model.parameters()")
        if not isinstance(parameters[0], dict):
            parameters = [{"parameters": parameters}]
        self.groups = [_checked_group(group, defaults) for group in parameters]
        every = [p for group in self.groups for p in group["parameters"]]
        if len({id(p) for p in every}) < len(every):
            raise ValueError("SGD: a parameter is given twice")
        self._velocities = {}

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for group in self.groups:
            for parameter in group["parameters"]:
                parameter.grad = None

    def step(self) -> None:
        """Move every parameter that has a gradient, in place, group by group."""
        for group in self.groups:
            moved = [p for p in group["parameters"] if p.grad is not None]
            if not moved:
                continue
            kernels = moved[0]._kernels
            kernel = kernels.sgd_paper if self.rule == "paper" else kernels.sgd_pytorch
            kernel(
                [p.data for p in moved],
                [p.grad for p in moved],
                [self._velocity(p) for p in moved],
                _rate(group["lr"]), float(group["momentum"]), float(group["weight_decay"]),
            )  # fmt: skip
            for parameter in moved:
                parameter.mark_changed()

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
        """Take over the velocities of a state_dict. Raises ValueError where one does not fit."""
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


def _rate(lr):
    """lr as kernels take it."""
    return lr.data if isinstance(lr, Tensor) else float(lr)


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
