"""The sources of the kernels that compute a layer, for a reader beside its numbers, with the lines
marked that make a number's steps.

A mark is a line of the source in full. In a file that a reader has edited so that a marked line is
gone, or is there twice, no line is marked: rather none than a wrong one.
"""

from collections.abc import Iterable
from pathlib import Path

import tinynet

# The kernel of each kind of layer; flatten and test mode's dropout have none.
KERNELS = {
    "Conv2d": "conv2d",
    "Linear": "linear",
    "MaxPool2d": "max_pool2d",
    "AvgPool2d": "avg_pool2d",
    "AdaptiveAvgPool2d": "adaptive_avg_pool2d",
    "LocalResponseNorm": "local_response_norm",
    "SameMapNorm": "same_map_norm",
    "BatchNorm2d": "batch_norm",
    "ReLU": "relu",
    "Tanh": "tanh",
}
FOLDER = Path(tinynet.__file__).parent / "backends"

# Of each file: (the steps of arithmetic.py that a line makes, the line), in the order of running.
# Where two lines make one step, the kernel has two ways, one of them for windows at an edge. The
# products of a weighted sum on a GPU are cuBLAS's: for these layers the file that calls it is here.
MARKS = {
    "numpy/conv2d.py": [
        ("sum of w x", "np.matmul(weight_matrix, columns_matrix, out=_per_group(y_image, groups))"),
        ("b, y", "y += bias[:, None, None]"),
    ],
    "numba/conv2d.py": [
        ("b", "y_matrix[o] = bias[first + o]"),
        (
            "sum of w x, y",
            "product(weights[g, u], _columns_of_row(columns, u, i, j), 1, y_matrix[:, i:j])",
        ),
    ],
    "cupy/conv2d.py": [
        ("sum of w x", "gpu.product(weights, columns, product)"),
        ("b, y", "_spread(gpu, product, bias, y[images])"),
    ],
    "cupy/conv2d.cu": [
        (
            "b, y",
            "FOR_MY_PIXELS(p, pixels) y[map * pixels + p] = "
            "side_by_side[place * pixels + p] + added;",
        ),
    ],
    "numpy/linear.py": [
        ("sum of w x", "np.matmul(x, weight.T, out=y)"),
        ("b, y", "y += bias"),
    ],
    "numba/linear.py": [
        ("sum of w x", "total += image[i] * row[i]"),
        ("b, y", "y += bias"),
    ],
    "cupy/linear.py": [
        ("sum of w x", "gpu.product(x[None], weight.T[None], y[None])"),
        ("b, y", 'gpu.launch(CU, "add_bias", maps(images, outputs), bias, y, images, outputs)'),
    ],
    "cupy/linear.cu": [
        ("b, y", "FOR_MY_PIXELS(o, outputs) y[n * outputs + o] += bias[o];"),
    ],
    "numpy/max_pool2d.py": [("y", "np.copyto(y, candidate, where=wins)")],
    "numba/max_pool2d.py": [
        ("y", "y[np.uintp(done) + lane] = largest"),
        ("y", "y[to], switches[to] = _one_window("),
    ],
    "cupy/max_pool2d.cu": [("y", "y[map * out_pixels + p] = largest;")],
    "numpy/avg_pool2d.py": [
        ("sum of x", "total += padded[:, :, *_met_by(u, v, stride, y)]"),
        ("cells", "counts.append((end - first).astype(y.dtype))"),
        ("y", "y[...] = total / _cells(x, window, stride, padding, count_include_pad, y)"),
    ],
    "numba/avg_pool2d.py": [
        ("cells", "cells = end - first if count_include_pad else end_on_map - first_on_map"),
        ("sum of x", "total += x[h, w]"),
        ("y", "y[i, j] = x.dtype.type(total) / x.dtype.type(rows * columns)"),
    ],
    "cupy/avg_pool2d.cu": [
        ("cells", "return {first, end, count_include_pad ? stop - start : end - first};"),
        (
            "sum of x",
            "for (int w = columns.first; w < columns.end; w++) sum.add(x_map[h * s.width + w]);",
        ),
        (
            "y",
            "y[map * s.out_rows * s.out_columns + p] = "
            "sum.value() / T(rows.cells * columns.cells);",
        ),
    ],
    "numpy/adaptive_avg_pool2d.py": [
        (
            "sum of x, cells, y",
            "y[:, :, i, j] = x[:, :, rows, columns].mean(axis=(2, 3), dtype=np.float64)",
        ),
    ],
    "numba/adaptive_avg_pool2d.py": [
        ("sum of x", "total += x[h, w]"),
        ("cells", "cells = x.dtype.type((bottom - top) * (right - left))"),
        ("y", "y[i, j] = x.dtype.type(total) / cells"),
    ],
    "cupy/adaptive_avg_pool2d.cu": [
        (
            "sum of x",
            "for (int w = columns.first; w < columns.end; w++) sum.add(x_map[h * s.width + w]);",
        ),
        ("y", "y[map * s.out_rows * s.out_columns + p] = sum.value() / T(cells);"),
    ],
    "numpy/local_response_norm.py": [
        ("sum of squares, scale", "return k + alpha * _window_sum(x * x, size, groups)"),
        ("scale ** beta, y", "y[...] = x * scale**-beta"),
    ],
    "numba/local_response_norm.py": [
        ("sum of squares, scale", "scale = k + alpha * _energy(a[p], b[p], c[p], d[p], e[p])"),
        ("scale ** beta, y", "y[p] = x_i[p] * _powers(scale, beta)[0]"),
        ("sum of squares, scale", "scale[p] += alpha * (x_j[p] * x_j[p])"),
        ("scale ** beta, y", "y[p] = x_i[p] * _powers(y[p], beta)[0]"),
    ],
    "cupy/local_response_norm.cu": [
        ("sum of squares, scale", "T scale = k + alpha * energy.sum(g.reach);"),
        (
            "scale ** beta, y",
            "y[(long long)c * g.pixels + p] = own.middle() * inverse_power(scale, beta);",
        ),
    ],
    "numpy/same_map_norm.py": [
        ("sum of squares, scale", "return k + alpha * _window_sum(x * x, size)"),
        ("scale ** beta, y", "y[...] = x * scale**-beta"),
    ],
    "numba/same_map_norm.py": [
        ("sum of squares", "_window_sums(frame, width, down, along, columns, scale)"),
        ("scale, scale ** beta", "scale[p] = _powers(k + alpha * scale[p], beta)[0]"),
        ("y", "y[m, i, j] = x[m, i, j] * scale[i * width + along + j]"),
    ],
    "cupy/same_map_norm.cu": [
        (
            "sum of squares, scale",
            "T scale = k + alpha * window_sum<T, true>(x_map, p, window);",
        ),
        (
            "scale ** beta, y",
            "y[map * window.height * window.width + p] = x_map[p] * inverse_power(scale, beta);",
        ),
    ],
    "numpy/batch_norm.py": [
        (
            "mean, sqrt(variance + eps), x normalised",
            "return (x - _maps(mean)) / np.sqrt(_maps(variance) + eps)",
        ),
        (
            "w, b, y",
            "y[...] = _maps(weight) * _normalised(x, mean, variance, eps) + _maps(bias)",
        ),
    ],
    "numba/batch_norm.py": [
        (
            "sqrt(variance + eps), w",
            "factor = x.dtype.type(weight[c] / math.sqrt(variance[c] + eps))",
        ),
        ("mean, b, y", "y[p] = (x[p] - mean) * factor + bias"),
    ],
    "cupy/batch_norm.cu": [
        (
            "sqrt(variance + eps), w",
            "T factor = weight[c] / sqrt(variance[c] + eps), centre = mean[c], added = bias[c];",
        ),
        (
            "mean, b, y",
            "y[map * s.pixels + p] = (x[map * s.pixels + p] - centre) * factor + added;",
        ),
    ],
    "numpy/relu.py": [("y", "np.maximum(x, 0, out=y)")],
    "numba/relu.py": [("y", "y[i] = zero if x[i] <= zero else x[i]")],
    "cupy/relu.cu": [("y", "EACH_ITEM(i) mine.at[i] = mine.at[i] <= 0 ? T(0) : mine.at[i];")],
    "numpy/tanh.py": [("y", "np.tanh(x, out=y)")],
    "numba/tanh.py": [("y", "y[i] = math.tanh(x[i])")],
    "cupy/tanh.cu": [("y", "EACH_ITEM(i) mine.at[i] = tanh(mine.at[i]);")],
}


def kernel_sources(kinds: Iterable[str]) -> dict[str, dict[str, dict]]:
    """{kind: {file: {"text": the source, "marks": [[number of a line, its steps], ...]}}}: of each
    kind of layer the reference in NumPy, the loops in Numba and the CUDA kernel; where cuBLAS makes
    the products also the file that calls it. A kind without a kernel has no files."""
    return {kind: _files(KERNELS[kind]) for kind in sorted(kinds) if kind in KERNELS}


def _files(stem):
    names = [f"numpy/{stem}.py", f"numba/{stem}.py", f"cupy/{stem}.py", f"cupy/{stem}.cu"]
    return {name: _marked(name) for name in names if name in MARKS}


def _marked(name):
    text = (FOLDER / name).read_text()
    lines = [line.strip() for line in text.splitlines()]
    once = all(lines.count(line) == 1 for _, line in MARKS[name])
    marks = [[lines.index(line) + 1, steps] for steps, line in MARKS[name]] if once else []
    return {"text": text, "marks": marks}
