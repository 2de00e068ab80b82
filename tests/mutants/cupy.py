"""Mistakes in the CUDA kernels and their launches: file -> (the mistake in words, old text, new
text).

The tests run them on the processor (tests/gpu_on_cpu/host_gpu.py).
"""

CUPY = {
    "conv2d.cu": [
        (
            "the stride of rows for columns",
            "p % g.out_columns * g.column_stride",
            "p % g.out_columns * g.row_stride",
        ),
        ("a missing bound: rows below the map", "0 <= row && row < g.height && 0", "0 <= row && 0"),
        ("columns of one image over another's", "column += images * pixels", "column += pixels"),
        ("outputs below the last one", "if (i >= g.out_rows) continue;", ""),
        ("outputs right of the last one", "if (j >= g.out_columns) continue;", ""),
        (
            "rows and columns of a cell exchanged",
            "u * g.kernel_columns + v",
            "v * g.kernel_columns + u",
        ),
        (
            "images and channels exchanged, gathering",
            "map % channels * images + map / channels",
            "map / channels * images + map % channels",
        ),
        ("the first output's bias for all", "bias ? bias[o]", "bias ? bias[0]"),
    ],
    "conv2d.py": [
        ("the weight's gradient of the last chunk only", "add=images.start > 0", "add=False"),
        (
            "rows and columns of the padding exchanged",
            "row_padding=padding[0], column_padding=padding[1]",
            "row_padding=padding[1], column_padding=padding[0]",
        ),
        ("the last images left out", "range(0, len(x), count)", "range(0, len(x) - 1, count)"),
        (
            "kernels not transposed, backward",
            "weights.transpose(0, 2, 1), dproduct",
            "weights.reshape(groups, -1, weights.shape[1]), dproduct",
        ),
    ],
    "winograd.cu": [
        (
            "tiles a pixel too near",
            "in_map / s.across * m - s.row_padding",
            "in_map / s.across * (m - 1) - s.row_padding",
        ),
        (
            "a missing bound: columns right of the map",
            "0 <= column && column < s.width;",
            "0 <= column;",
        ),
        (
            "outputs over the map's edge",
            "if (row < s.height && column < s.width)",
            "if (row < s.height)",
        ),
        ("kernels not turned", "turned ? K * K - 1 - place : place", "place"),
        ("a wrong number in B", "4 * d0 - 5 * d2 + d4", "4 * d0 - 4 * d2 + d4"),
        ("no denominators", "a[step] *= -T(1) / 6;", ""),
        ("the first output's bias for all", "bias ? bias[o]", "bias ? bias[0]"),
    ],
    "winograd.py": [
        ("the weight's gradient of the last chunk only", "add=images.start > 0", "add=False"),
        (
            "rows and columns of the padding exchanged, backward",
            "(reach - padding[0], reach - padding[1])",
            "(reach - padding[1], reach - padding[0])",
        ),
        ("tiles of the last column left out", "-(-y.shape[3] // m)", "y.shape[3] // m"),
    ],
    "linear.cu": [
        ("one output left over", "o < outputs) dbias", "o < outputs - 1) dbias"),
        ("half of the rows of threads not added", "rows = blockDim.y / 2", "rows = blockDim.y / 4"),
        ("the bias set, not added", "outputs + o] += bias[o]", "outputs + o] = bias[o]"),
        ("a barrier left out", "sums[mine] = sum;\n    __syncthreads();", "sums[mine] = sum;"),
    ],
    "linear.py": [
        (
            "the weight not transposed, backward",
            "gpu.product(dy[None], weight[None]",
            "gpu.product(dy[None], weight.T[None]",
        ),
    ],
    "max_pool2d.cu": [
        ("NaN loses", "candidate > largest || isnan(candidate)", "candidate > largest"),
        ("the last of equal ones", "candidate > largest ||", "candidate >= largest ||"),
        (
            "a window a row too short",
            "min(first_row + s.window_rows, s.height)",
            "min(first_row + s.window_rows - 1, s.height)",
        ),
        (
            "a missing bound: windows over the map's edge",
            "min(first_column + s.window_columns, s.width)",
            "first_column + s.window_columns",
        ),
    ],
    "avg_pool2d.cu": [
        ("cells over the padded edge counted", "min(window, size + padding - first)", "window"),
        (
            "rows and columns of the stride exchanged",
            "p % s.out_columns * s.column_stride",
            "p % s.out_columns * s.row_stride",
        ),
        ("not divided", "sum / T(rows * columns)", "sum"),
    ],
    "device/windows.cuh": [
        ("a window forgotten", "(cell - window) / stride + 1", "(cell - window) / stride + 2"),
        ("windows beyond the last", "min(cell / stride + 1, windows)", "cell / stride + 1"),
        (
            "the last window forgotten",
            "min(cell / stride + 1, windows)",
            "min(cell / stride, windows)",
        ),
    ],
    "adaptive_avg_pool2d.cu": [
        (
            "windows rounded down at their end",
            "((i + 1) * size + out_size - 1) / out_size",
            "(i + 1) * size / out_size",
        ),
        (
            "rows and columns exchanged",
            "touched(p / s.out_columns, s.height, s.out_rows)",
            "touched(p / s.out_columns, s.width, s.out_rows)",
        ),
        (
            "not divided, backward",
            "sum += dy_map[i * s.out_columns + j] / T(cells)",
            "sum += dy_map[i * s.out_columns + j]",
        ),
    ],
    "local_response_norm.cu": [
        (
            "a window a channel too narrow",
            "REACH - reach <= i && i <= REACH + reach",
            "REACH - reach < i && i <= REACH + reach",
        ),
        ("as wide as the registers", "if (REACH - reach <= i && i <= REACH + reach) sum", "sum"),
        ("alpha forgotten, backward", "2 * alpha * beta * value", "2 * beta * value"),
        ("one root too few", "return root * sqrt(root);", "return root;"),
        ("the power of the scale", "own.middle() * power / scale", "own.middle() * power"),
        ("channels below the tile", "if (b < first) continue;", ""),
    ],
    "local_response_norm.py": [
        ("a window over the tower's edge", "(channels=channels,", "(channels=channels * groups,"),
        ("the last channels left out", "-(-channels // TILE)", "max(1, channels // TILE)"),
    ],
    "batch_norm.cu": [
        ("the variance not centred", "T number = x[at] - centre;", "T number = x[at];"),
        ("xhat's part forgotten, backward", "- (x[at] - centre) * through_variance", ""),
        (
            "not divided by the deviation",
            "sum_of_products / sqrt(variance[c] + eps)",
            "sum_of_products",
        ),
    ],
    "device/sums.cu": [
        (
            "another channel's part",
            "blockIdx.x / s.parts, i = blockIdx.x % s.parts",
            "0, i = blockIdx.x % s.parts",
        ),
        ("not divided", "sum / T(divisor)", "sum"),
        ("the first channel's parts for all", "partial[blockIdx.x * parts + i]", "partial[i]"),
    ],
    "device/sums.cuh": [
        (
            "images of other parts",
            "threadIdx.x / s.lanes * s.parts; n < s.images",
            "threadIdx.x / s.lanes; n < s.images",
        ),
        (
            "the next channel's pixels too",
            "(n * s.channels + c + 1) * s.pixels",
            "(n * s.channels + c + 2) * s.pixels",
        ),
        (
            "half of the threads not added",
            "distance = blockDim.x / 2",
            "distance = blockDim.x / 4",
        ),
        (
            "a barrier left out",
            "numbers[threadIdx.x] = number;\n    __syncthreads();",
            "numbers[threadIdx.x] = number;",
        ),
    ],
    "device/elements.cuh": [
        ("the tail left out", "< count) y[MY_ELEMENT(item)]", "< count - 1) y[MY_ELEMENT(item)]"),
        ("a missing bound", "if (MY_ELEMENT(item) < count) mine", "mine"),
        (
            "the pixels of a block's second row of blocks",
            "p = blockIdx.y * blockDim.x + threadIdx.x",
            "p = threadIdx.x",
        ),
    ],
    "relu.cu": [
        ("NaN healed", "mine.at[i] <= 0 ? T(0) : mine.at[i]", "mine.at[i] > 0 ? mine.at[i] : T(0)"),
        (
            "NaN lets nothing through, backward",
            "out.at[i] <= 0 ? T(0) : mine.at[i]",
            "out.at[i] > 0 ? mine.at[i] : T(0)",
        ),
        ("the gradient everywhere", "out.at[i] <= 0 ? T(0) : mine.at[i]", "mine.at[i]"),
    ],
    "tanh.cu": [
        ("not squared", "1 - out.at[i] * out.at[i]", "1 - out.at[i]"),
        ("the sign", "1 - out.at[i] * out.at[i]", "1 + out.at[i] * out.at[i]"),
        ("nothing done", "mine.at[i] = tanh(mine.at[i]);", ""),
    ],
    "dropout.cu": [
        ("another stream", "unsigned(stream)}}", "unsigned(stream + 1)}}"),
        ("drops what it should keep", ">= threshold ?", "< threshold ?"),
        (
            "a dropped NaN healed",
            "x[i] * (bits.at[word] >= threshold ? kept_scale : T(0))",
            "bits.at[word] >= threshold ? x[i] * kept_scale : T(0)",
        ),
        ("a missing bound", "if (i < count) y[i]", "y[i]"),
    ],
    "device/philox.cuh": [
        ("nine rounds", "round < 10", "round < 9"),
        ("the keys exchanged", "high_1 ^ c.at[1] ^ key_0", "high_1 ^ c.at[1] ^ key_1"),
    ],
    "dropout.py": [
        ("the upper half of the seed left out", "seed >> 32", "0"),
    ],
    "softmax_cross_entropy.cu": [
        (
            "the largest logit not subtracted",
            "y[c] = exp(z[c] - *largest) / total",
            "y[c] = exp(z[c]) / total",
        ),
        (
            "the sum of half the threads",
            "distance = blockDim.x / 2; distance > 0",
            "distance = blockDim.x / 4; distance > 0",
        ),
        ("not divided by the images", "*dloss / images", "*dloss"),
        ("the label left out", "(probabilities[row + c] - (c == label))", "probabilities[row + c]"),
        ("another image's label", "labels[blockIdx.x]] - largest", "labels[0]] - largest"),
        (
            "the sum left out, backward",
            "y[row + c] * (dy[row + c] - sum)",
            "y[row + c] * dy[row + c]",
        ),
    ],
    "sgd.cu": [
        ("no decay", "slope[item] + weight_decay * weight[item]", "slope[item]"),
        ("the rate twice", "(PAPER ? velocity[item] :", "(PAPER ? rate * velocity[item] :"),
        ("an array's last block", "ends.of[array - 1] : 0", "ends.of[array - 1] - 1 : 0"),
        ("the sign", "PAPER ? -rate * step", "PAPER ? rate * step"),
    ],
}
