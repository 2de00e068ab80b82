"""Gradient check: compares the gradient that backward computes with the slope of the function.

    (f(x + h e) - f(x - h e)) / 2h  =  <gradient, e>        up to h^2, and rounding / h

For small inputs e is each element in turn; for large ones it is a few random directions. f is one
number, the sum of the output times fixed random weights, so that mistakes in two elements do not
cancel.
"""

import numpy as np

from tinynet.graph import type_name
from tinynet.tensor import Tensor

ELEMENTS = 2000  # inputs of more elements are checked along directions


def check_gradients(
    function, inputs, *, step=1e-6, tolerance=1e-6, directions=None, seed=0
) -> float:
    """Compare the gradients of a function of tensors with its slopes.

    function    takes as many Tensors as there are inputs; returns a Tensor of any shape, the same
                each time (give dropout a draw)
    inputs      float64 Tensors or arrays; those that require a gradient are checked (arrays do)
    step        h above
    tolerance   the largest |analytic - numeric| / max(1, |analytic|, |numeric|) that passes
    directions  None: every element of inputs with at most ELEMENTS elements, 8 random directions
                of larger ones; n: n random directions of each input
    Returns the largest error. Raises AssertionError that names the worst element, with both
    values; TypeError for inputs that require a gradient and are not float64.
    """
    if directions is not None and directions < 1:
        raise ValueError(f"check_gradients: directions must be at least 1, got {directions!r}")
    if not (step > 0 and tolerance >= 0):
        raise ValueError(
            f"check_gradients: step {step!r} must be positive, tolerance {tolerance!r} at least 0"
        )
    tensors = [x if isinstance(x, Tensor) else Tensor(x, requires_grad=True) for x in inputs]
    for i, tensor in enumerate(tensors):
        if tensor.requires_grad and tensor.dtype != np.float64:
            raise TypeError(
                f"check_gradients: inputs[{i}] is {tensor.dtype}; slopes drown in rounding below "
                "float64"
            )
    generator = np.random.default_rng(seed)
    arrays = [np.array(t.numpy()) for t in tensors]
    wanted = [t.requires_grad for t in tensors]

    leaves = _tensors(arrays, wanted)
    output = function(*leaves)
    if not isinstance(output, Tensor):
        raise TypeError(
            f"check_gradients: function returned {type_name(output)}; it must return a Tensor"
        )
    weights = generator.standard_normal(output.shape)
    output.backward(weights)

    def value(changed):
        return float((function(*_tensors(changed, [False] * len(changed))).numpy() * weights).sum())

    worst = (0.0, "")
    for i, leaf in enumerate(leaves):
        if not wanted[i]:
            continue
        gradient = np.zeros(leaf.shape) if leaf.grad is None else leaf._kernels.to_numpy(leaf.grad)
        for name, direction in _directions(arrays[i].shape, directions, generator):
            moved = [
                value([a + sign * step * direction if j == i else a for j, a in enumerate(arrays)])
                for sign in (1, -1)
            ]
            numeric = (moved[0] - moved[1]) / (2 * step)
            # Only elements along the direction: a NaN elsewhere is reported for its own element.
            analytic = float((gradient[direction != 0] * direction[direction != 0]).sum())
            error = abs(analytic - numeric) / max(1.0, abs(analytic), abs(numeric))
            error = np.inf if np.isnan(error) else error
            if error > worst[0]:
                where = f"inputs[{i}]{name}: analytic {analytic:.9g}, numeric {numeric:.9g}"
                worst = (error, where)
    if worst[0] > tolerance:
        raise AssertionError(
            f"check_gradients: relative error {worst[0]:.3g} > {tolerance:g} at {worst[1]}"
        )
    return worst[0]


def _tensors(arrays, wanted):
    return [Tensor(a.copy(), requires_grad=w) for a, w in zip(arrays, wanted, strict=True)]


def _directions(shape, count, generator):
    """(name, direction) pairs: unit elements, or random directions of length 1."""
    size = int(np.prod(shape))
    if count is None and size <= ELEMENTS:
        for position in np.ndindex(shape):
            direction = np.zeros(shape)
            direction[position] = 1
            yield f"[{', '.join(map(str, position))}]", direction
        return
    for number in range(8 if count is None else count):
        direction = generator.standard_normal(shape)
        yield f" along random direction {number}", direction / np.linalg.norm(direction)
