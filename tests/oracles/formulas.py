"""Every layer's formula in loops over single numbers: the oracle for the kernels.

The arguments are arrays of Numbers (scalars.py), pairs (rows, columns) and plain numbers.
"""

import math
from itertools import product

import numpy as np

from tests.oracles import scalars
from tests.oracles.scalars import exp, log


def make_array(shape, number_at):
    """The array whose element at each position is number_at(*position)."""
    y = np.empty(shape, object)
    for position in np.ndindex(*shape):
        y[position] = number_at(*position)
    return y


def elementwise(function):
    """A function of arrays that applies this function to each element, with broadcasting."""

    def formula(*arrays):
        arrays = np.broadcast_arrays(*arrays)
        return make_array(arrays[0].shape, lambda *p: function(*(a[p] for a in arrays)))

    return formula


# --- convolution and matrix products --------------------------------------------------------------


def conv2d(x, weight, bias, stride, padding, groups):
    images, _, height, width = x.shape
    outputs, channels, kernel_rows, kernel_columns = weight.shape
    rows = (height + 2 * padding[0] - kernel_rows) // stride[0] + 1
    columns = (width + 2 * padding[1] - kernel_columns) // stride[1] + 1

    def pixel(n, o, i, j):
        total = 0.0 if bias is None else bias[o]
        first = o // (outputs // groups) * channels
        for c, u, v in np.ndindex(channels, kernel_rows, kernel_columns):
            h, w = i * stride[0] + u - padding[0], j * stride[1] + v - padding[1]
            if 0 <= h < height and 0 <= w < width:
                total = total + weight[o, c, u, v] * x[n, first + c, h, w]
        return total

    return make_array((images, outputs, rows, columns), pixel)


def linear(x, weight, bias=None):
    def output(n, o):
        total = sum(x[n, i] * weight[o, i] for i in range(x.shape[1]))
        return total if bias is None else total + bias[o]

    return make_array((len(x), len(weight)), output)


def matmul(a, b):
    shape = (*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1])
    a = np.broadcast_to(a, (*shape[:-2], *a.shape[-2:]))
    b = np.broadcast_to(b, (*shape[:-2], *b.shape[-2:]))

    def element(*position):
        *stack, i, j = position
        return sum(a[(*stack, i, k)] * b[(*stack, k, j)] for k in range(a.shape[-1]))

    return make_array(shape, element)


# --- pools ----------------------------------------------------------------------------------------


def window_starts(size, window, stride, padding, ceil_mode):
    """The first cell of each window along one axis. Without ceil_mode each window must end on the
    padded map. With ceil_mode the last window reaches the edge of the padded map or passes it, but
    no window starts beyond the map."""
    starts, edge = [], size + padding
    start = -padding
    while start + window <= edge or (
        ceil_mode and start < size and (not starts or starts[-1] + window < edge)
    ):
        starts.append(start)
        start += stride
    return starts


def _pool(x, window, stride, padding, ceil_mode, value):
    height, width = x.shape[2:]
    top = window_starts(height, window[0], stride[0], padding[0], ceil_mode)
    left = window_starts(width, window[1], stride[1], padding[1], ceil_mode)

    def pixel(n, c, i, j):
        rows = range(top[i], min(top[i] + window[0], height + padding[0]))
        columns = range(left[j], min(left[j] + window[1], width + padding[1]))
        on_map = [
            x[n, c, h, w] for h, w in product(rows, columns) if 0 <= h < height and 0 <= w < width
        ]
        return value(on_map, len(rows) * len(columns))

    return make_array((*x.shape[:2], len(top), len(left)), pixel)


def max_pool2d(x, window, stride, padding, ceil_mode):
    return _pool(x, window, stride, padding, ceil_mode, lambda numbers, cells: max(numbers))


def avg_pool2d(x, window, stride, padding, ceil_mode, count_include_pad):
    def mean(numbers, cells):
        return sum(numbers) / float(cells if count_include_pad else len(numbers))

    return _pool(x, window, stride, padding, ceil_mode, mean)


def adaptive_avg_pool2d(x, size):
    def window(i, cells, outputs):
        return range(math.floor(i * cells / outputs), math.ceil((i + 1) * cells / outputs))

    def pixel(n, c, i, j):
        rows, columns = window(i, x.shape[2], size[0]), window(j, x.shape[3], size[1])
        numbers = [x[n, c, h, w] for h, w in product(rows, columns)]
        return sum(numbers) / float(len(numbers))

    return make_array((*x.shape[:2], *size), pixel)


# --- normalisation and dropout --------------------------------------------------------------------


def local_response_norm(x, size, alpha, beta, k, divide_by_size, groups):
    per_group = x.shape[1] // groups
    a = alpha / size if divide_by_size else alpha

    def pixel(n, i, h, w):
        first = i // per_group * per_group
        window = range(max(first, i - size // 2), min(first + per_group - 1, i + size // 2) + 1)
        energy = sum(x[n, j, h, w] * x[n, j, h, w] for j in window)
        return x[n, i, h, w] / (k + a * energy) ** beta

    return make_array(x.shape, pixel)


def same_map_norm(x, size, alpha, beta, k):
    height, width = x.shape[2:]

    def pixel(n, c, i, j):
        rows = range(max(0, i - size // 2), min(height - 1, i + size // 2) + 1)
        columns = range(max(0, j - size // 2), min(width - 1, j + size // 2) + 1)
        energy = sum(x[n, c, h, w] * x[n, c, h, w] for h, w in product(rows, columns))
        return x[n, c, i, j] / (k + alpha / (size * size) * energy) ** beta

    return make_array(x.shape, pixel)


def batch_norm(x, weight, bias, eps, mean=None, variance=None):
    """mean, variance: one number per channel; None: the mean and variance of x are used."""

    def channel(c):
        numbers = list(x[:, c].flat)
        if mean is not None:
            return mean[c], variance[c]
        centre = sum(numbers) / float(len(numbers))
        return centre, sum((a - centre) ** 2 for a in numbers) / float(len(numbers))

    statistics = [channel(c) for c in range(x.shape[1])]

    def pixel(n, c, h, w):
        centre, spread = statistics[c]
        return weight[c] * (x[n, c, h, w] - centre) / (spread + eps) ** 0.5 + bias[c]

    return make_array(x.shape, pixel)


def dropout(x, drop, scale, seed, draw, part=None):
    first_row, first_column, columns = part or (0, 0, x.size // len(x))
    numbers = (
        (first_row + n) * columns + first_column + j
        for n in range(len(x)) for j in range(x.size // len(x))
    )  # fmt: skip
    keeps = (dropout_word(e, seed, draw) >= int(drop * 2**32) for e in numbers)
    factor = 1 / (1 - drop) if scale == "train" else 1.0
    y = [a * (factor if keep else 0.0) for a, keep in zip(x.flat, keeps, strict=True)]
    return np.array(y, object).reshape(x.shape)


def dropout_word(element, seed, draw):
    """The element's 32 random bits: counter (element // 4, draw, stream 1), word element % 4."""
    block = element // 4
    counter = (block & 0xFFFFFFFF, block >> 32, draw, 1)
    return philox(counter, (seed & 0xFFFFFFFF, seed >> 32))[element % 4]


def philox(counter, key):
    """Philox4x32-10 on Python's integers, after figure 2 and table 2 of Salmon and others (2011).
    Each round multiplies two words and exchanges the halves of the products."""
    left_0, right_0, left_1, right_1 = counter
    for i in range(10):
        keys = [(k + i * w) % 2**32 for k, w in zip(key, (0x9E3779B9, 0xBB67AE85), strict=True)]
        high_0, low_0 = divmod(left_0 * 0xD2511F53, 2**32)
        high_1, low_1 = divmod(left_1 * 0xCD9E8D57, 2**32)
        left_0, right_0 = high_1 ^ right_0 ^ keys[0], low_1
        left_1, right_1 = high_0 ^ right_1 ^ keys[1], low_0
    return left_0, right_0, left_1, right_1


# --- activations and the loss ---------------------------------------------------------------------

relu = elementwise(lambda a: a * (1.0 if a > 0 else 0.0))
tanh = elementwise(scalars.tanh)
exp_of, log_of = elementwise(exp), elementwise(log)


def softmax(logits):
    def probability(n, c):
        return exp(logits[n, c]) / sum(exp(z) for z in logits[n])

    return make_array(logits.shape, probability)


def softmax_cross_entropy(logits, labels):
    losses = [log(sum(exp(z) for z in row)) - row[t] for row, t in zip(logits, labels, strict=True)]
    return np.array(sum(losses) / float(len(losses)), object)


def log_softmax(logits):
    def logarithm(*position):
        return logits[position] - log(sum(exp(z) for z in logits[position[:-1]]))

    return make_array(logits.shape, logarithm)


def cross_entropy(
    logits, targets, weight=None, labels=None, ignore_index=None, reduction="mean",
    label_smoothing=0.0,
):  # fmt: skip
    """targets: a row of shares for each row of logits; labels: the class numbers, if they are."""
    logs, classes = log_softmax(logits), logits.shape[1]
    weight = np.ones(classes) if weight is None else weight
    losses, divisor = [], 0.0
    for n in range(len(logits)):
        if labels is not None and labels[n] == ignore_index:
            losses.append(logs[n, 0] * 0.0)
            continue
        shares = [(t * (1 - label_smoothing) + label_smoothing / classes) for t in targets[n]]
        terms = zip(weight.tolist(), shares, logs[n], strict=True)
        losses.append(-sum(z * s * w for w, s, z in terms))
        divisor += 1.0 if labels is None else float(weight[labels[n]])
    if reduction == "none":
        return np.array(losses, object)
    return np.array(sum(losses) / (divisor if reduction == "mean" else 1.0), object)


# --- shapes ---------------------------------------------------------------------------------------


def between(a, low, high):
    """clip of one Number."""
    return a if high > a.value > low else a * 0.0 + (high if a > high else low)


def pad(x, top, bottom, left, right, value):
    images, channels, height, width = x.shape

    def pixel(n, c, i, j):
        on_map = 0 <= i - top < height and 0 <= j - left < width
        return x[n, c, i - top, j - left] if on_map else scalars.Number(value)

    return make_array((images, channels, top + height + bottom, left + width + right), pixel)


# --- reductions -----------------------------------------------------------------------------------


def reduction(function):
    """A reduction along axes of an array, made from a function of a list of numbers."""

    def formula(a, axis=None, keepdims=False):
        axes = range(a.ndim) if axis is None else np.atleast_1d(axis) % a.ndim
        rest = [i for i in range(a.ndim) if i not in axes]
        rows = a.transpose(*rest, *axes).reshape(*(a.shape[i] for i in rest), -1)
        y = make_array(rows.shape[:-1], lambda *p: function(list(rows[p])))
        return y.reshape([n if i in rest else 1 for i, n in enumerate(a.shape)]) if keepdims else y

    return formula


sum_of = reduction(sum)
mean_of = reduction(lambda numbers: sum(numbers) / float(len(numbers)))
max_of = reduction(max)
