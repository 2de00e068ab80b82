"""The network of programs whose images lie channels last, (N, H, W, C): TensorFlow's and JAX's.

It takes the weights of weights.npz in another order:

convolution       (out, in, rows, columns)  ->  (rows, columns, in, out)
linear            (out, in)                 ->  (in, out)
linear after Flatten: its inputs change their order from (c, h, w) to (h, w, c)
"""

import numpy as np


def flattened(layers) -> dict[str, tuple]:
    """{"fc6.weight": (c, h, w)}: the weights that read flattened maps, and the maps."""
    maps = {}
    shape = None
    for layer in layers:
        if layer["kind"] == "Flatten":
            shape = layer["inputs"]
        elif layer["kind"] == "Linear" and shape:
            maps[layer["name"] + ".weight"], shape = tuple(shape), None
    return maps


def to_channels_last(name, array, maps):
    """A weight or bias of weights.npz in the new order. maps: from flattened()."""
    if array.ndim == 4:
        array = array.transpose(2, 3, 1, 0)
    elif name in maps:
        array = array.reshape(-1, *maps[name]).transpose(2, 3, 1, 0).reshape(-1, len(array))
    elif array.ndim == 2:
        array = array.T
    return np.ascontiguousarray(array)


def from_channels_last(name, array, maps):
    """The inverse of to_channels_last."""
    if array.ndim == 4:
        return array.transpose(3, 2, 0, 1)
    if name in maps:
        c, h, w = maps[name]
        return array.reshape(h, w, c, -1).transpose(3, 2, 0, 1).reshape(-1, c * h * w)
    return array.T  # of a bias: itself


def forward(ops, layers, parameters, x, mode):
    """The logits of images x.

    ops         the framework's functions, called as below
    layers      from plan.json
    parameters  {name: array}, from to_channels_last
    mode        "dropping", "training" (without dropout) or "test"
    Raises TypeError for a layer that is not known.
    """
    for number, layer in enumerate(layers):
        name, arguments = layer["name"], layer["arguments"]
        match layer["kind"]:
            case "Conv2d":
                padding = arguments["padding"]
                zeros = max(0, _overhang(layer) - 2 * padding)
                x = ops.bordered(x, 0, zeros) if zeros else x
                y = ops.convolution(x, parameters[name + ".weight"], **arguments)
                x = ops.add_bias(y, parameters[name + ".bias"])
            case "Linear":
                x = ops.add_bias(x @ parameters[name + ".weight"], parameters[name + ".bias"])
            case "ReLU":
                x = ops.relu(x)
            case "Tanh":
                x = ops.tanh(x)
            case "Flatten":
                x = ops.reshape(x, (x.shape[0], -1))
            case "MaxPool2d":
                x = ops.max_pool(x, arguments["window"], arguments["stride"], _overhang(layer))
            case "AvgPool2d":
                sums = ops.sum_pool(x, arguments["window"], arguments["stride"], _overhang(layer))
                x = sums / _cells_inside(layer)
            case "AdaptiveAvgPool2d" if layer["inputs"] == layer["outputs"]:
                pass  # every mean is of one number
            case "LocalResponseNorm":
                size, k, beta = (arguments[word] for word in ("size", "k", "beta"))
                alpha = arguments["alpha"] / (size if arguments["divide_by_size"] else 1)
                # Channels last, the maps of a tower lie side by side, as those of other pixels do.
                towers = ops.reshape(x, _towers(x.shape, arguments["groups"]))
                y = ops.local_response_norm(towers, size // 2, k, alpha, beta)
                x = ops.reshape(y, tuple(x.shape))
            case "SameMapNorm":
                size, k, beta = (arguments[word] for word in ("size", "k", "beta"))
                squares = ops.bordered(x * x, size // 2, size // 2)
                sums = ops.sum_pool(squares, size, 1, 0)
                x = x * (k + arguments["alpha"] / size**2 * sums) ** -beta
            case "Dropout" if mode == "dropping":
                x = ops.dropout(x, arguments["drop"], arguments["scale"], number)
            case "Dropout":
                test = mode == "test" and arguments["scale"] == "test"
                x = x * (1 - arguments["drop"]) if test else x
            case kind:
                raise TypeError(f"no layer is known for {name}, {kind}; add it to {__name__}")
    return x


def _towers(shape, groups):
    """(N, H, W, C) as (N, H, W groups, C / groups)."""
    images, rows, columns, channels = shape
    return images, rows, columns * groups, channels // groups


def _overhang(layer):
    """How many rows, and columns, a layer's last window hangs over the edge of its maps."""
    arguments = layer["arguments"]
    stride, window = arguments["stride"], arguments.get("window") or arguments["kernel"]
    return max(0, (layer["outputs"][1] - 1) * stride + window - layer["inputs"][1])


def _cells_inside(layer):
    """float32 (1, OH, OW, 1): how many cells of the map each window of a pool covers."""
    window, stride = layer["arguments"]["window"], layer["arguments"]["stride"]
    first = np.arange(layer["outputs"][1]) * stride
    counts = np.minimum(window, layer["inputs"][1] - first).astype(np.float32)
    return np.outer(counts, counts)[None, :, :, None]
