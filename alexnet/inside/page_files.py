"""The files of the page that alexnet.explore writes: index.html, the program, and the arrays.

    FOLDER/index.html  page.js  page.css
    FOLDER/data/index.js                            photos, checkpoints, layers, classes, sources
    FOLDER/data/c<checkpoint>/<layer>.js            parameters, float32
    FOLDER/data/c<checkpoint>/p<photo>/<layer>.js   outputs, float32; image.js: the network's input,
                                                    or the name of the file that has the same

A browser lets a page from the disk read no other file, but run scripts: so a data file is a script
that hands its value to the page. Arrays are base64. Of a fully connected layer the page gets, in
the place of 58 million weights, the LARGEST products of each unit, and how the sum grows with more
of them.
"""

import base64
import json
from collections.abc import Iterator

import numpy as np

import tinynet as tn
from alexnet.inside.trace import Trace, TracedLayer
from tinynet.ops.conv_algorithm import takes_winograd

LARGEST = 24  # products of a unit


def script(name: str, value) -> str:
    """The text of a data file."""
    return f"explore.receive({json.dumps(name)}, {json.dumps(value)});\n"


def encoded(array: np.ndarray) -> dict:
    """An array as the page decodes it: its shape, and its bytes under the name of its dtype."""
    array = np.ascontiguousarray(array)
    data = base64.b64encode(array.astype(array.dtype.newbyteorder("<")).tobytes()).decode()
    return {"shape": list(array.shape), array.dtype.name: data}


def parameter_files(seen: Trace) -> Iterator[tuple[str, dict]]:
    """(name, value) for each layer that has arrays. Dense weights are left out."""
    for traced in seen:
        arrays = dict(traced.arrays)
        if traced.kind == "Linear":
            del arrays["weight"]
        yield traced.name, {name: encoded(array) for name, array in arrays.items()}


def output_files(
    seen: Trace, image: int = 0, same_input: str | None = None
) -> Iterator[tuple[str, dict]]:
    """(name, value) for what the network read, for each layer's output, and for the largest
    products of each unit of a fully connected layer.

    same_input  the name of a data file that holds the same input, of another network
    """
    yield "image", {"same": same_input} if same_input else encoded(seen.layers[0].x[image])
    for traced in seen:
        yield traced.name, encoded(traced.y[image])
        if traced.kind == "Linear":
            yield f"{traced.name}-terms", largest_terms(traced, image)


def largest_terms(traced: TracedLayer, image: int = 0) -> dict:
    """Of each unit, with its products w x in the order of their size:

    places    uint16 or int32 (units, LARGEST or fewer)  the inputs of the largest products
    products  float32, the same shape                    these products
    counts    int32 (K,)                                 1, 4, 16, ... and the number of inputs
    sums      float32 (units, K)                         the sum of the largest 1, 4, 16, ... of all
    Sums are made in float64.
    """
    x, weight = traced.x[image], traced.arrays["weight"]
    inputs = x.size
    count = min(LARGEST, inputs)
    counts = [4**i for i in range(16) if 4**i < inputs] + [inputs]
    places = np.empty((len(weight), count), np.uint16 if inputs <= 1 << 16 else np.int32)
    products = np.empty((len(weight), count), np.float32)
    sums = np.empty((len(weight), len(counts)), np.float32)
    for unit, row in enumerate(weight):
        all_products = row.astype(np.float64) * x
        size = np.abs(all_products)
        order = np.argsort(-size)
        largest = order[:count]
        order[:count] = largest[np.lexsort((largest, -size[largest]))]
        places[unit], products[unit] = order[:count], all_products[order[:count]]
        sums[unit] = np.cumsum(all_products[order])[np.array(counts) - 1]
    named = {"places": places, "products": products, "counts": np.array(counts, np.int32)}
    return {name: encoded(array) for name, array in (named | {"sums": sums}).items()}


def spread(array: np.ndarray, above: np.ndarray | None = None) -> dict:
    """The least and the largest number of an array, and the size of its largest difference from
    the same array of the network above on the page; None for the first network."""
    change = None if above is None else float(np.abs(array - above).max())
    return {"low": float(array.min()), "high": float(array.max()), "change": change}


def layer_facts(traced: TracedLayer, image: int = 0, above: np.ndarray | None = None) -> dict:
    """What the page says of a layer: its kind, arguments, shapes, time, memory, and the spread of
    its output.

    above  the same output of the network above on the page
    """
    y = traced.y[image]
    maps = y.reshape(len(y), -1)
    return {
        "name": traced.name,
        "kind": traced.kind,
        "arguments": traced.arguments,
        "algorithm": _algorithm(traced),
        "inputs": list(traced.x.shape[1:]),
        "outputs": list(y.shape),
        "parameters": int(sum(array.size for array in traced.arrays.values())),
        "seconds": traced.seconds,
        "bytes": traced.bytes,
        **spread(y, above),
        "mean": float(y.mean(dtype=np.float64)),
        "zero": float((y == 0).mean()),
        "silent": int((maps == 0).all(axis=1).sum()),
        "histogram": np.histogram(y, bins=40)[0].tolist(),
    }


def _algorithm(traced):
    """Which of the backend's algorithms computes a convolution; None for other layers."""
    if traced.kind != "Conv2d":
        return None
    layer, shapes = traced.layer, (traced.x.shape, traced.arrays["weight"].shape)
    geometry = layer.stride, layer.padding, layer.groups
    return "winograd" if takes_winograd(tn.get_backend(), *shapes, *geometry) else "im2col"
