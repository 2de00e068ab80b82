"""Mistakes in the engine and in the ops: file -> (the tests, the mistakes).

A mistake is (the mistake in words, old text, new text), as in numpy.py.
"""

WALK = [
    f"tests/tinynet/test_{name}.py"
    for name in ("tensor", "versions", "backward", "tensor_walk", "recording", "op")
]
LAYERS = "tests/tinynet/ops/test_layers.py"

ENGINE = {
    "graph.py": (
        WALK,
        [
            (
                "the node with the lowest ticket visited first",
                "(heap, (-parent.ticket, parent))",
                "(heap, (parent.ticket, parent))",
            ),
            (
                "a gradient replaced where a second one should be added",
                "_as_ndarray(gradients[parent] + dx)",
                "dx",
            ),
            ("a gradient that two leaves share", "dx = dx.copy()\n", "pass\n"),
            ("a gradient that is not in C order", 'dx = dx.copy(order="C")', "pass"),
            ("a graph that is not freed", "node.backward = node.parents = None", "pass"),
            (
                "a second backward that replaces .grad",
                "        leaf.grad += dx\n",
                "        leaf.grad = dx\n",
            ),
            ("a gradient that is needed and missing", "if dx is None:", "if False:"),
            ("a view that has its own version", "array = array.base", "break"),
            (
                "the version of an array that died",
                "if version is None or version.owner() is not owner:",
                "if version is None:",
            ),
            ("a retained gradient that others hold", "tensor.grad = dy.copy()", "tensor.grad = dy"),
        ],
    ),
    "recording.py": (
        ["tests/tinynet/test_recording.py"],
        [
            ("no_grad that never ends", "_recording.on = self._before.pop()", "pass"),
            (
                "the generator's items recorded",
                "with no_grad():\n                        item",
                "if True:\n                        item",
            ),
        ],
    ),
    "tensor.py": (
        WALK,
        [
            (
                "changed data that do not raise the version",
                "self.shared_version().ticket = draw_ticket()",
                "pass",
            ),
            (
                "assigned data with the old version",
                "(self._node or self).version = new_version(array)",
                "pass",
            ),
            (
                "a detached tensor with its own version",
                "tensor.version = self.shared_version()",
                "tensor.version = None",
            ),
            ("the caller's array trained", "self._kernels, copy=requires_grad)", "self._kernels)"),
        ],
    ),
    "protocols.py": (
        ["tests/tinynet/test_protocols.py"],
        [
            ("a gradient that NumPy loses", "if value.requires_grad:", "if False:"),
            ("a copy of an activation", "if tensor._node is not None:", "if False:"),
            ("several numbers as one", "if tensor.size != 1:", "if False:"),
        ],
    ),
    "op.py": (
        [*WALK, "tests/tinynet/test_mixtures.py"],
        [
            ("operations recorded inside no_grad", "(not no_grad_count or is_recording())", "True"),
            ("a scalar output that is not made an array", "y = np.asarray(y)", "pass"),
            ("tensors of two backends accepted", "raise _two_backends(name, args)", "pass"),
            (
                "a constant that the caller may change",
                "kernels, copy=recording)",
                "kernels, False)",
            ),
            (
                "an input's version that is not known",
                "            a.shared_version()\n",
                "            pass\n",
            ),
        ],
    ),
    "optim.py": (
        [
            f"tests/tinynet/test_{name}.py"
            for name in ("optim", "optim_arguments", "versions", "gpu")
        ],
        [
            ("a step that does not raise the version", "parameter.raise_version()", "pass"),
            (
                "frozen parameters moved",
                "p.requires_grad and p.grad is not None",
                "p.grad is not None",
            ),
            ("velocities of the dead kept", "if p in every", "if True"),
            (
                "half a state taken over",
                "velocities[parameter] = parameter",
                "self._velocities[parameter] = parameter",
            ),
            (
                "parameters of a changed group believed",
                'group["parameters"] = _checked_parameters(group["parameters"])',
                "pass",
            ),
            (
                "a parameter moved twice",
                "self._check_each_once()\n        moves",
                "moves",
            ),
            ("the rules exchanged", 'self.rule == "paper"', 'self.rule != "paper"'),
            (
                "the first group's rate used for every group",
                "_group_rate(group, lr, moved",
                "_group_rate(self.groups[0], lr, moved",
            ),
            (
                "the rate of step(lr) ignored",
                'own = lr is None or group["own_lr"]',
                "own = True",
            ),
            (
                "an update without the rate",
                "velocity * -_group_rate(group, lr, parameter.dtype)",
                "velocity * -1.0",
            ),
            (
                "a group's scale ignored",
                "return float(lr) if scale == 1",
                "return float(lr) if True",
            ),
            (
                "a scale's product not rounded",
                "float(dtype.type(lr) * dtype.type(scale))",
                "lr * scale",
            ),
        ],
    ),
    "gradcheck.py": (
        ["tests/tinynet/test_gradcheck.py"],
        [
            ("a NaN accepted", "np.inf if np.isnan(error) else error", "error"),
            (
                "weights that let mistakes cancel",
                "generator.standard_normal(output.shape)",
                "np.ones(output.shape)",
            ),
            ("the difference divided by one step, not two", "(2 * step)", "step"),
        ],
    ),
    "nn/init.py": (
        ["tests/tinynet/test_nn_init.py"],
        [
            ("a bound of the fan-out", "fans(layer.weight)[0]", "fans(layer.weight)[1]"),
            ("layers share parameters' numbers", "random.LAYERS", "random.WEIGHTS"),
            ("biases left at 0", "(layer.weight, layer.bias)", "(layer.weight,)"),
        ],
    ),
    "random.py": (
        ["tests/tinynet/test_random.py"],
        [
            ("one round too few", "range(10)", "range(9)"),
            ("elements counted from the start of the block", "[skip : skip + count]", "[:count]"),
            ("the seed's high bits ignored", "(seed & _LOW, seed >> 32)", "(seed & _LOW, 0)"),
            ("one draw for all layers", "_state[count] = draw + 1", "pass"),
        ],
    ),
    "serialization.py": (
        ["tests/tinynet/test_serialization.py"],
        [
            ("pickles and records loaded", "if dtype.kind not in KINDS:", "if False:"),
            ("a header believed", "or size != member.file_size", ""),
            ("compressed members without a limit", "if member.file_size > largest:", "if False:"),
            ("a name that occurs twice", "if count > 1]", "if False]"),
            ("not forced to the disk", "os.fsync(file.fileno())", "pass"),
            ("the temporary file left behind", "os.unlink(temporary)", "pass"),
        ],
    ),
    "backends/host_memory.py": (
        ["tests/tinynet/backends/test_host_memory.py"],
        [
            (
                "memory handed out while a view lives",
                "weakref.finalize(array, _blocks.returned.append, block).atexit = False",
                "_blocks.returned.append(block)",
            ),
            ("memory never reused", "_blocks.returned.append, block", "id, block"),
            ("memory kept without a limit", "self.used + self.unused_bytes > to", "False"),
            ("too little memory kept for a step", "KEPT = 3", "KEPT = 1.2"),
            ("the newest block freed first", "oldest = min(", "oldest = max("),
            ("memory shared with a forked child", "mmap.MAP_PRIVATE |", "mmap.MAP_SHARED |"),
            (
                "one workspace for all keys",
                "buffers[key][:size]",
                "buffers[next(iter(buffers))][:size]",
            ),
        ],
    ),
    "nn/module.py": (
        ["tests/tinynet/test_nn.py", "tests/tinynet/test_nn_parts.py"],
        [
            ("a state that is not a copy", "np.array(tensor.numpy())", "tensor.numpy()"),
            (
                "submodules left in training mode",
                "for module in self.modules():",
                "for module in [self]:",
            ),
            (
                "a submodule's name left out",
                'part._walk(f"{prefix}{name}.", seen)',
                "part._walk(prefix, seen)",
            ),
            ("a repeated part counted twice", "if id(tensor) in seen:", "if False:"),
            ("a parameter in the caller's array", "requires_grad=copy)", "requires_grad=False)"),
        ],
    ),
    "nn/containers.py": (
        ["tests/tinynet/test_nn.py", "tests/tinynet/test_nn_parts.py"],
        [
            ("lists not looked into", "(list, tuple, deque, UserList, ", "("),
            ("names with dots", 'if not name or "." in name:', "if not name:"),
        ],
    ),
    "nn/layers.py": (
        ["tests/tinynet/test_nn_conv2d.py"],
        [
            (
                "zeros at the end of the wrong axis",
                "bottom=bottom, right=right) if bottom or right",
                "bottom=right, right=bottom) if bottom or right",
            ),
            ("zeros only where rows hang over", "if bottom or right else", "if bottom else"),
            ("always rounded down", "if self.ceil_mode and len", "if False and len"),
        ],
    ),
    "ops/windows.py": (
        [
            LAYERS,
            "tests/tinynet/ops/test_max_pool2d.py",
            "tests/tinynet/test_nn_conv2d.py",
            "-k",
            "pool2d or nn_conv2d",
        ],
        [
            ("a last window outside the map", "windows -= 1", "pass"),
            ("always rounded up", "if not ceil_mode:", "if False:"),
            (
                "an overhang that forgets the padding",
                "(window - size - 2 * padding)",
                "(window - size)",
            ),
            (
                "an overhang of the whole stride",
                "2 * padding) % stride",
                "2 * padding) % stride or stride",
            ),
        ],
    ),
    "ops/local_response_norm.py": (
        [LAYERS, "tests/tinynet/ops/test_local_response_norm.py", "-k", "local_response_norm"],
        [("alpha never divided", "alpha / size if divide_by_size else", "")],
    ),
    "ops/same_map_norm.py": (
        [LAYERS, "tests/tinynet/ops/test_same_map_norm.py", "-k", "same_map_norm"],
        [("alpha divided once", "alpha / size**2", "alpha / size")],
    ),
    "ops/batch_norm.py": (
        ["tests/tinynet/ops/test_batch_norm.py", "tests/tinynet/parallel/test_batch_norm.py"],
        [
            (
                "ranks with few images weigh as much",
                "own[-1] = mean, variance, count",
                "own[-1] = mean, variance, 1",
            ),
            (
                "the spread of the ranks' means left out",
                "variances + (means - centre) ** 2",
                "variances",
            ),
            (
                "own means in the gradient",
                'ranks.all_reduce(sums, "batch_norm").wait()',
                "sums *= ranks.size",
            ),
            ("the gradient through the statistics left out", "dx -= through_mean", "pass"),
            (
                "weight left out of the gradient through them",
                "(weight / ctx.xp.sqrt",
                "(1 / ctx.xp.sqrt",
            ),
            ("an exchange in test mode", "exchanges = training and ranks", "exchanges = ranks"),
            (
                "one value on each of two ranks refused",
                " and (ranks is None or ranks.size == 1)",
                "",
            ),
            (
                "the running variance without n / (n - 1)",
                "count / (count - 1) * variance",
                "variance",
            ),
            (
                "the running statistics not copied",
                "running_mean.copy(), running_var.copy()",
                "running_mean, running_var",
            ),
        ],
    ),
    "ops/dropout.py": (
        ["tests/tinynet/ops/test_dropout.py"],
        [
            ("no scaling in test", "kept_share = 1 - drop", "kept_share = 1"),
            (
                "both conventions scaled in training",
                '1.0 if scale == "test" or drop == 1 else',
                "1.0 if drop == 1 else",
            ),
            ("a different mask in backward", "draw, *numbers, dx", "draw + 1, *numbers, dx"),
            ("the first row left out", "first_row * columns + first_column", "first_column"),
            ("rows of a block without what lies between", "if row == columns:", "if True:"),
        ],
    ),
    "ops/in_place.py": (
        ["tests/tinynet/ops/test_in_place.py", "tests/tinynet/test_versions.py"],
        [
            ("a change that no version tells", "tensor.raise_version()", "pass"),
            ("a recorded leaf changed", "if recorded and self._node is None", "if False and None"),
        ],
    ),
    "ops/arithmetic.py": (
        [LAYERS, "tests/tinynet/ops/test_arithmetic.py"],
        [
            ("a power of 0 without slope", "xp.where(exponent == zero, one, a)", "a"),
            ("the gradient of a / b by b without the square", "-dy * a / (b * b)", "-dy * a / b"),
        ],
    ),
    "ops/sums.py": (
        [LAYERS, "tests/tinynet/ops/test_arithmetic.py", "tests/tinynet/ops/test_sums.py"],
        [
            (
                "the gradient of a broadcast operand set to 0",
                "keepdims=True) if repeated else gradient",
                "keepdims=True) * 0 if repeated else gradient",
            ),
            ("long sums in float32", "axis=axis, dtype=np.float64", "axis=axis, dtype=np.float32"),
        ],
    ),
    "ops/maximum.py": (
        [LAYERS, "tests/tinynet/ops/test_maximum.py", "-k", "maximum or minimum"],
        [
            ("the whole gradient for each of two equal numbers", "dy / 2, dy)", "dy, dy)"),
            ("the gradient to the smaller one", "a, b, a < b, a > b)", "a, b, a > b, a < b)"),
        ],
    ),
    "ops/clip.py": (
        ["tests/tinynet/ops/test_clip.py"],
        [
            ("the lower bound outside", "(a >= low)", "(a > low)"),
            ("the upper bound outside", "(a <= high)", "(a < high)"),
        ],
    ),
    "ops/pad.py": (
        ["tests/tinynet/ops/test_pad.py"],
        [
            ("rows moved by the columns at the left", "slice(top, top +", "slice(left, left +"),
            ("the border left unset", "    y.fill(x.dtype.type(value))\n", ""),
        ],
    ),
    "ops/concatenate.py": (
        [LAYERS, "tests/tinynet/ops/test_concatenate.py", "-k", "concatenate"],
        [
            (
                "every tensor in the first one's place",
                "slice(end - array.shape[axis], end)",
                "slice(0, array.shape[axis])",
            ),
        ],
    ),
    "ops/sigmoid.py": (
        ["tests/tinynet/ops/test_sigmoid.py"],
        [("an overflow", "ctx.xp.exp(-ctx.xp.abs(x))", "ctx.xp.exp(-x)")],
    ),
    "ops/log_softmax.py": (
        ["tests/tinynet/ops/test_log_softmax.py"],
        [("an overflow", "logits - logits.max(axis=axis, keepdims=True)", "logits")],
    ),
    "ops/cross_entropy_options.py": (
        [LAYERS, "tests/tinynet/ops/test_softmax_cross_entropy.py", "-k", "softmax_cross_entropy"],
        [
            ("divided by the rows, not by their weights", "if not is_soft and (", "if False and ("),
            ("ignored labels counted", "weights if kept is None else", "weights if True else"),
            (
                "an ignored row with a gradient",
                "dlogits = xp.where(kept[:, None]",
                "xp.where(kept[:, None]",
            ),
            ("0 times infinity", "(logs if is_soft else xp.where(share == 0, zero, logs))", "logs"),
            (
                "no weights in the gradient of soft labels",
                "logs if weight is None else logs * weight",
                "logs",
            ),
        ],
    ),
    "ops/shape.py": (
        [LAYERS, "tests/tinynet/ops/test_shape.py"],
        [
            (
                "an element with two indices counted once",
                "ctx.xp.add.at(da, key, dy)",
                "da[key] = dy",
            ),
            (
                "backward transposes in the order of forward",
                "dy.transpose(inverse)",
                "dy.transpose(order)",
            ),
        ],
    ),
}
