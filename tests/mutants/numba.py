"""Mistakes in the Numba kernels: file -> (the mistake in words, old text, new text)."""

NUMBA = {
    "conv2d.py": [
        (
            "phases and the rows of a phase exchanged",
            "(u % phases * height + u // phases)",
            "(u // phases * height + u % phases)",
        ),
        (
            "overlapping patches not summed",
            "q, start + j] += columns",
            "q, start + j] = columns",
        ),
        (
            "rows and columns of the padding exchanged",
            "x.shape[2] + 2 * padding[0]",
            "x.shape[2] + 2 * padding[1]",
        ),
        (
            "the first tower's weights for all towers in backward",
            "product(weights[g, u].T, dy",
            "product(weights[0, u].T, dy",
        ),
        (
            "the weight's gradient from the last images only",
            "columns_u.T, 1, dweights[g, u])",
            "columns_u.T, 0, dweights[g, u])",
        ),
        (
            "the places of missing images not cleared",
            "        if images < beside:",
            "        if images > beside:",
        ),
        ("one thread's share left out", "range(1, len(sums))", "range(2, len(sums))"),
        ("the first tower's channels for all towers, with few images", "part // parts *", "0 *"),
        (
            "the first outputs' biases for all outputs, with few images",
            "bias[o : o + outputs]",
            "bias[:outputs]",
        ),
        ("the last output's weights not copied", "range(first, last)", "range(first, last - 1)"),
        ("one bias for all channels", "= bias[first + o]", "= bias[first]"),
        (
            "the first part's columns for every part of a product",
            "columns, u, i, j)",
            "columns, u, 0, j - i)",
        ),
    ],
    "winograd.py": [
        (
            "rows and columns of the padding exchanged in backward",
            "(reach - padding[0], reach - padding[1])",
            "(reach - padding[1], reach - padding[0])",
        ),
        ("kernels not rotated", "[..., ::-1, ::-1]", "[..., :, :]"),
        ("the first tower's bias for all towers", "bias[number]", "bias[o]"),
        (
            "the weight's gradient from the last block only",
            "V[:, i:j].T, 1, dU[g, p])",
            "V[:, i:j].T, 0, dU[g, p])",
        ),
        (
            "the borders around the images not cleared",
            "    frames[...] = 0\n",
            "    frames[0, 0, 0, 0] = 0\n",
        ),
        (
            "a wrong coefficient in B",
            "v0[i] = four * d0[i] - five * d2[i]",
            "v0[i] = four * d0[i] - four * d2[i]",
        ),
        (
            "tiles that overlap too much",
            "strip % down * m\n        _B_columns",
            "strip % down\n        _B_columns",
        ),
    ],
    "winograd_weights.py": [
        ("one thread's share left out", "range(len(dU))", "range(1)"),
        ("columns of G instead of rows", "half[i, 0, c] * G[j, 0]", "half[i, 0, c] * G[i, 0]"),
        (
            "the inverse transform not transposed",
            "dU[share, g, points * i + j, o]",
            "dU[share, g, points * j + i, o]",
        ),
    ],
    "linear.py": [
        ("no bias", "        y += bias\n", "        y += 0\n"),
        (
            "a mean in place of a sum",
            "np.sum(dy[first : first + PIECE], axis=0)",
            "np.mean(dy[first : first + PIECE], axis=0)",
        ),
        ("the gradient added to old numbers", "x, 0, dweight[i:j])", "x, 1, dweight[i:j])"),
        (
            "one output left out of each share",
            "(x, weight[i:j].T, 0, y[:, i:j])",
            "(x, weight[i : j - 1].T, 0, y[:, i : j - 1])",
        ),
        ("the first image only", "image = x[n]", "image = x[0]"),
        ("an output left out with few images", "range(first, last)", "range(first, last - 1)"),
    ],
    "max_pool2d.py": [
        ("a lost NaN", "(candidate > largest) | (candidate != candidate)", "candidate > largest"),
        ("ties go to the last", "(candidate > largest)", "(candidate >= largest)"),
        (
            "the stride of the other axis",
            "j * stride[1] - padding[1]",
            "j * stride[0] - padding[1]",
        ),
        (
            "ties go to the last in eight windows at once",
            "wins = candidate > largest",
            "wins = candidate >= largest",
        ),
        ("every other NaN missed", "nans += (a != a) | (b != b)", "nans += b != b"),
        ("a NaN in the last cell missed", "nans += x[m, -1] != x[m, -1]", "nans += 0"),
        ("the last cell not copied to a strip", "strips[s, 0, pairs] = x[m, -1]", "pass"),
        (
            "rows copied to the strips too late",
            "(2 * i - padding[0] + 3)",
            "(2 * i - padding[0] + 1)",
        ),
        (
            "odd padding ignored in the choice of the strip",
            "np.uintp(odd + u * width + v)",
            "np.uintp(u * width + v)",
        ),
        (
            "windows beyond the row counted as done",
            "done = min(done + WINDOWS, after)",
            "done = done + WINDOWS",
        ),
        ("overlapping windows not summed", "dx[switches[q]] += dy[q]", "dx[switches[q]] = dy[q]"),
    ],
    "avg_pool2d.py": [
        (
            "a window beyond the edge divided by all its cells",
            "end - first if count_include_pad",
            "window if count_include_pad",
        ),
        ("padding not counted", "min(first + window, size + padding)", "min(first + window, size)"),
        ("padding always counted", "if count_include_pad else end_on_map - first_on_map", ""),
        ("a missing 1 / n", "share = dy[i, j] / dy.dtype.type(rows * columns)", "share = dy[i, j]"),
        ("overlapping windows not summed", "dx[h, w] += share", "dx[h, w] = share"),
    ],
    "adaptive_avg_pool2d.py": [
        (
            "the window's end rounded down",
            "-(-(i + 1) * size // out_size)",
            "max((i + 1) * size // out_size, i * size // out_size + 1)",
        ),
        ("overlapping windows not summed", "dx[h, w] += share", "dx[h, w] = share"),
        (
            "a missing 1 / n",
            "share = dy[i, j] / dy.dtype.type((bottom - top) * (right - left))",
            "share = dy[i, j]",
        ),
    ],
    "local_response_norm.py": [
        ("a window too wide", "min(i + reach + 1,", "min(i + reach + 2,"),
        (
            "a window that crosses the towers",
            "start_of_group = i // width * width",
            "start_of_group = 0 * width",
        ),
        ("a missing 2", "x.dtype.type(2) * alpha", "alpha"),
        ("k always 1", "scale[p] = k", "scale[p] = 1"),
        ("k always 1 with five channels", "scale = k + alpha", "scale = 1 + alpha"),
        ("one of five channels missing", "+ c * c", ""),
        ("k always 1 with five channels in backward", "_powers(k + alpha", "_powers(1 + alpha"),
        ("beta always 0.75", "if beta == 0.75:", "if beta > 0:"),
        ("a lost NaN", "alpha * (x_j[p] * x_j[p])", "alpha * max(0.0, x_j[p] * x_j[p])"),
        ("a lost NaN with five channels", "return a * a +", "return max(0.0, a * a) +"),
        ("another channel's ratio", "ratio[j % rows])\n        ready", "ratio[0])\n        ready"),
        ("one channel left out of the window's sum", "a[p] + b[p] + c[p]", "a[p] + b[p]"),
    ],
    "same_map_norm.py": [
        (
            "a window cut off before the map ends",
            "min(size // 2, x.shape[2] - 1)",
            "min(size // 2, (x.shape[2] - 1) // 2)",
        ),
        ("no columns between the rows", "(width + 2 * along) + along", "(width + along) + along"),
        ("one row too few", "_add_shifted(frame, 2 * down + 1,", "_add_shifted(frame, 2 * down,"),
        (
            "one of three left out",
            "a[p] + a[p + step] + a[p + 2 * step]\n    elif",
            "a[p] + a[p + 2 * step]\n    elif",
        ),
        ("one of five left out", "+ a[p + 3 * step]", ""),
        ("one of many left out", "range(1, count)", "range(2, count)"),
        ("a missing 2", "x.dtype.type(2) * alpha", "alpha"),
        ("k always 1", "_powers(k + alpha * scale", "_powers(1 + alpha * scale"),
        ("k always 1 in backward", "_powers(k + alpha * sums", "_powers(1 + alpha * sums"),
        ("beta always 0.75", "if beta == 0.75:", "if beta > 0:"),
        (
            "the first map for all",
            "y[m, i, j] = x[m, i, j] * scale",
            "y[m, i, j] = x[first, i, j] * scale",
        ),
        (
            "a lost NaN",
            "start + j] = x[i, j] * x[i, j]",
            "start + j] = max(0.0, x[i, j] * x[i, j])",
        ),
    ],
    "batch_norm.py": [
        (
            "the second moment in place of the variance",
            "squares += _sum_of_squares(x[n, c, p : p + PIECE], mean[c])",
            "squares += _sum_of_squares(x[n, c, p : p + PIECE], 0)",
        ),
        (
            "no eps",
            "factor = x.dtype.type(weight[c] / math.sqrt(variance[c] + eps))",
            "factor = x.dtype.type(weight[c] / math.sqrt(variance[c]))",
        ),
        ("a missing 1 / n", "type(sum_of_dy / (images * pixels))", "type(sum_of_dy)"),
        (
            "the variance treated as a constant",
            "(dy[p] - through_mean - (x[p] - mean) * through_variance)",
            "(dy[p] - through_mean)",
        ),
    ],
    "relu.py": [
        ("a lost NaN", "zero if x[i] <= zero else x[i]", "x[i] if x[i] > zero else zero"),
        (
            "a lost NaN in backward",
            "zero if y[i] <= zero else dy[i]",
            "dy[i] if y[i] > zero else zero",
        ),
        ("a gradient for negative inputs", "zero if y[i] <= zero else dy[i]", "dy[i]"),
    ],
    "tanh.py": [
        ("a missing square", "(one - y[i] * y[i])", "(one - y[i])"),
        ("another function", "math.tanh(x[i])", "math.atan(x[i])"),
        ("a lost NaN", "math.tanh(x[i])", "math.tanh(max(x.dtype.type(-50), x[i]))"),
    ],
    "dropout.py": [
        (
            "kept and dropped elements exchanged",
            "if words[word] >= threshold",
            "if words[word] < threshold",
        ),
        ("the first random word for all four elements", "words[word]", "words[0]"),
        ("one round too few", "range(10)", "range(9)"),
        ("the random numbers of another stream", "random.DROPOUT, seed", "random.WEIGHTS, seed"),
        ("every row with the first row's mask", "first + n * stride + begin", "first + begin"),
        (
            "a first number rounded to a block's",
            "block + word - first",
            "block + word - first // 4 * 4",
        ),
        (
            "a lost NaN",
            "x[i] * (kept_scale if words[word] >= threshold else dropped_scale)",
            "x[i] * kept_scale if words[word] >= threshold else dropped_scale",
        ),
    ],
    "softmax_cross_entropy.py": [
        ("an overflow", "largest = max(largest, logits[c])", "largest = min(largest, logits[c])"),
        ("a missing 1 / n", "share = dloss / probabilities.dtype.type(rows)", "share = dloss"),
        (
            "1 not subtracted from the label's probability",
            "(probabilities[n, labels[n]] - 1)",
            "probabilities[n, labels[n]]",
        ),
        (
            "the first row's sum for all rows",
            "total += dy[n, c] * y[n, c]",
            "total += dy[0, c] * y[0, c]",
        ),
    ],
    "sgd.py": [
        (
            "weight decay not scaled by the rate",
            "lr * (gradient[i] + weight_decay * weight[i])",
            "(lr * gradient[i] + weight_decay * weight[i])",
        ),
        ("no weight decay", "+ (gradient[i] + weight_decay * weight[i])", "+ gradient[i]"),
        ("a step uphill", "weight[i] += velocity[i]", "weight[i] -= velocity[i]"),
        (
            "the gradient used instead of the velocity",
            "weight[i] -= lr * velocity[i]",
            "weight[i] -= lr * gradient[i]",
        ),
    ],
}
