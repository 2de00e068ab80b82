"""Mistakes in the reference kernels: file -> (the mistake in words, old text, new text)."""

NUMPY = {
    "conv2d.py": [
        (
            "rows and columns of the padding exchanged",
            "(padding[0], padding[0]), (padding[1], padding[1])",
            "(padding[1], padding[1]), (padding[0], padding[0])",
        ),
        (
            "overlapping patches not summed",
            "padded[:, rows, cols] += columns[:, u, v]",
            "padded[:, rows, cols] = columns[:, u, v]",
        ),
        ("one bias for all channels", "y += bias[:, None, None]", "y += bias[0]"),
        (
            "the weight's gradient from the last image only",
            "dweight_matrix += _per_group",
            "dweight_matrix[...] = _per_group",
        ),
        (
            "the towers exchanged in backward",
            "weight_matrix.transpose(0, 2, 1)",
            "weight_matrix[::-1].transpose(0, 2, 1)",
        ),
        ("a mean in place of a sum", "dy.sum(axis=(0, 2, 3)", "dy.mean(axis=(0, 2, 3)"),
    ],
    "winograd.py": [
        (
            "at infinity the constant coefficient instead of the leading one",
            "np.eye(count)[-1:]",
            "np.eye(count)[:1]",
        ),
        ("no denominators", "_evaluate(kernel) / denominators[:, None]", "_evaluate(kernel)"),
        ("the coefficients in reverse order", "np.poly(roots)[::-1]", "np.poly(roots)"),
        (
            "rows and columns of the padding exchanged",
            "padding[1] : padding[1] + width] = image",
            "padding[0] : padding[0] + width] = image",
        ),
        ("one bias for all channels", "y += bias[:, None, None]", "y += bias[0]"),
        (
            "the weight's gradient from the last image only",
            "dU += dM @ V.swapaxes(3, 4)",
            "dU = dM @ V.swapaxes(3, 4)",
        ),
        (
            "the towers exchanged in backward",
            "U.swapaxes(3, 4) @ dM",
            "U[:, :, ::-1].swapaxes(3, 4) @ dM",
        ),
        (
            "the last tiles left out",
            "step, -(-y.shape[2] // step),",
            "step, max(1, y.shape[2] // step),",
        ),
        (
            "a lost NaN",
            "padding[1] + width] = image",
            "padding[1] + width] = np.nan_to_num(image)",
        ),
    ],
    "linear.py": [
        ("no bias", "        y += bias\n", "        y += 0\n"),
        (
            "the gradient divided by the batch size again",
            "np.matmul(dy.T, x, out=dweight)",
            "np.matmul(dy.T, x / len(x), out=dweight)",
        ),
        ("a mean in place of a sum", "dy.sum(axis=0", "dy.mean(axis=0"),
        ("a lost NaN", "np.matmul(x, weight.T", "np.matmul(np.nan_to_num(x), weight.T"),
    ],
    "max_pool2d.py": [
        ("padding counts as 0", "constant_values=-np.inf", "constant_values=0"),
        ("a lost NaN", "(candidate > y) | np.isnan(candidate)", "candidate > y"),
        ("ties go to the last", "(candidate > y)", "(candidate >= y)"),
        (
            "overlapping windows not summed",
            "np.add.at(dx_maps, (np.arange(maps)[:, None], switch_maps), dy.reshape(maps, -1))",
            "dx_maps[np.arange(maps)[:, None], switch_maps] = dy.reshape(maps, -1)",
        ),
        (
            "the stride of the other axis",
            "np.arange(out_columns) * stride[1]",
            "np.arange(out_columns) * stride[0]",
        ),
    ],
    "avg_pool2d.py": [
        (
            "a window beyond the edge divided by all its cells",
            "total / _cells(x, window, stride, padding, count_include_pad, y)",
            "total / (window[0] * window[1])",
        ),
        (
            "a missing 1 / n",
            "share = dy / _cells(dx, window, stride, padding, count_include_pad, dy)",
            "share = dy",
        ),
        ("padding not counted", "size + padding[axis])", "size)"),
        ("padding always counted", "if not count_include_pad:", "if False:"),
        ("overlapping windows not summed", "stride, dy)] += share", "stride, dy)] = share"),
    ],
    "adaptive_avg_pool2d.py": [
        (
            "the window's end rounded down",
            "-(-(i + 1) * size // out_size)",
            "max((i + 1) * size // out_size, i * size // out_size + 1)",
        ),
        ("overlapping windows not summed", "rows, columns] += dy", "rows, columns] = dy"),
        ("a missing 1 / n", "None, None] / cells", "None, None]"),
    ],
    "local_response_norm.py": [
        ("a window too wide", "range(1, min(size // 2,", "range(1, min(size // 2 + 1,"),
        ("a one-sided window", "+= grouped[:, :, distance:]", "+= 0 * grouped[:, :, distance:]"),
        ("a window that crosses the towers", "groups, a.shape[1] // groups,", "1, a.shape[1],"),
        ("a missing 2", "- 2 * alpha * beta", "- alpha * beta"),
        ("k always 1", "return k + alpha", "return 1 + alpha"),
        ("a lost NaN", "= x * scale**-beta", "= np.nan_to_num(x * scale**-beta)"),
    ],
    "same_map_norm.py": [
        ("a window too wide", "range(1, min(size // 2,", "range(1, min(size // 2 + 1,"),
        ("a one-sided window", "+= a[distance:]", "+= 0 * a[distance:]"),
        ("the rows left out", "_sum_along(_sum_along(a, size, axis=2), ", "_sum_along(a, "),
        ("a missing 2", "- 2 * alpha * beta", "- alpha * beta"),
        ("k always 1", "return k + alpha", "return 1 + alpha"),
        ("a lost NaN", "= x * scale**-beta", "= np.nan_to_num(x * scale**-beta)"),
    ],
    "batch_norm.py": [
        ("the second moment in place of the variance", "(x - _maps(mean)) ** 2", "x**2"),
        ("no eps", "np.sqrt(_maps(variance) + eps)", "np.sqrt(_maps(variance))"),
        ("a missing 1 / n", "_maps(dbias) / count +", "_maps(dbias) +"),
        ("the variance treated as a constant", " + xhat * _maps(dweight) / count", ""),
    ],
    "relu.py": [
        ("a lost NaN", "np.maximum(x, 0", "np.fmax(x, 0"),
        ("a lost NaN in backward", "np.where(y <= 0, 0, dy)", "np.where(y > 0, dy, 0)"),
        ("a gradient for negative inputs", "np.where(y <= 0, 0, dy)", "dy"),
    ],
    "tanh.py": [
        ("a missing square", "(1 - y * y)", "(1 - y)"),
        ("another function", "np.tanh(x", "np.arctan(x"),
        ("a lost NaN", "np.tanh(x,", "np.tanh(np.nan_to_num(x),"),
    ],
    "dropout.py": [
        ("kept and dropped elements exchanged", "bits >= np", "bits < np"),
        ("the random numbers of another stream", "stream=random.DROPOUT", "stream=random.WEIGHTS"),
        ("kept elements not scaled", "x.dtype.type(kept_scale)", "x.dtype.type(1)"),
        ("every row with the first row's mask", "first + n * stride\n", "first\n"),
        (
            "a lost NaN",
            "np.multiply(x, mask.reshape(x.shape), out=y)",
            "np.copyto(y, np.where(mask.reshape(x.shape) == 0, 0, x * mask.reshape(x.shape)))",
        ),
    ],
    "softmax_cross_entropy.py": [
        ("an overflow", "np.exp(logits - logits.max(axis=1, keepdims=True)", "np.exp(logits"),
        ("a missing 1 / n", "dlogits *= dloss / len(labels)", "dlogits *= dloss"),
        ("1 not subtracted from the label's probability", "labels] -= 1", "labels] -= 0"),
        (
            "a sum over the batch instead of the classes",
            "y * (dy - (dy * y).sum(axis=1",
            "y * (dy - (dy * y).sum(axis=0",
        ),
        (
            "the largest logit not subtracted from the label's logit",
            "- shifted[np.arange",
            "- logits[np.arange",
        ),
    ],
    "sgd.py": [
        (
            "weight decay not scaled by the rate",
            "lr * (gradient + weight_decay * weight)",
            "(lr * gradient + weight_decay * weight)",
        ),
        (
            "no weight decay",
            "velocity += gradient + weight_decay * weight",
            "velocity += gradient",
        ),
        ("a step uphill", "weight += velocity", "weight -= velocity"),
        (
            "the gradient used instead of the velocity",
            "weight -= lr * velocity",
            "weight -= lr * gradient",
        ),
    ],
}
