"""Stochastic gradient descent with momentum and weight decay.

    rule="paper"    v = momentum v - weight_decay lr w - lr g      w = w + v
    rule="pytorch"  v = momentum v + (g + weight_decay w)          w = w - lr v

Source: the paper, section 5; docs/facts.md, section 4: the two are equal while lr is constant, not
after it changes.
"""

import numbers
from collections.abc import Iterable, KeysView, Mapping, Set

import numpy as np

from tinynet.graph import type_name
from tinynet.tensor import FLOATS, Tensor, describe


class SGD:
    """Moves parameters against their gradients.

    parameters  a list of Tensors, or of groups {"parameters": [...], "lr": ..., "lr_scale": ...,
                "own_lr": ..., "momentum": ..., "weight_decay": ...}; a key that a group leaves out
                has the value of SGD's own argument
    lr, momentum, weight_decay  numbers, none negative
    rule        "paper" or "pytorch"

    A group's rate is lr times lr_scale, which is 1 by default. A group of biases with lr_scale=2
    learns at twice the rate of the weights, as in Caffe's AlexNet. With own_lr=True, not False, the
    group keeps to its own lr whatever rate step is called with, as the biases of the authors'
    program keep theirs. groups is the list of these dicts and may be changed: for group in
    sgd.groups: group["lr"] = ... A parameter whose requires_grad is False, or whose .grad is None,
    stays where it is.
    Raises ValueError for a number out of range, an unknown rule or key, or a parameter passed
    twice, TypeError for a parameter that is no leaf Tensor of floats.
    """

    def __init__(self, parameters, lr, momentum=0.0, weight_decay=0.0, rule="paper"):
        if rule not in ("paper", "pytorch"):
            raise ValueError(f'SGD: rule must be "paper" or "pytorch", got {rule!r}')
        self.rule = rule
        defaults = {
            "lr": lr, "lr_scale": 1.0, "own_lr": False, "momentum": momentum,
            "weight_decay": weight_decay,
        }  # fmt: skip
        parameters = _in_order(parameters)
        if not parameters:
            raise ValueError("SGD: parameters is empty; give model.parameters()")
        if not isinstance(parameters[0], dict):
            parameters = [{"parameters": parameters}]
        self.groups = [_checked_group(group, defaults) for group in parameters]
        self._check_each_once()
        if not any(p.requires_grad for p in self._parameters()):
            raise TypeError("SGD: a parameter must require a gradient, and none of these does")
        # The keys are the tensors themselves, so that a velocity never passes to another one.
        self._velocities: dict[Tensor, object] = {}

    def _parameters(self):
        return [p for group in self.groups for p in group["parameters"]]

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for group in self.groups:
            for parameter in group["parameters"]:
                parameter.grad = None

    def step(self, lr=None) -> None:
        """Move every parameter that has a gradient, in place, group by group.

        lr  the rate of this step for every group without own_lr, times the group's lr_scale: a
            number, or on cupy a Tensor () of the parameters' dtype, which a recorded step reads at
            each launch. None: the group's own lr
        Raises, before anything moves, ValueError for a negative rate or a Tensor of another shape,
        TypeError for a Tensor of another dtype; both for groups that were changed and do not fit.
        """
        for group in self.groups:  # they may have been changed since SGD was made
            _check_numbers(group, lr)
            group["parameters"] = _checked_parameters(group["parameters"])
        self._check_each_once()
        moves = []
        for group in self.groups:
            moved = [p for p in group["parameters"] if p.requires_grad and p.grad is not None]
            if moved:
                _check_alike(moved)
                moves.append((moved, _group_rate(group, lr, moved[0].dtype), group))
        for moved, rate, group in moves:
            kernels = moved[0]._kernels
            kernel = kernels.sgd_paper if self.rule == "paper" else kernels.sgd_pytorch
            kernel(
                [p.data for p in moved],
                [p.grad for p in moved],
                [self._velocity(p) for p in moved],
                rate, float(group["momentum"]), float(group["weight_decay"]),
            )  # fmt: skip
            for parameter in moved:
                parameter.raise_version()

    def last_update(self, parameter: Tensor, lr=None) -> Tensor | None:
        """What the last step added to this parameter: v with rule "paper", -lr v with rule
        "pytorch". None if no step has moved it. The Tensor may share the optimiser's memory: read
        it before the next step.

        lr  as in that step
        """
        for group in self.groups:
            if any(parameter is each for each in group["parameters"]):
                velocity = self._velocities.get(parameter)
                if velocity is not None and self.rule == "pytorch":
                    velocity = velocity * -_group_rate(group, lr, parameter.dtype)
                return None if velocity is None else Tensor(velocity)
        return None

    def _check_each_once(self):
        if len(set(self._parameters())) < len(self._parameters()):
            raise ValueError("SGD: a parameter is passed twice")

    def _velocity(self, parameter):
        velocity = self._velocities.get(parameter)
        if velocity is None:
            every = set(self._parameters())  # forget those that left their group
            self._velocities = {p: v for p, v in self._velocities.items() if p in every}
            velocity = parameter._kernels.xp.zeros_like(parameter.data)
            self._velocities[parameter] = velocity
        return velocity

    def state_dict(self) -> dict[str, np.ndarray]:
        """{"0": ..., "1": ...}, the velocity of each parameter in order, copies."""
        return {
            str(i): np.array(p._kernels.to_numpy(self._velocity(p)))
            for i, p in enumerate(self._parameters())
        }

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        """Copy the velocities of a state_dict; nothing changes if one does not fit. Raises
        ValueError for other keys, shapes or dtypes, TypeError for what is no dict."""
        if not isinstance(state, Mapping):
            raise TypeError(
                f"SGD: state is {type(state).__name__}; a dict of arrays fits, as state_dict() or "
                "tn.load(path) returns it"
            )
        parameters = self._parameters()
        expected = [str(i) for i in range(len(parameters))]
        if len(state) != len(parameters):
            raise ValueError(f"SGD: {len(state)} velocities for {len(parameters)} parameters")
        if set(state) != set(expected):
            unknown = sorted(set(state) - set(expected), key=str)
            raise ValueError(f"SGD: velocities are named {unknown}; {expected} fit")
        velocities = {}
        for i, parameter in zip(expected, parameters, strict=True):
            velocity = np.array(state[i])
            if velocity.shape != parameter.shape or velocity.dtype != parameter.dtype:
                raise ValueError(
                    f"SGD: velocity {i} is {describe(velocity)}, its parameter "
                    f"{describe(parameter)}"
                )
            velocities[parameter] = parameter._kernels.from_numpy(velocity)
        self._velocities = velocities


def _check_alike(parameters):
    """Parameters that one kernel call moves have one backend and one dtype."""
    first = parameters[0]
    for p in parameters:
        if p._kernels is not first._kernels or p.dtype != first.dtype:
            raise TypeError(
                f"SGD: a group has parameters of {first.dtype} on {first.backend} and of {p.dtype} "
                f"on {p.backend}; make a group for each"
            )


def _group_rate(group, lr, dtype):
    """The rate of a group in step(lr), as _rate returns it."""
    own = lr is None or group["own_lr"]
    return _rate(group["lr"] if own else lr, group["lr_scale"], dtype)


def _rate(lr, scale, dtype):
    """lr times scale, as kernels take it: a number, or an array (). Both are rounded to the
    parameters' dtype before they are multiplied, so a number and a Tensor give the same bits."""
    if isinstance(lr, Tensor):
        if lr.dtype != dtype:
            raise TypeError(
                f"SGD: lr is a Tensor of {lr.dtype}, the parameters are {dtype}; a number fits, "
                f"or a Tensor of {dtype}"
            )
        if lr.shape != ():
            raise ValueError(f"SGD: lr is a Tensor of shape {lr.shape}; shape () fits")
        return lr.data if scale == 1 else lr.data * dtype.type(scale)
    return float(lr) if scale == 1 else float(dtype.type(lr) * dtype.type(scale))


def _in_order(parameters):
    """The parameters, or groups, as a list. A set has another order in each process, and the
    velocities of a state_dict would go to other parameters."""
    is_one = isinstance(parameters, (Tensor, dict))
    is_set = isinstance(parameters, Set) and not isinstance(parameters, KeysView)
    if is_one or is_set or not isinstance(parameters, Iterable):
        raise TypeError(
            f"SGD: parameters is a {type(parameters).__name__}; a list of Tensors fits, for "
            "example model.parameters(), or a list of groups"
        )
    return parameters if isinstance(parameters, list) else list(parameters)


def _check_numbers(group, lr):
    """A group must have its numbers. lr: of the step; None: the group's own."""
    names = {"parameters", "lr", "lr_scale", "own_lr", "momentum", "weight_decay"}
    missing = names - group.keys()
    if missing:
        raise ValueError(
            f"SGD: a group has no {', '.join(sorted(missing))}; write group[...] = ..."
        )
    for name in ("lr_scale", "momentum", "weight_decay"):
        _check_number(name, group[name])
    _check_truth(group)
    lr = group["lr"] if lr is None or group["own_lr"] else lr
    if not isinstance(lr, Tensor):  # _rate checks a Tensor
        _check_number("lr", lr)


def _checked_group(group, defaults):
    if not isinstance(group, dict):
        raise TypeError(f"SGD: a group is a {type(group).__name__}; all must be dicts, or none")
    unknown = group.keys() - {"parameters", *defaults}
    if unknown or "parameters" not in group:
        raise ValueError(
            f"SGD: a group has the keys {sorted(group)}; parameters, and if wanted "
            f"{', '.join(defaults)} fit"
        )
    group = {**defaults, **group, "parameters": list(_checked_parameters(group["parameters"]))}
    for name in defaults.keys() - {"own_lr"}:
        _check_number(name, group[name])
    _check_truth(group)
    return group


def _checked_parameters(parameters):
    parameters = _in_order(parameters)
    for parameter in parameters:
        if not isinstance(parameter, Tensor):
            raise TypeError(
                f"SGD: a parameter must be a Tensor, got {type_name(parameter)}; give "
                "model.parameters()"
            )
        if parameter._node is not None:
            raise TypeError(
                "SGD: a parameter must be a leaf; this one was computed by an op, and the next "
                "forward pass would compute it again"
            )
        if parameter.dtype not in FLOATS:
            raise TypeError(f"SGD: a parameter is {describe(parameter)}; float32 or float64 fits")
        if not getattr(parameter.data.flags, "writeable", True):  # CuPy's arrays have no such flag
            raise ValueError(
                "SGD: a parameter lies in a read-only array; tn.nn.Parameter(array) copies it"
            )
    return parameters


def _check_truth(group):
    if not isinstance(group["own_lr"], bool):
        raise TypeError(f"SGD: own_lr must be True or False, got {group['own_lr']!r}")


def _check_number(name, number):
    if not isinstance(number, numbers.Real):
        raise TypeError(f"SGD: {name} must be a number, got {type(number).__name__}")
    if not number >= 0:  # NaN too
        raise ValueError(f"SGD: {name} must not be negative, got {number}")
