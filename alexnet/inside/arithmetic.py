"""The arithmetic behind one output of a layer: what it read, what was summed, step by step.

For each kind of layer a function that reads like the formula. Numbers are exact (exact.py), so they
show what the layer means; what the backends' kernels make of it, in float32, is beside them in an
Explanation.

    symbols  x   the layer's input        w, b   weight and bias        y  the output
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from alexnet.inside.exact import exact_products, exact_sum, power, tanh
from alexnet.inside.trace import TracedLayer


@dataclass(frozen=True)
class Arithmetic:
    """How one output y came from the inputs that it read.

    formula  in the symbols above
    read     the inputs, in the layer's own layout: (channels, rows, columns), or (features,). Cells
             in the padding are 0
    corner   where read begins in the layer's input; below 0 in the padding
    weights  of the shape of read, or None: what each input is multiplied by
    terms    of the shape of read, or None: the summands
    steps    name -> exact number, in the order of computing; the last is y
    slopes   of the shape of read: dy / dx of each input
    chosen   where in read the largest lies, of a maximum, or x itself, of a normalisation
    """

    formula: str
    read: np.ndarray
    corner: tuple[int, ...]
    steps: dict[str, Fraction]
    slopes: np.ndarray
    weights: np.ndarray | None = None
    terms: np.ndarray | None = None
    chosen: tuple[int, ...] | None = None

    @property
    def exact(self) -> Fraction:
        """y, exactly."""
        return list(self.steps.values())[-1]


def arithmetic(traced: TracedLayer, at: tuple[int, ...], image: int = 0) -> Arithmetic:
    """The Arithmetic of the output at (channel, row, column) or (unit,) for one image of a trace.

    Raises ValueError for a place outside the output, and for a kind of layer that is not known.
    """
    x, shape = traced.x[image], traced.y.shape[1:]
    inside = (0 <= place < size for place, size in zip(at, shape, strict=False))
    if len(at) != len(shape) or not all(inside):
        raise ValueError(
            f"explain: {traced.name} has no output at {at}; its outputs are {shape}, counted from 0"
        )
    kind = KINDS.get(traced.kind)
    if kind is None:
        raise ValueError(f"explain: {traced.name} is a {traced.kind}; known are {', '.join(KINDS)}")
    return kind(traced.layer, traced.arrays, x, at)


# --- weighted sums --------------------------------------------------------------------------------


def _convolution(layer, arrays, x, at):
    weight, bias = arrays["weight"], arrays.get("bias")
    output, row, column = at
    depth = weight.shape[1]
    group = output // (len(weight) // layer.groups)
    first = (group * depth, *_first(layer, row, column))
    read = _cells(x, first, weight.shape[1:])
    return _weighted_sum("y = sum of w x + b", read, first, weight[output], bias, output)


def _fully_connected(layer, arrays, x, at):
    weight, bias = arrays["weight"], arrays.get("bias")
    return _weighted_sum("y = sum of w x + b", x, (0,), weight[at[0]], bias, at[0])


def _weighted_sum(formula, read, corner, weights, bias, output):
    products = exact_products(weights, read)
    total = exact_sum(products)
    offset = Fraction(0) if bias is None else Fraction(float(bias[output]))
    steps = {"sum of w x": total, "b": offset, "y": total + offset}
    terms = np.array([float(product) for product in products]).reshape(read.shape)
    return Arithmetic(formula, read, corner, steps, weights, weights=weights, terms=terms)


# --- windows --------------------------------------------------------------------------------------


def _max_pool(layer, arrays, x, at):
    read, corner = _window(layer, x, at)
    chosen = np.unravel_index(np.argmax(read), read.shape)
    slopes = np.zeros(read.shape)
    slopes[chosen] = 1
    steps = {"y": Fraction(float(read[chosen]))}
    chosen = tuple(int(place) for place in chosen)
    return Arithmetic("y = the largest x of the window", read, corner, steps, slopes, chosen=chosen)


def _average_pool(layer, arrays, x, at):
    read, corner = _window(layer, x, at)
    cells = read.size
    if layer.count_include_pad:
        cells = 1
        for place, window, stride, padding, size in zip(
            at[1:], layer.window, layer.stride, layer.padding, x.shape[1:], strict=True
        ):
            first = place * stride - padding
            cells *= min(first + window, size + padding) - first
    return _mean(read, corner, cells)


def _adaptive_average_pool(layer, arrays, x, at):
    sides = zip(at[1:], layer.size, x.shape[1:], strict=True)
    rows, columns = (
        slice(i * size // outputs, -(-(i + 1) * size // outputs)) for i, outputs, size in sides
    )
    read = x[at[0] : at[0] + 1, rows, columns]
    return _mean(read, (at[0], rows.start, columns.start), read.size)


def _mean(read, corner, cells):
    total = exact_sum(map(Fraction, read.ravel().tolist()))
    steps = {"sum of x": total, "cells": Fraction(cells), "y": total / cells}
    slopes = np.full(read.shape, 1 / cells)
    return Arithmetic("y = sum of x / cells", read, corner, steps, slopes, terms=read)


def _first(layer, row, column):
    """The cell at the top left of an output's window; below 0 in the padding."""
    places = zip((row, column), layer.stride, layer.padding, strict=True)
    return tuple(place * stride - padding for place, stride, padding in places)


def _cells(x, first, shape):
    """x from first on in this shape; cells outside are 0."""
    read = np.zeros(shape, x.dtype)
    inside, outside = [], []
    for start, count, size in zip(first, shape, x.shape, strict=True):
        low, high = max(start, 0), min(start + count, size)
        inside.append(slice(low - start, high - start))
        outside.append(slice(low, high))
    read[tuple(inside)] = x[tuple(outside)]
    return read


def _window(layer, x, at):
    """(the cells of an output's window that lie on the map, where they begin)."""
    first = _first(layer, *at[1:])
    rows, columns = (
        slice(max(start, 0), min(start + window, size))
        for start, window, size in zip(first, layer.window, x.shape[1:], strict=True)
    )
    return x[at[0] : at[0] + 1, rows, columns], (at[0], rows.start, columns.start)


# --- normalisation --------------------------------------------------------------------------------


def _local_response_norm(layer, arrays, x, at):
    channel, row, column = at
    depth = len(x) // layer.groups  # channels of a tower
    tower = channel // depth * depth
    first = max(channel - layer.size // 2, tower)
    last = min(channel + layer.size // 2, tower + depth - 1)
    read = x[first : last + 1, row : row + 1, column : column + 1]
    alpha = layer.alpha / layer.size if layer.divide_by_size else layer.alpha
    return _normalised(layer, alpha, read, (first, row, column), (channel - first, 0, 0))


def _same_map_norm(layer, arrays, x, at):
    channel, row, column = at
    rows, columns = (
        slice(max(place - layer.size // 2, 0), min(place + layer.size // 2 + 1, size))
        for place, size in zip((row, column), x.shape[1:], strict=True)
    )
    read = x[channel : channel + 1, rows, columns]
    own = (0, row - rows.start, column - columns.start)
    alpha = layer.alpha / layer.size**2
    return _normalised(layer, alpha, read, (channel, rows.start, columns.start), own)


def _normalised(layer, alpha, read, corner, own):
    """y = x / (k + alpha * sum of squares) ** beta, where x is read[own]."""
    squares = exact_products(read, read)
    centre, total = Fraction(float(read[own])), exact_sum(squares)
    scale = Fraction(layer.k) + Fraction(alpha) * total
    divisor = power(scale, layer.beta)
    steps = {"x": centre, "sum of squares": total, "scale": scale, "scale ** beta": divisor}
    steps["y"] = centre / divisor
    # dy / dx_j = -2 alpha beta x x_j scale ** (-beta - 1), and scale ** -beta more for x itself
    slopes = -2 * alpha * layer.beta * float(centre) * read / (float(scale) * float(divisor))
    slopes[own] += 1 / float(divisor)
    terms = np.array([float(square) for square in squares]).reshape(read.shape)
    formula = "y = x / (k + alpha sum of x squared) ** beta, with "
    formula += f"k {layer.k:g}, alpha {alpha:g}, beta {layer.beta:g}"
    return Arithmetic(formula, read, corner, steps, slopes, terms=terms, chosen=own)


def _batch_norm(layer, arrays, x, at):
    read, channel = _one(x, at), at[0]
    mean, variance = (
        Fraction(float(arrays[name][channel])) for name in ("running_mean", "running_var")
    )
    weight = Fraction(float(arrays["weight"][channel])) if "weight" in arrays else Fraction(1)
    bias = Fraction(float(arrays["bias"][channel])) if "bias" in arrays else Fraction(0)
    deviation = power(variance + Fraction(layer.eps), 0.5)
    centre = Fraction(float(read.item()))
    steps = {"x": centre, "mean": mean, "sqrt(variance + eps)": deviation}
    steps |= {"x normalised": (centre - mean) / deviation, "w": weight, "b": bias}
    steps["y"] = weight * (centre - mean) / deviation + bias
    slopes = np.full(read.shape, float(weight / deviation))
    formula = "y = w (x - mean) / sqrt(variance + eps) + b"
    return Arithmetic(formula, read, at, steps, slopes)


# --- one number to one number ---------------------------------------------------------------------


def _relu(layer, arrays, x, at):
    read = _one(x, at)
    centre = Fraction(float(read.item()))
    steps = {"x": centre, "y": max(centre, Fraction(0))}
    slopes = np.full(read.shape, float(centre > 0))
    return Arithmetic("y = max(x, 0)", read, at, steps, slopes)


def _tanh(layer, arrays, x, at):
    read = _one(x, at)
    centre = Fraction(float(read.item()))
    y = tanh(centre)
    steps = {"x": centre, "y": y}
    return Arithmetic("y = tanh(x)", read, at, steps, np.full(read.shape, float(1 - y * y)))


def _dropout(layer, arrays, x, at):
    read = _one(x, at)
    share = Fraction(1) - Fraction(layer.drop) if layer.scale == "test" else Fraction(1)
    centre = Fraction(float(read.item()))
    steps = {"x": centre, "share kept": share, "y": centre * share}
    formula = "y = x (1 - drop)" if layer.scale == "test" else "y = x, in test"
    return Arithmetic(formula, read, at, steps, np.full(read.shape, float(share)))


def _flatten(layer, arrays, x, at):
    place = tuple(int(i) for i in np.unravel_index(at[0], x.shape))
    read = _one(x, place)
    steps = {"y": Fraction(float(read.item()))}
    return Arithmetic("y = x, numbered row by row", read, place, steps, np.ones(read.shape))


def _one(x, at):
    """x at one place, with as many axes."""
    return x[tuple(slice(place, place + 1) for place in at)]


KINDS = {
    "Conv2d": _convolution,
    "Linear": _fully_connected,
    "MaxPool2d": _max_pool,
    "AvgPool2d": _average_pool,
    "AdaptiveAvgPool2d": _adaptive_average_pool,
    "LocalResponseNorm": _local_response_norm,
    "SameMapNorm": _same_map_norm,
    "BatchNorm2d": _batch_norm,
    "ReLU": _relu,
    "Tanh": _tanh,
    "Dropout": _dropout,
    "Flatten": _flatten,
}
