"""Mistakes in the CUDA kernels and launches: file -> (the mistake in words, old text, new text).

The tests run the kernels on the processor (tests/gpu_on_cpu/host_gpu.py).
"""

CUPY = {
    "conv2d.cu": [
        (
            "the row stride used for columns",
            "p % g.out_columns * g.column_stride",
            "p % g.out_columns * g.row_stride",
        ),
        ("a missing bound: rows below the map", "0 <= row && row < g.height && 0", "0 <= row && 0"),
        (
            "an image's columns written over another image's",
            "column += images * pixels",
            "column += pixels",
        ),
        ("outputs below the last row", "if (i >= g.out_rows) continue;", ""),
        ("outputs right of the last column", "if (j >= g.out_columns) continue;", ""),
        (
            "rows and columns of a cell exchanged",
            "u * g.kernel_columns + v",
            "v * g.kernel_columns + u",
        ),
        (
            "images and channels exchanged in the gathering kernel",
            "map % channels * images + map / channels",
            "map / channels * images + map % channels",
        ),
        ("the first output's bias for all outputs", "bias ? bias[o]", "bias ? bias[0]"),
    ],
    "conv2d.py": [
        ("the weight's gradient from the last chunk only", "add=images.start > 0", "add=False"),
        (
            "rows and columns of the padding exchanged",
            "row_padding=padding[0], column_padding=padding[1]",
            "row_padding=padding[1], column_padding=padding[0]",
        ),
        ("the last images left out", "range(0, len(x), count)", "range(0, len(x) - 1, count)"),
        (
            "kernels not transposed in backward",
            "weights.transpose(0, 2, 1), dproduct",
            "weights.reshape(groups, -1, weights.shape[1]), dproduct",
        ),
    ],
    "winograd.cu": [
        (
            "tiles one pixel too close together",
            "in_map / s.across * m - s.row_padding",
            "in_map / s.across * (m - 1) - s.row_padding",
        ),
        (
            "a missing bound: columns right of the map",
            "0 <= column && column < s.width;",
            "0 <= column;",
        ),
        (
            "outputs beyond the map's edge",
            "if (row < s.height && column < s.width)",
            "if (row < s.height)",
        ),
        ("kernels not rotated", "turned ? K * K - 1 - place : place", "place"),
        ("a wrong coefficient in B", "4 * d0 - 5 * d2 + d4", "4 * d0 - 4 * d2 + d4"),
        ("no denominators", "a[step] *= -T(1) / 6;", ""),
        ("the first output's bias for all outputs", "bias ? bias[o]", "bias ? bias[0]"),
    ],
    "winograd.py": [
        ("the weight's gradient from the last chunk only", "add=images.start > 0", "add=False"),
        (
            "rows and columns of the padding exchanged in backward",
            "(reach - padding[0], reach - padding[1])",
            "(reach - padding[1], reach - padding[0])",
        ),
        ("tiles of the last column left out", "-(-y.shape[3] // m)", "y.shape[3] // m"),
    ],
    "linear.cu": [
        ("one output left out", "o < outputs) dbias", "o < outputs - 1) dbias"),
        ("half of the rows of threads not added", "rows = blockDim.y / 2", "rows = blockDim.y / 4"),
        ("the product replaced by the bias", "outputs + o] += bias[o]", "outputs + o] = bias[o]"),
        (
            "a missing barrier",
            "sums[mine] = sum.value();\n    __syncthreads();",
            "sums[mine] = sum.value();",
        ),
    ],
    "linear.py": [
        (
            "the weight not transposed in backward",
            "gpu.product(dy[None], weight[None]",
            "gpu.product(dy[None], weight.T[None]",
        ),
    ],
    "max_pool2d.cu": [
        ("a lost NaN", "candidate > largest || isnan(candidate)", "candidate > largest"),
        ("ties go to the last", "candidate > largest ||", "candidate >= largest ||"),
        (
            "a window one row too short",
            "min(first_row + s.window_rows, s.height)",
            "min(first_row + s.window_rows - 1, s.height)",
        ),
        (
            "a missing bound: windows beyond the map's edge",
            "min(first_column + s.window_columns, s.width)",
            "first_column + s.window_columns",
        ),
    ],
    "avg_pool2d.cu": [
        (
            "cells beyond the padded edge counted",
            "min(start + window, size + padding)",
            "start + window",
        ),
        ("padding always counted", "stop - start : end - first", "stop - start : stop - start"),
        (
            "rows and columns of the stride exchanged",
            "p % s.out_columns, s.window_columns, s.column_stride",
            "p % s.out_columns, s.window_columns, s.row_stride",
        ),
        ("the sum not divided", "sum.value() / T(rows.cells * columns.cells)", "sum.value()"),
    ],
    "device/windows.cuh": [
        ("a window left out", "(cell - window) / stride + 1", "(cell - window) / stride + 2"),
        ("windows beyond the last one", "min(cell / stride + 1, windows)", "cell / stride + 1"),
        (
            "the last window left out",
            "min(cell / stride + 1, windows)",
            "min(cell / stride, windows)",
        ),
    ],
    "adaptive_avg_pool2d.cu": [
        (
            "the window's end rounded down",
            "((i + 1) * size + out_size - 1) / out_size",
            "(i + 1) * size / out_size",
        ),
        (
            "rows and columns exchanged",
            "touched(p / s.out_columns, s.height, s.out_rows)",
            "touched(p / s.out_columns, s.width, s.out_rows)",
        ),
        (
            "the gradient not divided",
            "sum += dy_map[i * s.out_columns + j] / T(cells)",
            "sum += dy_map[i * s.out_columns + j]",
        ),
    ],
    "local_response_norm.cu": [
        (
            "a window one channel too narrow",
            "REACH - reach <= i && i <= REACH + reach",
            "REACH - reach < i && i <= REACH + reach",
        ),
        (
            "a window as wide as the registers",
            "if (REACH - reach <= i && i <= REACH + reach) sum",
            "sum",
        ),
        ("alpha left out in backward", "2 * alpha * beta * value", "2 * beta * value"),
        (
            "the power not divided by the scale",
            "own.middle() * power / scale",
            "own.middle() * power",
        ),
        ("channels below the tile not skipped", "if (b < first) continue;", ""),
    ],
    "local_response_norm.py": [
        ("a window across the tower's edge", "(channels=channels,", "(channels=channels * groups,"),
        ("the last channels left out", "-(-channels // TILE)", "max(1, channels // TILE)"),
    ],
    "same_map_norm.cu": [
        (
            "a window too wide",
            "i + window.reach + 1, window.height",
            "i + window.reach + 2, window.height",
        ),
        (
            "rows and columns exchanged",
            "min(j + window.reach + 1, window.width)",
            "min(j + window.reach + 1, window.height)",
        ),
        ("the sum in place of the sum of squares", "SQUARES ? number * number : number", "number"),
        (
            "k always 1 in backward",
            "T scale = k + alpha * window_sum<T, true>(x + start",
            "T scale = 1 + alpha * window_sum<T, true>(x + start",
        ),
        ("alpha left out in backward", "2 * alpha * beta", "2 * beta"),
        (
            "the power not divided by the scale",
            "slope * x[start + p] / scale",
            "slope * x[start + p]",
        ),
        ("the first term lost", "dx[start + p] -= ", "dx[start + p] = -"),
    ],
    "same_map_norm.py": [
        ("a window of its size", "min(size // 2,", "min(size,"),
        (
            "the first image's maps only",
            "    return images * channels, maps",
            "    return channels, maps",
        ),
    ],
    "device/powers.cuh": [
        ("one square root too few", "return root * sqrt(root);", "return root;"),
        ("always 0.75", "return pow(scale, -beta);", "return pow(scale, T(-0.75));"),
    ],
    "batch_norm.cu": [
        (
            "the variance without subtracting the mean",
            "T number = x[at] - centre;",
            "T number = x[at];",
        ),
        ("the gradient through xhat left out", "- (x[at] - centre) * through_variance", ""),
        (
            "not divided by the standard deviation",
            "sum_of_products / sqrt(variance[c] + eps)",
            "sum_of_products",
        ),
    ],
    "device/sums.cu": [
        (
            "the first channel's part for all channels",
            "blockIdx.x / s.parts, i = blockIdx.x % s.parts",
            "0, i = blockIdx.x % s.parts",
        ),
        ("the sum not divided", "sum / T(divisor)", "sum"),
        (
            "the first channel's partial sums for all channels",
            "partial[blockIdx.x * parts + i]",
            "partial[i]",
        ),
    ],
    "device/sums.cuh": [
        (
            "images of other parts added",
            "threadIdx.x / s.lanes * s.parts; n < s.images",
            "threadIdx.x / s.lanes; n < s.images",
        ),
        (
            "the last numbers of a long sum lost",
            "return T(total + part)",
            "return total > 0 ? T(total) : part",
        ),
        (
            "the next channel's pixels added",
            "(n * s.channels + c + 1) * s.pixels",
            "(n * s.channels + c + 2) * s.pixels",
        ),
        (
            "half of the threads not added",
            "distance = blockDim.x / 2",
            "distance = blockDim.x / 4",
        ),
        (
            "a missing barrier",
            "numbers[threadIdx.x] = number;\n    __syncthreads();",
            "numbers[threadIdx.x] = number;",
        ),
    ],
    "device/elements.cuh": [
        (
            "the last element left out",
            "< count) y[MY_ELEMENT(item)]",
            "< count - 1) y[MY_ELEMENT(item)]",
        ),
        ("a missing bound", "if (MY_ELEMENT(item) < count) mine", "mine"),
        (
            "the pixel's number without the block's row",
            "p = blockIdx.y * blockDim.x + threadIdx.x",
            "p = threadIdx.x",
        ),
    ],
    "relu.cu": [
        ("a lost NaN", "mine.at[i] <= 0 ? T(0) : mine.at[i]", "mine.at[i] > 0 ? mine.at[i] : T(0)"),
        (
            "no gradient through NaN",
            "out.at[i] <= 0 ? T(0) : mine.at[i]",
            "out.at[i] > 0 ? mine.at[i] : T(0)",
        ),
        ("a gradient for negative inputs", "out.at[i] <= 0 ? T(0) : mine.at[i]", "mine.at[i]"),
    ],
    "tanh.cu": [
        ("a missing square", "1 - out.at[i] * out.at[i]", "1 - out.at[i]"),
        ("a wrong sign", "1 - out.at[i] * out.at[i]", "1 + out.at[i] * out.at[i]"),
        ("the input returned", "mine.at[i] = tanh(mine.at[i]);", ""),
    ],
    "dropout.cu": [
        ("the random numbers of another stream", "unsigned(stream)}}", "unsigned(stream + 1)}}"),
        ("kept and dropped elements exchanged", ">= threshold ?", "< threshold ?"),
        (
            "a dropped NaN lost",
            "x[i] * (bits.at[word] >= threshold ? kept_scale : T(0))",
            "bits.at[word] >= threshold ? x[i] * kept_scale : T(0)",
        ),
        ("a missing upper bound", "if (0 <= j && j < row)", "if (0 <= j)"),
        ("a missing lower bound", "if (0 <= j && j < row)", "if (j < row)"),
        ("every row with the first row's mask", "first + n * stride;", "first;"),
        ("one row a block", "n += gridDim.y", "n += rows"),
    ],
    "device/philox.cuh": [
        ("one round too few", "round < 10", "round < 9"),
        ("the wrong key for a word", "high_1 ^ c.at[1] ^ key_0", "high_1 ^ c.at[1] ^ key_1"),
    ],
    "dropout.py": [
        ("the upper half of the seed left out", "seed >> 32", "0"),
        ("a block too few for a row", "(row + 6) // 4", "(row + 3) // 4"),
    ],
    "softmax_cross_entropy.cu": [
        (
            "the largest logit not subtracted",
            "y[c] = exp(z[c] - *largest) / total",
            "y[c] = exp(z[c]) / total",
        ),
        (
            "half of the threads not added",
            "distance = blockDim.x / 2; distance > 0",
            "distance = blockDim.x / 4; distance > 0",
        ),
        ("not divided by the number of images", "*dloss / images", "*dloss"),
        (
            "1 not subtracted from the label's probability",
            "(probabilities[row + c] - (c == label))",
            "probabilities[row + c]",
        ),
        (
            "the first image's label for all images",
            "labels[blockIdx.x]] - largest",
            "labels[0]] - largest",
        ),
        (
            "the sum left out in backward",
            "y[row + c] * (dy[row + c] - sum)",
            "y[row + c] * dy[row + c]",
        ),
    ],
    "sgd.cu": [
        ("no weight decay", "slope[item] + weight_decay * weight[item]", "slope[item]"),
        ("the rate applied twice", "(PAPER ? velocity[item] :", "(PAPER ? rate * velocity[item] :"),
        (
            "an array's blocks counted from 1",
            "ends.of[array - 1] : 0",
            "ends.of[array - 1] - 1 : 0",
        ),
        ("a wrong sign", "PAPER ? -rate * step", "PAPER ? rate * step"),
    ],
}
